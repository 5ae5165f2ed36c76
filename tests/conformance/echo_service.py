"""A service that answers each request with what it saw of it, in the field ``x-echo``: so it works for HEAD, too."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import trio
from lab import Lab
from lab_service import RawService

from frames.codec import FrameView, Scan, encode_credit, encode_frame, encode_heartbeat, encode_response, scan
from frames.frame import END, FieldId, FrameType, HealthStatus, Method
from frames.greeting import EndpointOffer

CREDIT_BYTES = 65_536
BODY_SHOWN_BYTES = 4_096
HEARTBEAT = encode_frame(FrameType.HEARTBEAT, 0, 0, encode_heartbeat(HealthStatus.HEALTHY))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = ("/", "/{a}", "/{a}/{b}", "/{a}/{b}/{c}")
STREAMED = ("/flow", "/flow/{b}", "/flow/{b}/{c}")


def show_body(body: bytes) -> str:
    """Return a body as text, a long one by its digest."""
    return body.decode("latin-1") if len(body) <= BODY_SHOWN_BYTES else hashlib.sha256(body).hexdigest()


@dataclass(slots=True)
class Open:
    """A request of which more may come."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytearray
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> bytes:
        seen = {
            "method": self.method,
            "target": self.target,
            "fields": self.fields,
            "body": show_body(bytes(self.body)),
            "trailers": self.trailers,
        }
        return json.dumps(seen, separators=(",", ":")).encode()


def texts(found: Scan, view: FrameView) -> list[tuple[str, str]]:
    """Return a frame's fields; context fields are named in brackets."""
    return [
        (f"({FieldId(number).name.lower()})" if number else name.decode("latin-1"), value.decode("latin-1"))
        for number, name, value in found.fields(view)
    ]


def offers() -> tuple[EndpointOffer, ...]:
    """Return every method on every path, and the paths below /flow with bodies that stream."""
    plain = [(method, path, False) for path in PATHS for method in METHODS]
    streamed = [(method, path, True) for path in STREAMED for method in METHODS]
    return tuple(
        EndpointOffer(id=number, method=method, path=path, streams=streams)
        for number, (method, path, streams) in enumerate(plain + streamed, 1)
    )


class EchoService:
    """One connection of it. finished: the targets of the requests that came whole, in order; begun: all of them."""

    def __init__(self, service: RawService) -> None:
        self.stream = service.stream
        self.finished: list[str] = []
        self.begun = 0
        self._open: dict[int, Open] = {}
        self._held = b""

    @property
    def open_now(self) -> int:
        """Requests whose end has not come, and that were not cancelled."""
        return len(self._open)

    async def run(self) -> None:
        """Answer until the connection ends."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self.stream.receive_some(1 << 20):
                self._held += data
                found = scan(self._held)
                assert not found.error, found
                answers = b"".join(answer for view in found.frames for answer in self._take(found, view))
                self._held = self._held[found.consumed :]
                if answers:
                    await self.stream.send_all(answers)

    def note(self, asked: Open) -> None:
        """Remember a request that has come whole."""
        self.finished.append(asked.target)

    def _take(self, found: Scan, view: FrameView) -> Iterator[bytes]:
        if view.type == FrameType.HEARTBEAT:
            yield HEARTBEAT  # as often as the other side: long tests need it
        elif view.type == FrameType.REQUEST:
            yield from self._begin(found, view)
        elif view.type == FrameType.CANCEL:
            self._open.pop(view.exchange, None)
        elif (asked := self._open.get(view.exchange)) is None:
            return
        elif view.type == FrameType.DATA:
            asked.body += found.payload(view)
            if not view.flags & END:
                yield encode_frame(FrameType.CREDIT, 0, view.exchange, encode_credit(len(found.payload(view))))
        elif view.type == FrameType.TRAILERS:
            asked.trailers = texts(found, view)
        yield from self._maybe_finish(view)

    def _begin(self, found: Scan, view: FrameView) -> Iterator[bytes]:
        self.begun += 1
        fields = texts(found, view)
        body = bytearray(found.body(view))
        self._open[view.exchange] = Open(Method(view.method).name, found.target(view).decode("latin-1"), fields, body)
        if not view.flags & END and any(name == "expect" for name, _ in fields):
            yield encode_frame(FrameType.RESPONSE, 0, view.exchange, encode_response(100))

    def _maybe_finish(self, view: FrameView) -> Iterator[bytes]:
        if not view.flags & END or (asked := self._open.pop(view.exchange, None)) is None:
            return
        self.note(asked)
        fields = [(FieldId.NAMED, b"x-echo", asked.report())]
        yield encode_frame(FrameType.RESPONSE, END, view.exchange, encode_response(200, fields, b"seen"))


Kind = TypeVar("Kind", bound=EchoService)


async def start_echo(lab: Lab) -> EchoService:
    """Let an echo service join, and run it until the lab ends."""
    return await start_echo_of(EchoService, lab)


async def start_echo_of(kind: type[Kind], lab: Lab) -> Kind:
    """Do the same with a kind of echo service."""
    raw = await lab.raw(endpoints=offers(), features=("streams",), credit_bytes=CREDIT_BYTES)
    service = kind(raw)
    lab.nursery.start_soon(service.run)
    return service
