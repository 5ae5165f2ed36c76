"""Idle connections, held open for what they cost in memory."""

import contextlib
import resource
import select
import socket
import struct
from collections.abc import Iterator

from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_PATH

_SOURCE_ADDRESSES = tuple(f"127.0.0.{last}" for last in range(1, 9))  # 8 times the ephemeral ports of one address
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: no port waits in TIME_WAIT
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: connect chooses the port, for this destination; ip(7)


@contextlib.contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Hold ``count`` keep-alive connections open, each after one answered request.

    One after the other, so that no server needs buffers for more than one request at a time. On leaving, checks that
    the server has closed none of them. Raises NotMeasured when it has, or when it does not take so many.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 200:
        raise NotMeasured(f"only {soft} descriptors may be open (ulimit -n), {count + 200} are needed")
    request = f"GET {INVOICE_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    connections: list[socket.socket] = []
    try:
        for number in range(count):
            try:
                connections.append(_connect(port, _SOURCE_ADDRESSES[number % len(_SOURCE_ADDRESSES)]))
                _exchange(connections[-1], request)
            except OSError as error:
                raise NotMeasured(f"connection {number + 1} of {count}: {type(error).__name__}: {error}") from error
        yield
        closed = _count_readable(connections)
        if closed:
            raise NotMeasured(f"{closed} of {count} idle connections were closed by the server")
    finally:
        for connection in connections:
            connection.close()


def _connect(port: int, source: str) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def _exchange(connection: socket.socket, request: bytes) -> None:
    """Send a request and read its whole answer, which has a content-length."""
    connection.sendall(request)
    held = b""
    while True:
        got = connection.recv(65536)
        if not got:
            raise ConnectionError("closed instead of an answer")
        held += got
        head, end, body = held.partition(b"\r\n\r\n")
        if end and len(body) >= _content_length(head):
            break
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {head[:40]!r}")


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise ConnectionError("the answer has no content-length")


def _count_readable(connections: list[socket.socket]) -> int:
    """Count connections with something to read, which after a whole answer can only be their end."""
    poller = select.poll()
    for connection in connections:
        poller.register(connection, select.POLLIN)
    return len(poller.poll(0))
