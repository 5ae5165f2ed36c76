"""A collector of traces on a port of this machine, which behaves as it is told: well, badly, or in bad faith."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What it does with a connection whose request was read. The event: it is to end."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


def answers(raw: bytes) -> Behaviour:
    """Say that, whatever was asked."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(raw)

    return behave


def says(status: int, *fields: str) -> Behaviour:
    """Answer with a status."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return answers(f"HTTP/1.1 {status} As Told\r\n{lines}Content-Length: 0\r\n\r\n".encode())


def says_nothing(connection: socket.socket, over: threading.Event) -> None:
    """Keep the connection, and say nothing."""
    over.wait(60)


def hangs_up(connection: socket.socket, over: threading.Event) -> None:
    """Close the connection."""
    connection.close()


def never_ends(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a body that has no end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    while not over.is_set():
        connection.sendall(piece)


def drips(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a body of which a byte comes now and then."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b"x")


class FakeCollector:
    """What came, and how to behave from now on."""

    def __init__(self) -> None:
        self.behave: Behaviour = answers(OK)
        self.context: ssl.SSLContext | None = None
        """Where it speaks TLS."""
        self.requests: list[ExportTraceServiceRequest] = []
        self.heads: list[str] = []
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it takes traces."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    @property
    def spans(self) -> list[Span]:
        """All spans that came."""
        return [
            span
            for request in tuple(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, str | int | bool]:
        """The attributes of who sent the first spans."""
        return attributes_of(self.requests[0].resource_spans[0].resource.attributes)

    def close(self) -> None:
        """End, and let go of everybody."""
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in tuple(self._threads):
            thread.join(5)

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self.context is not None:
                connection.settimeout(5)
                connection = self.context.wrap_socket(connection, server_side=True)
            self._serve_connected(connection)

    def _serve_connected(self, connection: socket.socket) -> None:
        connection.settimeout(0.1)
        with connection:
            while not self.over.is_set():
                body = self._read(connection)
                if body is None:
                    return
                self.requests.append(ExportTraceServiceRequest.FromString(body))
                self.behave(connection, self.over)

    def _read(self, connection: socket.socket) -> bytes | None:
        given = b""
        while b"\r\n\r\n" not in given:
            piece = self._receive(connection)
            if not piece:
                return None
            given += piece
        head, _, body = given.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        self.heads.append(text)
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in text.split("\r\n"))
        }
        while len(body) < int(fields["content-length"]):
            piece = self._receive(connection)
            if not piece:
                return None
            body += piece
        return gzip.decompress(body) if fields.get("content-encoding") == "gzip" else body

    def _receive(self, connection: socket.socket) -> bytes:
        while not self.over.is_set():
            try:
                return connection.recv(65_536)
            except TimeoutError:
                continue
        return b""


def attributes_of(attributes: Iterable[KeyValue]) -> dict[str, str | int | bool]:
    """Attributes as values by name."""
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in attributes}


@contextmanager
def collector() -> Iterator[FakeCollector]:
    """A collector that behaves well until it is told otherwise."""
    made = FakeCollector()
    try:
        yield made
    finally:
        made.close()


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait in a thread of its own until something is so; fail when it does not come to that."""
    ends_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.01)
