"""A connection that never blocks, by TCP or TLS, from being dialled to its end."""

import errno
import os
import socket
import ssl
from typing import Any, Final

import msgspec

from .result import LoadError

RECEIVE_BYTES: Final = 262_144
_UNDER_WAY: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class Place(msgspec.Struct, frozen=True):
    """Where to dial: what the name stood for when the run began, so that no look-up is measured."""

    family: int
    address: tuple[Any, ...]
    name: str
    """host:port, for messages."""
    context: ssl.SSLContext | None = None
    server_name: str = ""

    @classmethod
    def find(cls, host: str, port: int, context: ssl.SSLContext | None = None, server_name: str = "") -> "Place":
        """Look a host up. Raises `LoadError`."""
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise LoadError(f"{host} cannot be found: {error.strerror}; correct the address") from None
        return cls(family, address, f"{host}:{port}", context, server_name or host)


class Connection:
    """One connection. It is worked with when its descriptor is ready; what cannot be sent now is kept.

    Raises OSError where the connection is lost, ssl.SSLError among them.
    """

    def __init__(self, place: Place) -> None:
        """Begin to dial."""
        self.is_open = False
        """The connection is there, and TLS has been agreed upon where it is spoken."""
        self._place = place
        self._waiting = b""
        self._is_connected = False
        self._wants_write = True
        self._socket = socket.socket(place.family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failure = self._socket.connect_ex(place.address)
        if failure and failure not in _UNDER_WAY:
            self._socket.close()
            raise OSError(failure, os.strerror(failure))

    def fileno(self) -> int:
        """The descriptor to wait for; the same until the connection is closed."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether something waits until the descriptor can be written to."""
        return self._wants_write or bool(self._waiting)

    def advance(self) -> None:
        """Go on with being dialled, and with what could not be sent, after the descriptor became ready."""
        if not self._is_connected:
            failure = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                raise OSError(failure, os.strerror(failure))
            self._is_connected = True
            self._secure()
        if not self.is_open:
            self._shake_hands()
        if self._waiting:
            waiting, self._waiting = self._waiting, b""
            self.send(waiting)

    def send(self, data: bytes) -> None:
        """Send now what can be, and keep the rest."""
        if self._waiting:
            self._waiting += data
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        if sent < len(data):
            self._waiting = data[sent:]

    def receive(self) -> bytes | None:
        """Return what has come, b"" where the connection has ended, and None where nothing is there."""
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def close(self) -> None:
        """Close it at once."""
        self._socket.close()

    def _secure(self) -> None:
        if self._place.context is None:
            return
        self._socket = self._place.context.wrap_socket(
            self._socket, server_hostname=self._place.server_name, do_handshake_on_connect=False
        )

    def _shake_hands(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            try:
                self._socket.do_handshake()
            except ssl.SSLWantReadError:
                self._wants_write = False
                return
            except ssl.SSLWantWriteError:
                self._wants_write = True
                return
        self.is_open, self._wants_write = True, False


def reason_of(error: OSError) -> str:
    """Return in a few words why a connection failed, the same words for the same cause."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
    return os.strerror(error.errno) if error.errno else str(error)
