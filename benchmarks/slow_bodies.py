"""Large bodies that move slowly: clients that read a few KiB a second, and uploads that the service does not take."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias

from benchmarks.tools import NotMeasured
from benchmarks.work import BODY_MIB, DOWNLOADS_PATH, STALLED_PATH

RECEIVE_BYTES = 16 * 1024  # SO_RCVBUF: what waits in the client's own kernel would be no proxy's work
READ_BYTES = 1024
PIECE = b"x" * 65536

Move: TypeAlias = Callable[[], None]
"""Moves every body on a little. Raises NotMeasured when a connection has ended."""


@contextlib.contextmanager
def slow_downloads(port: int, count: int) -> Iterator[Move]:
    """Begin ``count`` downloads; each move reads READ_BYTES of each that has as much."""
    request = f"GET {DOWNLOADS_PATH.format(mebibytes=BODY_MIB)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    with _connections(port, count, request) as connections:
        yield lambda: _move(connections, lambda one: len(one.recv(READ_BYTES)))


@contextlib.contextmanager
def stalled_uploads(port: int, count: int) -> Iterator[Move]:
    """Begin ``count`` uploads to the endpoint that takes next to nothing; each move sends a piece where it can."""
    head = f"POST {STALLED_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {BODY_MIB << 20}\r\n\r\n"
    with _connections(port, count, head.encode()) as connections:
        yield lambda: _move(connections, lambda one: one.send(PIECE))


def _move(connections: list[socket.socket], once: Callable[[socket.socket], int]) -> None:
    for connection in connections:
        with contextlib.suppress(BlockingIOError):
            try:
                moved = once(connection)
            except (ConnectionError, TimeoutError) as error:
                raise NotMeasured(f"a body was given up: {type(error).__name__}: {error}") from error
            if not moved:
                raise NotMeasured("a connection was closed in the midst of a body")


@contextlib.contextmanager
def _connections(port: int, count: int, request: bytes) -> Iterator[list[socket.socket]]:
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(_connect(port, request))
        yield connections
    finally:
        for connection in connections:
            connection.close()


def _connect(port: int, request: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    connection.setblocking(False)
    return connection
