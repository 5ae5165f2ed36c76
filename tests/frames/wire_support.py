"""What the tests of the wire share: sockets, and looking at descriptors."""

import socket
from collections.abc import Iterator
from pathlib import Path

from frames.wire_values import Event

BEAT = bytes(8)
WAIT_S = 5


def nothing(events: Iterator[Event]) -> None:
    for _ in events:
        pass


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one connection; the first is for the wire."""
    near, far = socket.socketpair()
    far.setblocking(False)
    return near, far


def listening() -> tuple[socket.socket, tuple[str, int]]:
    sock = socket.create_server(("127.0.0.1", 0))
    return sock, sock.getsockname()


def has_ended(far: socket.socket) -> bool:
    try:
        return far.recv(1) == b""
    except BlockingIOError:
        return False


def descriptors() -> set[str]:
    listed = [path.name for path in Path("/proc/self/fd").iterdir()]
    return {name for name in listed if Path("/proc/self/fd", name).is_symlink()}  # but the listing's own
