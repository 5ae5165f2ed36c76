"""Servers that are loaded, as plain threads over sockets: they answer, or misbehave as they are told to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from frames.codec import encode_frame, encode_response, scan
from frames.frame import END, FrameType
from frames.greeting import EndpointOffer, Hello
from frames.session import Role, Session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HELLO = Hello(
    protocol=1,
    features=(),
    service="billing",
    version="1.4.0",
    instance="b-1",
    heartbeat_ms=5_000,
    credit_bytes=0,
    endpoints=(
        EndpointOffer(id=3, method="GET", path="/invoices/{id}"),
        EndpointOffer(id=4, method="POST", path="/invoices"),
    ),
)

Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[int]:
    """Listen on a free port of loopback, and have `talk` do each connection in a thread of its own; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for each in open_sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def requests(connection: socket.socket) -> Iterator[bytes]:
    """Yield each request that comes, which has no body."""
    held = b""
    while data := connection.recv(65_536):
        held += data
        while (at := held.find(b"\r\n\r\n")) >= 0:
            yield held[: at + 4]
            held = held[at + 4 :]


def answering(answer: bytes = OK) -> Talk:
    """Answer every request at once with these bytes."""

    def talk(connection: socket.socket) -> None:
        for _ in requests(connection):
            connection.sendall(answer)

    return talk


def frames_service(
    answer: Callable[[bytes], bytes] = lambda _request: encode_response(200, body=b"ok"), hello: Hello = HELLO
) -> Talk:
    """Say HELLO, and answer each REQUEST with the RESPONSE that is made of its payload."""

    def talk(connection: socket.socket) -> None:
        session = Session(Role.SERVICE, dialled=False)
        connection.sendall(encode_frame(FrameType.HELLO, 0, 0, session.hello(hello)))
        held = b""
        while data := connection.recv(65_536):
            held += data
            found = scan(held)
            for frame in found.frames:
                if frame.type == FrameType.REQUEST:
                    payload = answer(found.payload(frame))
                    connection.sendall(encode_frame(FrameType.RESPONSE, END, frame.exchange, payload))
            held = held[found.consumed :]

    return talk
