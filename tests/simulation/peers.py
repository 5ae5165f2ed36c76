"""Who talks to the simulated gateway: clients and services, over socket pairs, without waiting for anything."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from lab_service import make_hello

from frames.codec import Field, encode_frame, encode_response, scan
from frames.frame import END, FieldId, FrameType
from frames.greeting import encode_hello

OFFERS = ("GET /things/{name}", "POST /things/{name}")
MARK = b"x-simulated"


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


class SimulatedService(Peer):
    """A service that answers when it is told to."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self.instance = instance
        self.pending: dict[int, Asked] = {}
        self.cancelled: list[Asked] = []

    def join(self) -> None:
        """Say HELLO."""
        hello = make_hello(*OFFERS, service="things", instance=self.instance)
        self.send(encode_frame(FrameType.HELLO, 0, 0, encode_hello(hello)))

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
                name = found.target(view).rpartition(b"/")[2]
                asked = Asked(view.exchange, number, name, view.remaining_ms, view.attempt)
                assert asked.exchange not in self.pending, f"{asked} is under way already"
                self.pending[asked.exchange] = asked
                yield asked
            elif view.type == FrameType.CANCEL:
                cancelled = self.pending.pop(view.exchange, None)
                if cancelled is not None:
                    self.cancelled.append(cancelled)
        self._held = self._held[found.consumed :]

    def send_frame(self, frame_type: FrameType, payload: bytes, exchange: int = 0) -> None:
        """Send any frame."""
        self.send(encode_frame(frame_type, 0, exchange, payload))

    def respond(self, asked: Asked, status: int, body: bytes, flags: int = END) -> None:
        """Answer."""
        self.pending.pop(asked.exchange, None)
        self.send(encode_frame(FrameType.RESPONSE, flags, asked.exchange, encode_response(status, (), body)))


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

    def answers(self) -> Iterator[Got]:
        """Take in what has come, and yield the answers."""
        self.receive()
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
            length = int(headers[b"content-length"])
            if len(rest) < length:
                return
            self._held = rest[length:]
            yield Got(int(first.split()[1]), headers, rest[:length])
