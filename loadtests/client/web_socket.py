"""A WebSocket over a blocking socket, by wsproto (RFC 6455)."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import wsproto
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)
from wsproto.utilities import RemoteProtocolError

from loadtests.order import Address

from .asked import WrongAnswerError

RECEIVE_BYTES: Final = 65_536
TIMEOUT_S: Final = 30.0
GOING_AWAY: Final = 1001
CLOSED: Final = "the WebSocket was closed"


class ClosedError(WrongAnswerError):
    """The other side has closed it."""

    def __init__(self, code: int) -> None:
        """code: why (RFC 6455, section 7.4.1)."""
        super().__init__(f"{CLOSED}: {code}")
        self.code = code


class WebSocketClient:
    """One WebSocket. Raises OSError and `WrongAnswerError`."""

    def __init__(self, address: Address) -> None:
        """Connect; `open` shakes hands."""
        self._address = address
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._socket = socket.create_connection((address.host, address.port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting: list[Event] = []
        self._text = ""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def open(self, target: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Shake hands; return the status, 101 where that has succeeded, and the header fields of another one."""
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._send(Request(host=str(self._address), target=target, extra_headers=extra))
        event = self._next()
        if isinstance(event, AcceptConnection):
            return 101, {}
        if not isinstance(event, RejectConnection):
            raise WrongAnswerError(f"no handshake of a WebSocket: {type(event).__name__}")
        if event.has_body:
            while not (isinstance(piece := self._next(), RejectData) and piece.body_finished):
                pass
        return event.status_code, {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers
        }

    def send(self, text: str) -> None:
        """Send a message."""
        self._send(Message(data=text))

    def receive(self) -> str:
        """Wait for a message. Raises `ClosedError`."""
        while True:
            event = self._next()
            if isinstance(event, Message):
                self._text += str(event.data)
                if event.message_finished:
                    text, self._text = self._text, ""
                    return text
            elif isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, CloseConnection):
                with suppress(OSError, wsproto.utilities.LocalProtocolError):
                    self._send(event.response())
                raise ClosedError(event.code)

    def close(self) -> None:
        """Say that it is over where that can still be said, and close."""
        with suppress(OSError, wsproto.utilities.LocalProtocolError):
            self._send(CloseConnection(code=1000))
        self._socket.close()

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _next(self) -> Event:
        while not self._waiting:
            data = self._socket.recv(RECEIVE_BYTES)
            try:
                self._protocol.receive_data(data or None)
                self._waiting = list(self._protocol.events())
            except RemoteProtocolError as error:
                raise WrongAnswerError(f"no WebSocket: {error}"[:120]) from None
            if not data and not self._waiting:
                raise WrongAnswerError("the connection ended before the answer")
        return self._waiting.pop(0)
