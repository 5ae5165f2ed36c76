"""A gateway's side of framed connections on plain sockets, for tests of a service over loopback."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
import trio
from msgspec.structs import replace

from frames.codec import encode_frame, encode_request, scan
from frames.fields import Field, decode_fields
from frames.frame import END, FieldId, FrameType, Method
from frames.greeting import WORKERS, Hello, Welcome, WorkerPlace, decode_hello, encode_welcome
from penstock.settings import ServiceSettings, load_service_settings

WAIT_S = 5


class Frame(NamedTuple):
    type: int
    flags: int
    exchange: int
    payload: bytes

    @property
    def status(self) -> int:
        assert self.type == FrameType.RESPONSE, self
        return int.from_bytes(self.payload[:2])

    @property
    def fields(self) -> dict[bytes, bytes]:
        count = int.from_bytes(self.payload[2:4])
        return {name: value for _, name, value in decode_fields(self.payload, 4, count, 4 + 4 * count)}

    @property
    def body(self) -> bytes:
        count = int.from_bytes(self.payload[2:4])
        return self.payload[4 + 4 * count + sum(len(n) + len(v) for n, v in self.fields.items()) :]

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Connection:
    """One accepted connection; frames are read and written by hand."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._held = b""
        self._frames: deque[Frame] = deque()
        self.beats = 0

    async def send(self, kind: FrameType, payload: bytes = b"", flags: int = 0, exchange: int = 0) -> None:
        await self.stream.send_all(encode_frame(kind, flags, exchange, payload))

    async def receive(self) -> Frame | None:
        """The next frame but heartbeats, which are counted; None at the connection's end."""
        with trio.fail_after(WAIT_S):
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    if frame.type != FrameType.HEARTBEAT:
                        return frame
                    self.beats += 1
                if not await self._read():
                    return None

    async def receive_beat(self) -> Frame:
        with trio.fail_after(WAIT_S):
            while not self._frames:
                assert await self._read()
        assert self._frames[0].type == FrameType.HEARTBEAT
        return self._frames.popleft()

    async def expect(self, kind: FrameType) -> Frame:
        frame = await self.receive()
        assert frame is not None, f"the connection ended, {kind.name} was expected"
        assert frame.type == kind, frame
        return frame

    async def _read(self) -> bool:
        data = await self.stream.receive_some(65536)
        self._held += data
        found = scan(self._held)
        assert not found.error
        self._frames += [Frame(f.type, f.flags, f.exchange, found.payload(f)) for f in found.frames]
        self._held = self._held[found.consumed :]
        return bool(data)

    async def greet(
        self,
        heartbeat_ms: int = 1000,
        features: tuple[str, ...] = (),
        credit_bytes: int = 0,
        *,
        wants_endpoints: bool = False,
        worker: str | None = None,
        workers: Sequence[WorkerPlace] | None = None,
        names_workers: bool = True,
    ) -> Hello:
        """Take HELLO, and say WELCOME. worker: which this is, with the feature for it."""
        hello = decode_hello((await self.expect(FrameType.HELLO)).payload)
        welcome = Welcome(
            protocol=1,
            features=features,
            gateway="gw-1",
            heartbeat_ms=heartbeat_ms,
            credit_bytes=credit_bytes,
            wants_endpoints=wants_endpoints,
        )
        if worker is not None:
            named = (*features, WORKERS) if names_workers else features
            welcome = replace(welcome, features=named, worker=worker, workers=workers and tuple(workers))
        await self.send(FrameType.WELCOME, encode_welcome(welcome))
        return hello

    async def tell_workers(
        self, worker: str, workers: Sequence[WorkerPlace], *, leaves_within_ms: int | None = None
    ) -> None:
        """Say WELCOME, unasked."""
        welcome = Welcome(
            protocol=1,
            features=(WORKERS,),
            gateway="gw-1",
            heartbeat_ms=1000,
            credit_bytes=0,
            worker=worker,
            workers=tuple(workers),
            leaves_within_ms=leaves_within_ms,
        )
        await self.send(FrameType.WELCOME, encode_welcome(welcome))

    async def call(
        self,
        exchange: int,
        endpoint: int,
        target: str,
        *,
        method: Method = Method.GET,
        body: bytes = b"",
        remaining_ms: int = 5000,
        flags: int = END,
        extra: Sequence[Field] = (),
    ) -> None:
        fields: list[Field] = [(FieldId.REQUEST_ID, b"", b"req-%d" % exchange), (FieldId.CORRELATION_ID, b"", b"cor-1")]
        fields += extra
        payload = encode_request(remaining_ms, endpoint, method, target.encode(), fields, body)
        await self.send(FrameType.REQUEST, payload, flags, exchange)


class Gateway:
    """Listens on a free port of loopback."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        host, self.port = listener.socket.getsockname()
        self.address = f"tcp://{host}:{self.port}"
        self._streams: list[trio.SocketStream] = []

    async def accept(self) -> Connection:
        with trio.fail_after(WAIT_S):
            self._streams.append(await self._listener.accept())
        return Connection(self._streams[-1])

    async def dial(self, port: int) -> Connection:
        """Dial a service that listens on loopback."""
        with trio.fail_after(WAIT_S):
            while True:
                try:
                    self._streams.append(await trio.open_tcp_stream("127.0.0.1", port))
                except OSError:  # not yet
                    await trio.sleep(0.01)
                else:
                    return Connection(self._streams[-1])

    def close(self) -> None:
        for stream in self._streams:
            stream.socket.close()
        self._listener.socket.close()

    def settings(self, **environment: str) -> ServiceSettings:
        given = {f"PENSTOCK_{name.upper()}": value for name, value in environment.items()}
        return load_service_settings({"PENSTOCK_GATEWAYS": self.address, **given})


async def open_gateway() -> Gateway:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    return Gateway(listener)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = await open_gateway()
    yield gateway
    gateway.close()


@pytest.fixture
async def workers() -> AsyncIterator[tuple[Gateway, Gateway, Gateway]]:
    """Three workers of one gateway."""
    workers = (await open_gateway(), await open_gateway(), await open_gateway())
    yield workers
    for worker in workers:
        worker.close()
