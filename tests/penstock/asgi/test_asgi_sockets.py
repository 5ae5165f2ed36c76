"""WebSockets of an application, in either loop."""

from typing import Any

import anyio
import pytest
from asgi_support import LOOPS, bridged, part

from penstock import testing
from penstock.asgi.messages import Message, Receive, Scope, Send
from penstock.asgi.runner import Loop
from penstock.testing_socket import NotAccepted


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


ACCEPT: Message = {"type": "websocket.accept"}


async def test_messages_both_ways_until_the_client_closes(loop: Loop) -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        assert scope["scheme"] == "ws"
        assert "method" not in scope
        seen.append(await receive())
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send"} | {key: message[key] for key in message if key != "type"})
        seen.append(message)

    async with bridged(app, loop, lifespan="off") as service, testing.websocket(service, "/") as socket:
        for message in ("text", b"bytes", "", b"x" * 300_000):
            await socket.send(message)
            assert await socket.receive() == message
    assert [message["type"] for message in seen] == ["websocket.connect", "websocket.disconnect"]
    assert seen[1]["code"] == 1000


async def test_the_application_closes(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})

    async with bridged(app, loop, lifespan="off") as service, testing.websocket(service, "/") as socket:
        assert await socket.receive() is None
        assert (socket.close_code, socket.close_reason) == (4001, "enough")


async def test_subprotocol_and_headers(loop: Loop) -> None:
    offered: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        offered.append(scope["subprotocols"])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"X-A", b"1")]})

    async with (
        bridged(app, loop, lifespan="off") as service,
        testing.websocket(service, "/", subprotocols=["a", "b"]) as socket,
    ):
        assert socket.response.headers["sec-websocket-protocol"] == "b"
        assert socket.response.headers["x-a"] == "1"
        assert await socket.receive() is None
        assert socket.close_code == 1000
    assert offered == [["a", "b"]]


REFUSALS: dict[str, tuple[tuple[Message, ...], int, bytes]] = {
    "close": (({"type": "websocket.close"},), 403, b""),
    "an answer of its own": (
        (
            {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"1")]},
            {"type": "websocket.http.response.body", "body": b"no", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"!"},
        ),
        401,
        b"no!",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusals(name: str, loop: Loop) -> None:
    messages, status, body = REFUSALS[name]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "websocket.http.response" in scope["extensions"]
        await receive()
        for message in messages:
            await send(message)

    async with bridged(app, loop, lifespan="off") as service:
        with pytest.raises(NotAccepted) as refused:
            async with testing.websocket(service, "/"):
                pass
    assert (refused.value.response.status, refused.value.response.body) == (status, body)


BAD: dict[str, tuple[tuple[Any, ...], str]] = {
    "send first": (({"type": "websocket.send", "text": "a"},), "'websocket.send' was sent where 'websocket.accept'"),
    "of HTTP": ((part(b"a"),), "'http.response.body' was sent where 'websocket.accept'"),
    "subprotocol that is no text": (({**ACCEPT, "subprotocol": b"a"},), "the subprotocol is bytes; it must be text"),
    "subprotocol as header": (
        ({**ACCEPT, "headers": [(b"sec-websocket-protocol", b"a")]},),
        "name the subprotocol as such",
    ),
    "nothing": ((), "the application returned without accepting or closing the WebSocket"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_handshakes_become_500(name: str, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    messages, why = BAD[name]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async with bridged(app, loop, lifespan="off") as service:
        with pytest.raises(NotAccepted) as refused:
            async with testing.websocket(service, "/"):
                pass
    assert refused.value.response.status == 500
    assert why in caplog.text


BAD_LATER: dict[str, tuple[Any, str]] = {
    "accept twice": (ACCEPT, "'websocket.accept' was sent where 'websocket.send' or 'websocket.close' is expected"),
    "neither text nor bytes": ({"type": "websocket.send"}, "it has text, which is str, or bytes, and not both"),
    "both": ({"type": "websocket.send", "text": "a", "bytes": b"a"}, "and not both"),
    "bytes as text": ({"type": "websocket.send", "text": b"a"}, "and not both"),
    "a code that is none": ({"type": "websocket.close", "code": 1006}, "the code is 1006"),
}


@pytest.mark.parametrize("name", BAD_LATER)
async def test_what_goes_wrong_later_closes_with_1011(name: str, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    message, why = BAD_LATER[name]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await send(message)

    async with bridged(app, loop, lifespan="off") as service, testing.websocket(service, "/") as socket:
        assert await socket.receive() is None
        assert socket.close_code == 1011
    assert why in caplog.text


async def test_a_client_that_goes_without_a_word(loop: Loop) -> None:
    log: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        log.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "a"})
        except OSError as error:
            log.append(type(error).__name__)

    async with bridged(app, loop, lifespan="off") as service, testing.websocket(service, "/") as socket:
        await socket._flow.end()
    assert log == [{"type": "websocket.disconnect", "code": 1006, "reason": "the client is gone"}, "ClientDisconnected"]


async def test_two_tasks_one_reads_one_sends(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)

        async def tick() -> None:
            for number in range(3):
                await send({"type": "websocket.send", "text": str(number)})
                await anyio.sleep(0.002)

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await receive()
            await send({"type": "websocket.send", "text": "heard"})

    async with bridged(app, loop, lifespan="off") as service, testing.websocket(service, "/") as socket:
        got = [await socket.receive() for _ in range(3)]
        await socket.send("hello")
        got.append(await socket.receive())
    assert got == ["0", "1", "2", "heard"]
