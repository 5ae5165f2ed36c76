"""A client that goes is told to its service within 50 ms, whatever the exchange is at; the deadline does the same."""

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request
from lab_service import Asked, RawService, streaming
from lab_streams import UPGRADE, Reader, chunked, reset
from msgspec.structs import replace

from frames.codec import decode_cancel
from frames.frame import CancelReason, FrameType
from frames.greeting import EndpointOffer
from penstock import Call, Service
from penstock.websocket import WebSocket

WITHIN_S = 0.05
TRIES = 7

# Each returns when the exchange is at its stage.


async def sending(service: RawService, client: Client) -> Asked:
    """The service takes no more of the body."""
    await client.send(chunked("PUT", "/up", last=b""))
    asked = await service.asked()
    await client.send(b"7d0\r\n" + b"x" * 2_000 + b"\r\n")
    assert await service.read_body(asked, 1_000, grants=False) == b"x" * 1_000
    return asked


async def sending_slowly(service: RawService, client: Client) -> Asked:
    """The client is yet to send the rest."""
    await client.send(chunked("PUT", "/up", b"x" * 500, last=b""))
    asked = await service.asked()
    assert await service.read_body(asked, 500, grants=False) == b"x" * 500
    return asked


async def waiting(service: RawService, client: Client) -> Asked:
    await client.send(request("GET", "/down"))
    return await service.asked()


async def waiting_after_an_upload(service: RawService, client: Client) -> Asked:
    await client.send(chunked("PUT", "/up", b"abc"))
    asked = await service.asked()
    await service.read_body(asked)
    return asked


async def waiting_after_gathering(service: RawService, client: Client) -> Asked:
    await client.send(chunked("PUT", "/gathered", b"abc"))
    return await service.asked()


async def waiting_in_the_express_lane(service: RawService, client: Client) -> Asked:
    await client.send(request("PUT", "/gathered", body=b"abc"))
    return await service.asked()


async def streaming_down(service: RawService, client: Client) -> Asked:
    asked = await waiting(service, client)
    await service.respond(asked, flags=0)
    await service.data(asked, b"event")
    reader = Reader(client)
    await reader.head()
    assert await reader.chunk() == b"event"
    return asked


async def streaming_more_than_is_read(service: RawService, client: Client) -> Asked:
    asked = await waiting(service, client)
    await service.respond(asked, flags=0)
    await service.data(asked, b"x" * 100_000)
    await Reader(client).head()
    return asked


async def tunnelled(service: RawService, client: Client) -> Asked:
    await client.send(UPGRADE)
    asked = await service.asked()
    await service.respond(asked, 101, flags=0)
    await Reader(client).head()
    return asked


async def join(lab: Lab) -> RawService:
    offers = streaming(
        "GET /down", "PUT /up", "GET /chat", "PUT /gathered", credit_bytes=1_000, upgrades=("websocket",)
    )
    endpoints = cast("tuple[EndpointOffer, ...]", offers["endpoints"])
    return await lab.raw(**{**offers, "endpoints": (*endpoints[:3], replace(endpoints[3], streams=False))})


async def next_cancel(service: RawService) -> tuple[int, CancelReason]:
    """The CANCEL that comes next; CREDIT and DATA may come before it."""
    while True:
        frame, _ = await service.next()
        if frame.type is FrameType.CANCEL:
            return frame.exchange, CancelReason(decode_cancel(frame.payload))


STAGES = (
    sending,
    sending_slowly,
    waiting,
    waiting_after_an_upload,
    waiting_after_gathering,
    waiting_in_the_express_lane,
    streaming_down,
    streaming_more_than_is_read,
)


@pytest.mark.parametrize("is_reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("stage", [*STAGES, tunnelled])
async def test_a_client_that_goes(
    lab: Lab, stage: Callable[[RawService, Client], Awaitable[Asked]], is_reset: bool
) -> None:
    service, took_s = await join(lab), []
    for _ in range(TRIES):
        client = await lab.client()
        asked = await stage(service, client)
        began = time.perf_counter()
        reset(client) if is_reset else await client.aclose()
        if stage is tunnelled and not is_reset:  # which has two directions that end one by one
            frame = await service.expect(FrameType.DATA)
            assert (frame.flags, frame.payload) == (1, b"")
            await service.data(asked, b"are you there?")
        assert await next_cancel(service) == (asked.exchange, CancelReason.CLIENT_GONE)
        took_s.append(time.perf_counter() - began)
    assert statistics.median(took_s) < WITHIN_S
    await lab.census()
    assert lab.reasons == {"client_gone": TRIES}


# ---- up to the handler ----


class Handlers:
    """A service whose handlers never end by themselves, and tell how they end."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.cancelled: list[str] = []
        self.service = service = Service("handlers", version="1.0.0")

        @service.get("/wait")
        async def wait(call: Call) -> None:
            await self.stay(call.query.get("name", "wait"))

        @service.get("/wait-streaming", streams=True)
        async def wait_streaming(call: Call) -> None:
            await self.stay("streaming")

        @service.put("/read", streams=True)
        async def read(call: Call) -> None:
            async with self.staying("read"):
                async for _ in call.stream():
                    pass

        @service.get("/write", streams=True)
        async def write(call: Call) -> None:
            async with self.staying("write"), call.respond(200) as response:
                while True:
                    await response.send(b"x" * 10_000)

        @service.websocket("/chat")
        async def chat(socket: WebSocket) -> None:
            await self.stay("chat")

    async def stay(self, name: str) -> None:
        async with self.staying(name):
            await trio.sleep_forever()

    def staying(self, name: str) -> "Staying":
        return Staying(self, name)


class Staying:
    """A handler's block: notes its beginning, and that it was cancelled."""

    def __init__(self, handlers: Handlers, name: str) -> None:
        self.handlers = handlers
        self.name = name

    async def __aenter__(self) -> None:
        self.handlers.began.append(self.name)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is trio.Cancelled:
            self.handlers.cancelled.append(self.name)


ASKS = {
    "wait": request("GET", "/wait"),
    "streaming": request("GET", "/wait-streaming"),
    "read": chunked("PUT", "/read", b"abc", last=b""),
    "write": request("GET", "/write"),
}


@pytest.mark.parametrize("name", ASKS)
async def test_the_handler_of_a_client_that_goes_is_cancelled(lab: Lab, name: str) -> None:
    handlers, client = Handlers(), await lab.client()
    await lab.serve(handlers.service)
    await client.send(ASKS[name])
    await until(lambda: handlers.began == [name])
    assert handlers.cancelled == []
    reset(client)
    await until(lambda: handlers.cancelled == [name])


async def test_a_client_that_goes_while_its_request_is_queued(lab: Lab) -> None:
    """The service does not read: the request, and soon its CANCEL, wait behind what was sent before."""
    service = await join(lab)
    stuck: list[Client] = []
    wire = lab.gateway.wire
    while max(wire.unsent) < 100_000:
        stuck.append(await lab.client())
        await stuck[-1].send(request("PUT", "/gathered", body=b"x" * 60_000))
        await until(lambda: sum(wire.in_flight) == len(stuck))
    count = len(stuck)
    took_s = []
    for _ in range(TRIES):
        client = await lab.client()
        await client.send(request("GET", "/down"))
        await until(lambda: sum(wire.in_flight) == count + 1)
        began = time.perf_counter()
        await client.aclose()
        await until(lambda: sum(wire.in_flight) == count)
        took_s.append(time.perf_counter() - began)
    assert statistics.median(took_s) < WITHIN_S
    asked: list[Asked] = []
    while len(asked) < count + TRIES:
        frame, found = await service.next()
        if found is not None:
            asked.append(found)
        else:
            assert (frame.type, frame.exchange) == (FrameType.CANCEL, asked[-1].exchange)
    for one, client in zip(asked, stuck, strict=False):
        await service.respond(one)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("target", ["/wait", "/wait-streaming"])
async def test_the_handler_is_cancelled_at_the_deadline(target: str) -> None:
    async with open_lab(edge_deadline="60ms") as lab:
        handlers, client = Handlers(), await lab.client()
        await lab.serve(handlers.service)
        answer = await client.get(target)
        assert (answer.status, answer.reason) == (504, "deadline")
        with trio.fail_after(WAIT_S):
            await until(lambda: len(handlers.cancelled) == 1)
        assert (await client.get("/nowhere")).status == 404  # the connection goes on
