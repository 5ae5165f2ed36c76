"""Applications behind a real gateway: by the batch where they answer at once, and by streams where they do not."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import anyio
import pytest
import trio
from asgi_support import LOOPS, length, part, start
from lab import Lab, open_lab
from lab_client import WAIT_S, Client, request

from penstock import asgi
from penstock.asgi.messages import Application, Receive, Scope, Send
from penstock.asgi.runner import Loop


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    given: Loop = request.param
    return given


@asynccontextmanager
async def behind(app: Application, loop: Loop, **more: Any) -> AsyncIterator[tuple[Lab, Client]]:
    """A gateway with the application, and a client."""
    async with open_lab() as lab:
        await lab.serve(asgi.service(app, name="shop", version="1.0.0", access="public", loop=loop, **more))
        yield lab, await lab.client()


async def received(client: Client, wanted: bytes) -> bytes:
    """What comes until these bytes have come."""
    got = b""
    with trio.fail_after(WAIT_S):
        while wanted not in got:
            got += await client.stream.receive_some(65_536)
    return got


async def soon(log: list[str], wanted: str) -> None:
    with trio.fail_after(WAIT_S):
        while wanted not in log:  # noqa: ASYNC110 - the application may be in another thread
            await trio.sleep(0.002)


def sample() -> ModuleType:
    pytest.importorskip("fastapi", reason="fastapi is not installed: its applications are NOT tested")
    module = import_module("sample_fastapi")
    module.LOG.clear()
    return module


async def test_fastapi(loop: Loop) -> None:
    async with behind(sample().app, loop) as (_, client):
        for number in range(3):
            got = await client.get(f"/items/{number}")
            assert (got.status, got.json()["number"], got.headers[b"x-timed"]) == (200, number, b"/items/%d" % number)
        got = await client.ask("POST", "/items", "Content-Type: application/json", body=b'{"name":"tea"}')
        assert (got.status, got.body) == (201, b'{"name":"tea","count":1}')
        assert (await client.get("/stream")).body == b"0\n1\n2\n"
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}
        assert (await client.ask("DELETE", "/items")).status == 405
        assert (await client.get("/broken")).status == 500
        head = await client.ask("HEAD", "/openapi.json")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers[b"content-length"]) > 100
        assert (await client.get("/items/7")).status == 200  # on the same connection


async def test_routes_of_an_application_are_the_gateways(loop: Loop) -> None:
    async with behind(sample().app, loop, routes=True) as (_, client):
        assert (await client.get("/items/7")).status == 200
        assert (await client.get("/nowhere")).reason == "no_route"
        refused = await client.ask("DELETE", "/items")
        assert refused.reason == "method_not_allowed"
        assert b"POST" in refused.headers[b"allow"]


async def test_bodies_of_any_size_both_ways(loop: Loop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send(start(200, (b"content-type", b"text/plain")))
        while (message := await receive())["type"] == "http.request":
            await send(part(message["body"], more=message["more_body"]))
            if not message["more_body"]:
                break

    async with behind(app, loop) as (_, client):
        for size in (0, 1, 70_000, 3_000_000):
            async with trio.open_nursery() as nursery:
                body = b"x" * size
                sent = b"POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: %d\r\n\r\n" % size + body
                nursery.start_soon(client.send, sent)
                assert (await client.answer("POST")).body == body


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette drops generators
async def test_events_come_as_they_are_sent_and_end_with_the_client(loop: Loop) -> None:
    module = sample()
    async with behind(module.app, loop) as (lab, client):
        await client.send(b"GET /endless HTTP/1.1\r\nHost: edge\r\n\r\n")
        await received(client, b"data: tick")
        await client.aclose()
        await soon(module.LOG, "disconnected")
        assert (await (await lab.client()).get("/items/1")).status == 200
    gc.collect()  # those generators: here, and not in another test


async def test_a_deadline_passes_while_the_application_works(loop: Loop) -> None:
    log: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        log.append((await receive())["type"])
        log.append((await receive())["type"])
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)
        log.append("ended")

    async with behind(app, loop) as (lab, client):
        await client.send(request("GET", "/"))
        await soon(log, "http.request")
        await lab.pass_time(10_001)
        assert (await client.answer()).reason == "deadline"
        await soon(log, "ended")
    assert log == ["http.request", "http.disconnect", "ended"]


async def test_a_websocket(loop: Loop) -> None:
    wsproto = pytest.importorskip("wsproto")
    from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await send(start(200, length(4)))
            return await send(part(b"http"))
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"] + "!"})
        await send({"type": "websocket.close", "code": 4000})
        return None

    async with behind(app, loop, lifespan="off") as (lab, plain):
        socket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        client = await lab.client()
        await client.send(socket.send(Request("edge", "/", subprotocols=["chat"])))
        events: list[Any] = []
        with trio.fail_after(WAIT_S):
            while not any(isinstance(event, CloseConnection) for event in events):
                socket.receive_data(await client.stream.receive_some(65_536) or None)
                for event in socket.events():
                    events.append(event)
                    if isinstance(event, AcceptConnection):
                        await client.send(socket.send(TextMessage("hello")))
        await client.send(socket.send(events[-1].response()))
        assert events[0].subprotocol == "chat"
        assert (events[1].data, events[2].code) == ("hello!", 4000)
        assert (await plain.get("/")).body == b"http"
