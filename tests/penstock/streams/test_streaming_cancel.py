"""A streaming call is cancelled at every step of its task: nothing is left over, and nothing is sent any more."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing

from penstock import Call, Service
from penstock.calls import Calls
from penstock.errors import StreamBroken
from penstock.outbox import Outbox
from penstock.port import STREAM_WINDOW_BYTES
from penstock.rooms import Rooms
from penstock.streaming import Streams
from penstock.testing_gateway import CONNECTION, EXCHANGE, FakeGateway
from penstock.testing_request import Request, make_request
from penstock.workers import Workers

SERVICE = Service("echo", version="1.0.0")
ENDED: list[str] = []
PIECES = [b"x" * 40_000] * 12


@SERVICE.put("/echo", streams=True)
async def echo(call: Call) -> None:
    try:
        await call.interim(103)
        async with call.respond(length=sum(map(len, PIECES))) as response:
            async for piece in call.stream():
                await trio.lowlevel.checkpoint()
                await response.send(piece)
    finally:
        ENDED.append("echo")


@SERVICE.put("/generator", streams=True)
async def generator(call: Call) -> AsyncIterator[bytes]:
    try:
        async for piece in call.stream():
            await trio.lowlevel.checkpoint()
            yield piece
    finally:
        ENDED.append("generator")


class Watch(trio.abc.Instrument):
    """Calls back before the n-th step of the workers' tasks."""

    def __init__(self, number: int, callback: Callable[[], None]) -> None:
        self.left = number
        self._callback = callback

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if "_Worker.run" in task.name:
            self.left -= 1
            if not self.left:
                self._callback()


class Bench:
    """A service's parts around one call, and a gateway that counts what comes after it has cancelled."""

    def __init__(self, nursery: trio.Nursery, request: Request) -> None:
        self.gateway = gateway = CountingGateway(request.payload)
        self.outbox = Outbox(gateway)
        self.rooms = Rooms(gateway)
        self.workers = Workers(nursery, 1, self.outbox)
        gateway.streams = self.streams = Streams(gateway, self.outbox, self.rooms, lambda _: STREAM_WINDOW_BYTES)
        endpoints = {request.endpoint.id: request.endpoint}
        calls = Calls(endpoints, gateway, self.outbox, self.workers.take, self.streams, trio.current_time)
        calls.begin(request.event, trio.current_time())
        self.workers.wake(1)

    def cancel(self) -> None:
        self.gateway.is_over = True
        self.workers.cancel(CONNECTION, EXCHANGE)
        self.streams.cancel(CONNECTION, EXCHANGE)


class CountingGateway(FakeGateway):
    is_over = False
    frames_after = 0

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes | memoryview, /) -> int:
        self.frames_after += self.is_over
        return super().frame(connection, frame_type, flags, exchange, payload)


async def run(path: str, number: int) -> bool:
    """One call, cancelled before its task's n-th step. False: it took fewer."""
    request = make_request(SERVICE, "PUT", path, None, pieces(), (), 10_000, {})
    assert request.rest is not None
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery, request)
        watch = Watch(number, bench.cancel)
        trio.lowlevel.add_instrument(watch)

        async def upload() -> None:
            try:
                for piece in PIECES:
                    await bench.gateway.stream.send(piece)
                await bench.gateway.stream.end()
            except StreamBroken:
                return

        nursery.start_soon(upload)
        nursery.start_soon(drain, bench)
        await bench.workers.wait_idle()
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(watch)
        assert not bench.workers.in_flight
        assert not bench.streams.open_calls
        assert not bench.outbox.kept
        assert not bench.rooms._queues
        assert not bench.gateway.frames_after
        if watch.left > 0:
            assert bench.gateway.stream.received_bytes == sum(map(len, PIECES))
        nursery.cancel_scope.cancel()
    return watch.left <= 0


async def drain(bench: Bench) -> None:
    try:
        async for _ in bench.gateway.stream:
            pass
    except StreamBroken:
        return


async def pieces() -> AsyncIterator[bytes]:
    yield b""


@pytest.mark.parametrize("path", ["/echo", "/generator"])
async def test_cancel_at_every_step(path: str) -> None:
    ENDED.clear()
    for number in itertools.count(1):
        if not await run(path, number):
            break
    assert number > 10
    assert number - 2 <= len(ENDED) <= number  # before its first step a handler has nothing to end
