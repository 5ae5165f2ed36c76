"""The start and the end of an application, in either loop."""

from typing import Any

import anyio
import pytest
import trio
from asgi_support import LOOPS, bridged, length, part, start

from penstock import testing
from penstock.asgi import StartupError
from penstock.asgi.messages import Receive, Scope, Send
from penstock.asgi.runner import Loop


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


async def answer(send: Send, body: bytes) -> None:
    await send(start(200, length(len(body))))
    await send(part(body))


async def test_state_goes_from_the_start_to_each_request(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            log.append((await receive())["type"])
            scope["state"]["pool"] = ["opened"]
            await send({"type": "lifespan.startup.complete"})
            log.append((await receive())["type"])
            await anyio.sleep(0.01)
            log.append("closed")
            await send({"type": "lifespan.shutdown.complete"})
            return
        scope["state"]["of this request"] = True
        await answer(send, repr(sorted(scope["state"])).encode())

    async with bridged(app, loop) as service:
        assert log == ["lifespan.startup"]
        for _ in range(2):
            assert (await testing.call(service, "GET", "/")).text == "['of this request', 'pool']"
    assert log == ["lifespan.startup", "lifespan.shutdown", "closed"]


FAILURES: dict[str, tuple[str, str]] = {
    "a traceback": ("Traceback ...\n  File\nValueError: no database\n", "ValueError: no database"),
    "nothing": ("", "it does not say why; see its log"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_start_that_fails(name: str, loop: Loop) -> None:
    message, said = FAILURES[name]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})
        raise ValueError("after which frameworks raise")

    with pytest.raises(StartupError) as raised:
        async with bridged(app, loop):
            raise AssertionError("never reached")
    assert f"the application failed to start: {said}" in str(raised.value)


async def test_an_application_without_a_lifespan(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await answer(send, b"a")

    async with bridged(app, loop) as service:
        assert (await testing.call(service, "GET", "/")).text == "a"
    with pytest.raises(StartupError) as raised:
        async with bridged(app, loop, lifespan="on"):
            pass
    assert "the application failed to start: AssertionError" in str(raised.value)


async def test_an_application_that_is_not_asked(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] != "lifespan"
        assert scope["state"] == {}
        await answer(send, b"a")

    async with bridged(app, loop, lifespan="off") as service:
        assert (await testing.call(service, "GET", "/")).text == "a"


async def test_an_application_that_returns_at_once_has_none(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send, b"a")

    async with bridged(app, loop) as service:
        assert (await testing.call(service, "GET", "/")).text == "a"


@pytest.mark.parametrize("ends", ["failed", "raises"])
async def test_an_end_that_fails_is_logged(ends: str, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if ends == "raises":
            raise ValueError("still in use")
        await send({"type": "lifespan.shutdown.failed", "message": "ValueError: still in use"})

    async with bridged(app, loop):
        pass
    assert "still in use" in caplog.text


async def test_a_service_that_is_cancelled_while_its_application_starts(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with trio.fail_after(5), trio.move_on_after(0.05) as waited:
        async with bridged(app, loop):
            pass
    assert waited.cancelled_caught


async def test_what_the_service_raises_is_not_wrapped(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()

    with pytest.raises(KeyError, match="alone"):
        async with bridged(app, loop):
            raise KeyError("alone")


async def test_what_runs_besides_the_calls_ends_with_the_service(loop: Loop) -> None:
    """As with a task group in a lifespan."""
    log: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def beat() -> None:
            while True:
                log.append(1)
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as group:
            group.start_soon(beat)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            group.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async with bridged(app, loop):
        while len(log) < 3:  # noqa: ASYNC110
            await trio.sleep(0.001)
    count = len(log)
    await trio.sleep(0.02)
    assert len(log) == count
