"""Who talks to the simulated gateway: clients and services, over socket pairs, without waiting for anything."""

import socket
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from lab_service import make_hello

from frames.codec import Field, encode_credit, encode_frame, encode_response, scan
from frames.frame import END, FieldId, FrameType
from frames.greeting import EndpointOffer, encode_hello

ENDPOINTS: Final = (
    EndpointOffer(id=1, method="GET", path="/things/{name}"),
    EndpointOffer(id=2, method="POST", path="/things/{name}"),
    EndpointOffer(id=3, method="POST", path="/streams/{name}", streams=True),
)
CREDIT_BYTES: Final = 1_048_576
MARK: Final = b"x-simulated"


class Peer:
    """One end of a socket pair; the other one is the wire's."""

    def __init__(self) -> None:
        self.near, self._far = socket.socketpair()
        self._far.setblocking(False)
        self.descriptor = self._far.fileno()
        self.is_open = True
        self._unsent = b""
        self._held = b""

    def send(self, data: bytes) -> None:
        """Send, or keep what does not fit until the next look."""
        self._unsent += data
        try:
            while self._unsent:
                self._unsent = self._unsent[self._far.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""

    def receive(self) -> None:
        """Take in what has come."""
        self.send(b"")
        while self.is_open:
            try:
                data = self._far.recv(262_144)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
            self._held += data

    def close(self) -> None:
        """End the connection, for good."""
        self.is_open = False
        self._far.close()


class Asked(NamedTuple):
    """A REQUEST, as a service has it."""

    exchange: int
    number: int
    """Of the request, by the field that its client has sent; 0 where the gateway asks by itself."""
    name: bytes
    remaining_ms: int
    attempt: int
    streams: bool


class SimulatedService(Peer):
    """A service that answers when it is told to."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self.instance = instance
        self.pending: dict[int, Asked] = {}
        self.cancelled: list[Asked] = []

    def join(self) -> None:
        """Say HELLO."""
        more: dict[str, Any] = {"features": ("streams",), "credit_bytes": CREDIT_BYTES, "endpoints": ENDPOINTS}
        self.send_frame(FrameType.HELLO, encode_hello(make_hello(service="things", instance=self.instance, **more)))

    def frames(self) -> Iterator[Asked]:
        """Take in frames, and yield the requests among them."""
        self.receive()
        found = scan(self._held)
        assert not found.error, f"the gateway sent a bad frame: {found}"
        for view in found.frames:
            if view.type == FrameType.REQUEST:
                fields: list[Field] = found.fields(view)
                marks = [int(value) for field, name, value in fields if field == FieldId.NAMED and name == MARK]
                (number,) = marks or (0,)
                name, streams = found.target(view).rpartition(b"/")[2], view.endpoint == ENDPOINTS[2].id
                asked = Asked(view.exchange, number, name, view.remaining_ms, view.attempt, streams)
                assert asked.exchange not in self.pending, f"{asked} is under way already"
                self.pending[asked.exchange] = asked
                yield asked
            elif view.type == FrameType.CANCEL:
                cancelled = self.pending.pop(view.exchange, None)
                if cancelled is not None:
                    self.cancelled.append(cancelled)
        self._held = self._held[found.consumed :]

    def send_frame(self, frame_type: FrameType, payload: bytes, exchange: int = 0, flags: int = 0) -> None:
        """Send any frame."""
        self.send(encode_frame(frame_type, flags, exchange, payload))

    def respond(self, asked: Asked, status: int, body: bytes, *, pieces: int = 1) -> None:
        """Answer, in one piece or in several."""
        self.pending.pop(asked.exchange, None)
        count = -(-len(body) // pieces) or 1
        first = encode_response(status, (), body[:count])
        self.send_frame(FrameType.RESPONSE, first, asked.exchange, END if len(body) <= count else 0)
        for at in range(count, len(body), count):
            is_last = at + count >= len(body)
            self.send_frame(FrameType.DATA, body[at : at + count], asked.exchange, END if is_last else 0)

    def grant(self, asked: Asked) -> None:
        """Let more of a request's body come."""
        self.send_frame(FrameType.CREDIT, encode_credit(65_536), asked.exchange)


class Got(NamedTuple):
    """An answer, as a client has it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def reason(self) -> str:
        """Why it is not a service's; empty where it is."""
        if self.headers.get(b"content-type") != b"application/problem+json":
            return ""
        reason: str = msgspec.json.decode(self.body)["reason"]
        return reason


class SimulatedClient(Peer):
    """A client with one request at a time on its connection."""

    def __init__(self) -> None:
        super().__init__()
        self.asking: int | None = None
        self.rest = b""
        """Of its request, what was not sent yet."""

    @property
    def has_begun(self) -> bool:
        """Whether a part of an answer is there."""
        return bool(self._held)

    def answers(self) -> Iterator[Got]:
        """Take in what has come, and yield the answers."""
        self.receive()
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
            taken = _chunked(rest) if b"transfer-encoding" in headers else _counted(rest, headers)
            if taken is None:
                return
            body, self._held = taken
            yield Got(int(first.split()[1]), headers, body)


def _counted(rest: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes] | None:
    length = int(headers[b"content-length"])
    return (rest[:length], rest[length:]) if len(rest) >= length else None


def _chunked(rest: bytes) -> tuple[bytes, bytes] | None:
    """Return the body, and what is behind it; None while it is not whole (RFC 9112, section 7.1)."""
    body = b""
    while True:
        size, found, after = rest.partition(b"\r\n")
        count = int(size, 16) if found else 0
        if not found or len(after) < count + 2:
            return None
        body, rest = body + after[:count], after[count + 2 :]
        if not count:
            return body, rest
