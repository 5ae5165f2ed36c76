"""Load: wrk for many connections, the closed loop in C for one, and sockets that are held open for the idle case."""

import contextlib
import json
import resource
import select
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.machine import pinned
from benchmarks.tools import HERE, NotMeasured, compiled, program
from benchmarks.work import CREATE_PATH, INVOICE_PATH

_SOURCE_ADDRESSES = tuple(f"127.0.0.{last}" for last in range(1, 9))  # 8 times the ephemeral ports of one address
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: no port waits in TIME_WAIT

_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: connect chooses the port, for this destination; ip(7)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load generator counted. Latencies are microseconds, from the request's first byte to the answer's last."""

    requests: int
    duration_s: float
    p50_us: float
    p99_us: float


Load: TypeAlias = Callable[[int, float, int], LoadResult]
"""``load(port, seconds, core)`` runs to its end. Raises NotMeasured when a single request was not answered well."""


def wrk(connections: int, body: bytes | None = None) -> Load:
    """Return a load of GETs of the invoice, or of POSTs with the body, over so many keep-alive connections."""

    def run(port: int, seconds: float, core: int) -> LoadResult:
        path = INVOICE_PATH if body is None else CREATE_PATH
        command = [
            program("wrk"),
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "-s",
            str(HERE / "wrk.lua"),
        ]
        command += [f"http://127.0.0.1:{port}{path}"]
        if body is not None:
            command += ["--", body.decode()]
        return _run(command, core)

    return run


def closed_loop(port: int, seconds: float, core: int) -> LoadResult:
    """A Load of GETs over one connection, each sent when the one before was answered."""
    return _run([str(compiled("closed_loop")), str(port), INVOICE_PATH, f"{seconds:.2f}"], core)


def _run(command: list[str], core: int) -> LoadResult:
    with pinned(core):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasured(f"the load generator failed: {(done.stderr or done.stdout).strip()[-200:]}")
    counted: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if counted["failed"] or not counted["requests"]:
        raise NotMeasured(f"{counted['failed']} of {counted['requests']} requests failed")
    return LoadResult(counted["requests"], counted["duration_us"] / 1e6, counted["p50_us"], counted["p99_us"])


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
