"""What an application learns of the end of its client, and how long it may go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
from asgi_support import LOOPS, bridged, length, part, start

from penstock.asgi.messages import ClientDisconnected, Receive, Scope, Send
from penstock.asgi.runner import Loop
from penstock.calls import Calls
from penstock.outbox import Outbox
from penstock.port import STREAM_WINDOW_BYTES
from penstock.rooms import Rooms
from penstock.streaming import Streams
from penstock.testing_gateway import CONNECTION, EXCHANGE, FakeGateway
from penstock.testing_request import make_request
from penstock.workers import Workers


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


class Bench:
    """A service's parts around one call, which can be given up."""

    def __init__(self, nursery: trio.Nursery, service: Any, body: Any, method: str = "POST", target: str = "/") -> None:
        request = make_request(service, method, target, None, body, (), 10_000, {})
        self.gateway = gateway = FakeGateway(request.payload)
        outbox = Outbox(gateway)
        self.workers = Workers(nursery, 1, outbox)
        gateway.streams = self.streams = Streams(gateway, outbox, Rooms(gateway), lambda _: STREAM_WINDOW_BYTES)
        endpoints = {request.endpoint.id: request.endpoint}
        calls = Calls(endpoints, gateway, outbox, self.workers.take, self.streams, trio.current_time)
        calls.begin(request.event, trio.current_time())
        self.workers.wake(1)

    def give_up(self) -> None:
        """What the gateway does when the client has gone."""
        self.workers.cancel(CONNECTION, EXCHANGE)
        self.streams.cancel(CONNECTION, EXCHANGE)


@asynccontextmanager
async def asked(app: Any, loop: Loop, body: Any = b"", **more: Any) -> AsyncIterator[Bench]:
    """A request on its way to the application."""
    async with bridged(app, loop, lifespan="off", **more) as service, trio.open_nursery() as nursery:
        yield Bench(nursery, service, body)
        nursery.cancel_scope.cancel()


async def soon(log: list[str], wanted: str) -> None:
    with trio.fail_after(5):
        while wanted not in log:  # noqa: ASYNC110 - the application may be in another thread
            await trio.sleep(0.002)


async def never() -> AsyncIterator[bytes]:
    """A body that does not go on."""
    yield b"a"
    await trio.sleep_forever()


@pytest.mark.parametrize("body", [b"", b"whole", "unfinished"])
async def test_who_waits_for_the_client_is_told_that_it_has_gone(body: Any, loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append("began")
        while (await receive())["type"] != "http.disconnect":
            log.append("part")
        assert (await receive())["type"] == "http.disconnect"
        await anyio.sleep(0.01)  # it is not cancelled
        log.append("cleaned up")

    async with asked(app, loop, never() if body == "unfinished" else body) as bench:
        await soon(log, "began")
        bench.give_up()
        await soon(log, "cleaned up")


async def test_who_works_on_ends_its_work_and_its_answer_is_dropped(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append("began")
        while "given up" not in log:  # noqa: ASYNC110
            await anyio.sleep(0.001)
        try:
            await send(start(200, length(1)))
            await send(part(b"a"))
        except ClientDisconnected as error:
            log.append(str(error))
        log.append("ended")

    async with asked(app, loop) as bench:
        await soon(log, "began")
        bench.give_up()
        log.append("given up")
        await soon(log, "ended")
        assert bench.gateway.status == 0
    assert "the client is gone" in log


async def test_who_streams_is_told_by_send(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            while True:
                await send(part(b"x" * 65_536, more=True))
                log.append("sent")
        except OSError as error:
            log.append(type(error).__name__)

    async with asked(app, loop) as bench:
        await soon(log, "sent")
        bench.give_up()
        await soon(log, "ClientDisconnected")


async def test_what_it_raises_then_is_no_failure(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append("began")
        while (await receive())["type"] != "http.disconnect":
            pass
        log.append("raises")
        raise RuntimeError("the client has gone")

    async with asked(app, loop) as bench:
        await soon(log, "began")
        bench.give_up()
        await soon(log, "raises")
        await bench.workers.wait_idle()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_who_does_not_end_is_cancelled_when_its_grace_is_over(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append("began")
        try:
            await anyio.sleep_forever()
        finally:
            log.append("cancelled")

    async with asked(app, loop, grace_s=0.05) as bench:
        await soon(log, "began")
        bench.give_up()
        await soon(log, "cancelled")


async def test_the_end_of_the_service_does_not_wait_for_the_grace(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        log.append("began")
        await anyio.sleep_forever()

    with trio.fail_after(5):
        async with asked(app, loop, grace_s=60.0) as bench:
            await soon(log, "began")
            bench.give_up()
