"""A service that speaks frames by hand over a plain socket, and misbehaves as it is told to."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import trio
from lab_client import WAIT_S

from frames.codec import Field, decode_cancel, decode_fault, encode_credit, encode_frame, encode_response, scan
from frames.frame import END, CancelReason, FaultCode, FieldId, FrameType, Method
from frames.greeting import EndpointOffer, Hello, Welcome, decode_welcome, encode_hello
from frames.limits import DATA_BYTES_MAX


class Received(NamedTuple):
    """A frame that the gateway sent."""

    type: FrameType
    flags: int
    exchange: int
    payload: bytes


class Asked(NamedTuple):
    """A REQUEST that the gateway sent."""

    exchange: int
    remaining_ms: int
    endpoint: int
    method: Method
    attempt: int
    target: bytes
    fields: list[Field]
    body: bytes
    """What came in the REQUEST itself."""
    flags: int

    def context(self, field: FieldId) -> bytes | None:
        """The value of a context field."""
        (value,) = [value for number, _, value in self.fields if number == field] or (None,)
        return value

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields that are named by their text."""
        return [(name, value) for number, name, value in self.fields if number == FieldId.NAMED]


def make_hello(*offers: str, service: str = "raw", instance: str = "raw-1", first_id: int = 1, **more: object) -> Hello:
    """offers: such as ``GET /things``, with endpoint ids from first_id on."""
    members: dict[str, object] = {
        "protocol": 1,
        "features": (),
        "service": service,
        "version": "1.0.0",
        "instance": instance,
        "heartbeat_ms": 5_000,
        "credit_bytes": 0,
        "endpoints": tuple(
            EndpointOffer(id=number, method=offer.split()[0], path=offer.split()[1])
            for number, offer in enumerate(offers, first_id)
        ),
    }
    return Hello(**{**members, **more})  # type: ignore[arg-type]


def streaming(*offers: str, credit_bytes: int = 65_536, upgrades: tuple[str, ...] = ()) -> dict[str, object]:
    """Members of the HELLO of a service whose endpoints stream. upgrades: of those with GET."""
    return {
        "features": ("streams",),
        "credit_bytes": credit_bytes,
        "endpoints": tuple(
            EndpointOffer(
                id=number,
                method=offer.split()[0],
                path=offer.split()[1],
                streams=True,
                upgrades=upgrades if offer.startswith("GET ") else (),
            )
            for number, offer in enumerate(offers, 1)
        ),
    }


class RawService:
    """One connection to a gateway's services port."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.heartbeats = 0
        self._held = b""
        self._frames: deque[tuple[Received, Asked | None]] = deque()
        self._first: dict[int, bytes] = {}

    async def send(self, frame_type: int, payload: bytes = b"", flags: int = 0, exchange: int = 0) -> None:
        await self.stream.send_all(encode_frame(FrameType(frame_type), flags, exchange, payload))

    async def send_bytes(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def join(self, *offers: str, **more: object) -> Welcome:
        """Say HELLO and wait for WELCOME; from then on requests may come."""
        await self.send(FrameType.HELLO, encode_hello(make_hello(*offers, **more)))  # type: ignore[arg-type]
        return decode_welcome((await self.expect(FrameType.WELCOME)).payload)

    async def next(self) -> tuple[Received, Asked | None]:
        """The next frame but heartbeats, which are counted."""
        with trio.fail_after(WAIT_S):
            while True:
                while self._frames:
                    frame, asked = self._frames.popleft()
                    if frame.type is not FrameType.HEARTBEAT:
                        return frame, asked
                    self.heartbeats += 1
                assert await self._read(), "the connection has ended"

    async def expect(self, frame_type: FrameType) -> Received:
        frame, _ = await self.next()
        assert frame.type is frame_type, frame
        return frame

    async def asked(self) -> Asked:
        """The next request."""
        frame, asked = await self.next()
        assert asked is not None, frame
        return asked

    async def cancelled(self) -> tuple[int, CancelReason]:
        """The exchange and the reason of the CANCEL that comes next."""
        frame = await self.expect(FrameType.CANCEL)
        return frame.exchange, CancelReason(decode_cancel(frame.payload))

    async def fault(self) -> FaultCode:
        """The code of the FAULT that comes next, after which the connection ends."""
        fault = decode_fault((await self.expect(FrameType.FAULT)).payload)
        await self.ended()
        return FaultCode(fault.code)

    async def respond(
        self, asked: Asked, status: int = 200, fields: Sequence[Field] = (), body: bytes = b"", flags: int = END
    ) -> None:
        await self.send(FrameType.RESPONSE, encode_response(status, fields, body), flags, asked.exchange)

    async def data(self, asked: Asked, body: bytes, flags: int = 0) -> None:
        """Send a piece of an answer's body, of any length."""
        for at in range(0, max(1, len(body)), DATA_BYTES_MAX):
            piece = body[at : at + DATA_BYTES_MAX]
            is_last = at + DATA_BYTES_MAX >= len(body)
            await self.send(FrameType.DATA, piece, flags if is_last else 0, asked.exchange)

    async def grant(self, asked: Asked, byte_count: int) -> None:
        """Let more of a request's body come."""
        await self.send(FrameType.CREDIT, encode_credit(byte_count), exchange=asked.exchange)

    async def read_body(self, asked: Asked, byte_count: int | None = None, *, grants: bool = True) -> bytes:
        """Read a request's body: that many bytes, or all until END. What came as DATA is granted again."""
        body = bytearray(self._first.pop(asked.exchange, b""))
        while not asked.flags & END and (byte_count is None or len(body) < byte_count):
            frame = await self.expect(FrameType.DATA)
            assert frame.exchange == asked.exchange
            body += frame.payload
            if frame.flags & END:
                break
            if grants and frame.payload:
                await self.grant(asked, len(frame.payload))
        return bytes(body)

    @property
    def has_frames(self) -> bool:
        """Whether something has come that was not looked at yet."""
        return bool(self._frames or self._held)

    async def ended(self) -> None:
        """Wait for the end of the connection; heartbeats may come before it."""
        with trio.fail_after(WAIT_S):
            while await self._read():
                assert all(frame.type is FrameType.HEARTBEAT for frame, _ in self._frames), self._frames
                self._frames.clear()

    async def _read(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False  # reset: what we sent last was not read
        self._held += data
        found = scan(self._held)
        assert not found.error, f"the gateway sent a bad frame: {found}"
        for view in found.frames:
            frame = Received(FrameType(view.type), view.flags, view.exchange, found.payload(view))
            asked = None
            if view.type == FrameType.REQUEST:
                asked = Asked(
                    view.exchange,
                    view.remaining_ms,
                    view.endpoint,
                    Method(view.method),
                    view.attempt,
                    found.target(view),
                    found.fields(view),
                    found.body(view),
                    view.flags,
                )
                self._first[view.exchange] = asked.body
            self._frames.append((frame, asked))
        self._held = self._held[found.consumed :]
        return bool(data)

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self.stream)
