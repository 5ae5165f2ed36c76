"""HTTP/1.1 by hand, by h11 over a blocking socket: for users that send in pieces, read slowly, or go away."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import h11

from loadtests.order import Address

from .asked import WrongAnswerError

RECEIVE_BYTES: Final = 65_536
TIMEOUT_S: Final = 30.0
ENDED: Final = "the connection ended before the answer"


class PlainConnection:
    """One connection to the edge, which carries one request after the other. Raises OSError and `WrongAnswerError`."""

    def __init__(
        self,
        address: Address,
        *,
        timeout_s: float = TIMEOUT_S,
        receive_buffer_bytes: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect. receive_buffer_bytes: what the kernel holds of what was not read; 0: as much as it likes.

        tls: shakes hands by it; None: no TLS.
        """
        self._address = address
        self._http = h11.Connection(h11.CLIENT)
        self._socket = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer_bytes:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self._socket.settimeout(timeout_s)
            self._socket.connect((address.host, address.port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=address.host)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    @property
    def socket(self) -> socket.socket:
        """What carries it."""
        return self._socket

    def begin(self, method: str, target: str, headers: Mapping[str, str], *, length: int | None = None) -> None:
        """Send the head of a request. length: of its body; None: it is sent in chunks, 0: there is none."""
        framing = {} if length == 0 else {"transfer-encoding": "chunked"} if length is None else {}
        if length:
            framing = {"content-length": str(length)}
        said = {"host": str(self._address), **headers, **framing}
        self._send(h11.Request(method=method, target=target, headers=list(said.items())))

    def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._send(h11.Data(data=piece))

    def end(self) -> None:
        """Say that the body was the last."""
        self._send(h11.EndOfMessage())

    def answer(self) -> tuple[int, dict[str, str]]:
        """Wait for the head of the answer; return status and header fields, whose names are in lower case."""
        while True:
            event = self._next()
            if isinstance(event, h11.Response):
                fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                return event.status_code, fields

    def pieces(self) -> Iterator[bytes]:
        """Yield the body of the answer as it comes, to its end."""
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    def next_request(self) -> bool:
        """Make ready for another request; return whether the connection carries one."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        with suppress(h11.LocalProtocolError):
            self._http.start_next_cycle()
            return True
        return False

    def has_ended(self) -> bool:
        """Whether the other side has closed it between two requests, or said something that nobody asked for."""
        timeout_s = self._socket.gettimeout()
        try:
            self._socket.settimeout(0)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            pass
        finally:
            self._socket.settimeout(timeout_s)
        return True

    def close(self) -> None:
        """Close it, whatever there is still to come."""
        self._socket.close()

    def _send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        data = self._http.send(event)
        if data:
            self._socket.sendall(data)

    def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(self._socket.recv(RECEIVE_BYTES))
        except h11.RemoteProtocolError as error:
            if "without sending complete" in str(error) or "closed connection" in str(error):
                raise WrongAnswerError(ENDED) from None
            raise WrongAnswerError(f"no answer of HTTP/1.1: {error}"[:120]) from None
        if isinstance(event, h11.ConnectionClosed):
            raise WrongAnswerError(ENDED)
        return event
