"""A wire whose clients speak TLS, driven by hand: a turn is one batch, and nothing waits for a clock."""

import socket
import ssl
from collections.abc import Callable
from typing import Self

from frames.frame import CancelReason
from frames.wire import Wire
from frames.wire_values import Event, EventKind, Request, SocketKind, WireSettings
from proxy.edge.tls.batch import TlsEdge
from proxy.edge.tls.certificates import ServerCertificates

TURNS_MAX = 400
GET = b"GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n"

Answer = Callable[["TlsLab", Request], None]


def say_path(lab: "TlsLab", request: Request) -> None:
    """Answer with the path that was asked for."""
    exchange, at, count, *_ = request
    lab.wire.answer(exchange, 200, b"", bytes(lab.wire.arena[at : at + count]), False)


class TlsLab:
    """A wire, what speaks TLS for it, and who answers its requests."""

    def __init__(self, certificates: ServerCertificates, answer: Answer = say_path, **settings: int) -> None:
        """settings: those of the wire that are not to be as usual."""
        self.wire = Wire(WireSettings(**settings))
        self.edge = TlsEdge(self.wire.tls, self.wire.arena, certificates)
        self.answer = answer
        self.events: list[Event] = []
        self.clients: list[Client] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """Close everything, and see that nothing of any client is left."""
        for client in self.clients:
            client.socket.close()
        for _ in range(6):
            self.turn()
        counters = self.wire.counters()
        self.wire.close_all()
        if kind is not None:
            return
        assert self.edge.sessions_now == 0
        assert [counters[name] for name in ("edge_open_now", "exchanges_now", "buffers_now")] == [0, 0, 0]

    def turn(self) -> None:
        """Take one step, decide, encrypt and flush."""
        for event in self.wire.step():
            self.events.append(event)
            if event[2] == EventKind.TLS_INPUT:
                self.edge.received(event)
            elif event[2] == EventKind.TLS_CLOSED:
                self.edge.closed(event)
            elif event[2] == EventKind.BAD_REQUEST:
                self.wire.answer(event[0], 400, b"", b"bad", True)
            elif event[2] == EventKind.CLIENT_GONE:
                self.wire.cancel(event[0], CancelReason.CLIENT_GONE)
        for request in self.wire.requests():
            self.answer(self, request)
        self.edge.send_pending()
        self.wire.flush()

    def count(self, kind: EventKind) -> int:
        """Return how many events of a kind there were."""
        return sum(event[2] == kind for event in self.events)

    def client(
        self,
        context: ssl.SSLContext,
        name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> "Client":
        """Return a new client that has not yet said anything."""
        client = Client(self, context, name, session)
        self.clients.append(client)
        return client


class Client:
    """One client at the other end of a socket, with TLS on memory."""

    def __init__(self, lab: TlsLab, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None) -> None:
        self.lab = lab
        theirs, self.socket = socket.socketpair()
        lab.wire.adopt(theirs, SocketKind.EDGE_TLS)
        self.socket.setblocking(False)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        self.has_ended = False

    def shake(self) -> Self:
        """Shake hands to the end."""
        for _ in range(TURNS_MAX):
            try:
                self.object.do_handshake()
            except ssl.SSLWantReadError:
                self.exchange()
            else:
                self.exchange()
                return self
        raise AssertionError("the handshake has no end")

    def exchange(self) -> None:
        """Send what is to be sent, let the other side take a turn, and take in what comes."""
        self.send(self.outgoing.read())
        self.lab.turn()
        self.take_in()

    def send(self, content: bytes) -> None:
        """Send raw bytes, turning while the socket is full."""
        while content:
            try:
                content = content[self.socket.send(content) :]
            except BlockingIOError:
                self.lab.turn()

    def take_in(self) -> None:
        """Take in what has come, up to 64 KiB."""
        try:
            content = self.socket.recv(65536)
        except BlockingIOError:
            return
        if content:
            self.incoming.write(content)
        else:
            self.has_ended = True
            self.incoming.write_eof()

    def say(self, plaintext: bytes, record_bytes: int | None = None) -> None:
        """Send plaintext, in records of that size."""
        step = record_bytes or len(plaintext)
        for at in range(0, len(plaintext), step):
            self.object.write(plaintext[at : at + step])
        self.send(self.outgoing.read())

    def hear(self, count: int) -> bytes:
        """Return that many bytes of plaintext, or what there is before the end."""
        heard = bytearray()
        for _ in range(TURNS_MAX):
            try:
                while len(heard) < count and (piece := self.object.read(count - len(heard))):
                    heard += piece
            except ssl.SSLWantReadError:
                pass
            else:
                return bytes(heard)
            self.exchange()
        raise AssertionError(f"only {len(heard)} of {count} bytes came")

    def hear_answer(self) -> tuple[int, bytes]:
        """Return the status and the body of one answer."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            byte = self.hear(1)
            assert byte, "the end came before an answer"
            head += byte
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        return int(head[9:12]), self.hear(int(length[16:]))

    def ends_well(self) -> bool:
        """Whether close_notify is all that is left, and then the connection ends."""
        try:
            rest = self.hear(1)
        except (ssl.SSLError, OSError):
            return False
        for _ in range(6):
            self.exchange()
        return rest == b"" and self.has_ended
