"""One connection to a service that blocks: for `penstock call`, and whoever has a thread for each connection."""

import os
import socket
import ssl
import time
from typing import Final

from frames.frame import CancelReason

from .peer import HEARTBEAT_MS, Answer, PeerError, ServicePeer
from .request import Request
from .sockets import RECEIVE_BYTES, Place, reason_of

CONNECT_S: Final = 5.0
"""To connect, to agree upon TLS, and again to hear HELLO."""
LATE_S: Final = 1.0
"""How much longer than its deadline an answer is waited for: the service may tell that it is over."""


class ServiceConnection:
    """A connection over which a service is asked, one request after the other.

    It owns its socket: use it as a context manager. Every method that waits may raise `PeerError`, whose text is one
    line.
    """

    def __init__(self, connection: socket.socket, *, dialled: bool, name: str) -> None:
        """Take a connected socket, and who is at its other end, for messages."""
        self.name = name
        self.peer = ServicePeer(dialled=dialled, name="call", keeps_answers=True)
        self._socket = connection

    @classmethod
    def dial(cls, place: Place) -> "ServiceConnection":
        """Dial a service that listens."""
        plain = socket.socket(place.family, socket.SOCK_STREAM)
        try:
            plain.settimeout(CONNECT_S)
            plain.connect(place.address)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if place.context is not None:
                plain = place.context.wrap_socket(plain, server_hostname=place.server_name)
        except TimeoutError:
            plain.close()
            raise PeerError(f"{place.name} does not answer within {CONNECT_S:g} s") from None
        except OSError as error:
            plain.close()
            raise PeerError(f"{place.name} cannot be reached: {reason_of(error)}") from None
        return cls(plain, dialled=True, name=place.name)

    @classmethod
    def accept(cls, host: str, port: int, wait_s: float) -> "ServiceConnection":
        """Wait for a service that dials in."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        name = f"{host}:{port}"
        try:
            with socket.create_server((host, port), family=family, backlog=1) as listener:
                listener.settimeout(wait_s)
                connection, _ = listener.accept()
        except TimeoutError:
            raise PeerError(
                f"no service has dialled {name} within {wait_s:g} s; is it in its PENSTOCK_GATEWAYS?"
            ) from None
        except OSError as error:
            raise PeerError(f"cannot listen on {name}: {os.strerror(error.errno or 0)}") from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection, dialled=False, name=name)

    def __enter__(self) -> "ServiceConnection":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say goodbye, and close."""
        self.peer.leave()
        try:
            self._send()
        except PeerError:  # it has gone before
            pass
        finally:
            self._socket.close()

    def greet(self) -> None:
        """Wait until the service has said what it offers, and been welcomed."""
        until = time.monotonic() + CONNECT_S
        while not (self.peer.is_open and self.peer.endpoints):
            if self._receive(until) is None:
                raise PeerError(f"{self.name} has not said HELLO within {CONNECT_S:g} s; is it a service's port?")

    def ask(self, request: Request) -> Answer:
        """Send a request, and wait for its answer. Raises `RequestError`, too: the service has no such endpoint."""
        exchange = self.peer.begin(request.payload(self.peer))
        self._send()
        until = time.monotonic() + request.deadline_ms / 1000 + LATE_S
        while (answers := self._receive(until)) is not None:
            for answer in answers:
                if answer.exchange == exchange:
                    return answer
        self.peer.cancel(exchange, CancelReason.DEADLINE)
        self._send()
        return Answer(exchange, 0, "no answer within the deadline")

    def _send(self) -> None:
        output = self.peer.take_output()
        try:
            self._socket.settimeout(CONNECT_S)
            self._socket.sendall(output)
        except OSError as error:
            raise PeerError(f"{self.name} is lost: {reason_of(error)}") from None

    def _receive(self, until: float) -> list[Answer] | None:
        """Return what ended with what came, or None where it is too late."""
        left = until - time.monotonic()
        if left <= 0:
            return None
        try:
            self._socket.settimeout(min(left, HEARTBEAT_MS / 1000))
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            self.peer.heartbeat()
            self._send()
            return []
        except ssl.SSLError as error:
            raise PeerError(f"{self.name} is lost: {reason_of(error)}; does it want a certificate of ours?") from None
        except OSError as error:
            raise PeerError(f"{self.name} is lost: {reason_of(error)}") from None
        if not data:
            raise PeerError(f"{self.name} has closed the connection without an answer; is it a service's port?")
        try:
            answers = self.peer.receive(data)
        except PeerError as error:
            self._send()
            raise PeerError(f"{self.name}: {error}") from None
        self._send()
        return answers
