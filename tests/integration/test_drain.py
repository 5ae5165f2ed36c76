"""A gateway that ends: nothing new, what was begun is finished, everybody is told."""

from collections.abc import AsyncIterator

import pytest
import trio
from lab import Lab, until
from lab_client import WAIT_S, request
from lab_service import streaming
from lab_streams import CLOSE_MESSAGE, HELLO_ANSWER, UPGRADE, Reader, chunked, serve_flows

from frames.codec import decode_cancel, decode_goaway
from frames.frame import END, CancelReason, FrameType, GoawayReason
from penstock import Call, Service

DRAIN_S = 4.0
"""Sockets are closed within a quarter of it."""


async def test_what_is_in_flight_is_finished(lab: Lab) -> None:
    service = await lab.raw("GET /things")
    busy, idle, half = await lab.client(), await lab.client(), await lab.client()
    await busy.send(request("GET", "/things") * 2)
    asked = await service.asked()
    await half.send(request("GET", "/things")[:20])
    await until(lambda: lab.count("edge_bytes_in") == 2 * len(request("GET", "/things")) + 20)
    ended = trio.Event()

    async def drain() -> None:
        await lab.gateway.drain(WAIT_S)
        ended.set()

    lab.nursery.start_soon(drain)
    await idle.ended()
    with pytest.raises(OSError, match=r"."):
        await trio.open_tcp_stream(*lab.addresses.edge)
    await service.respond(asked, body=b"finished")
    answer = await busy.answer()
    assert (answer.body, answer.headers[b"connection"]) == (b"finished", b"close")
    await busy.ended()
    await busy.aclose()
    assert not ended.is_set()
    await half.send(request("GET", "/things")[20:])
    await service.respond(await service.asked(), body=b"finished too")
    answer = await half.answer()
    assert (answer.body, answer.headers[b"connection"]) == (b"finished too", b"close")
    await half.ended()
    await half.aclose()
    with trio.fail_after(WAIT_S):
        await ended.wait()
    goaway = decode_goaway((await service.expect(FrameType.GOAWAY)).payload)
    assert goaway.reason == GoawayReason.SHUTDOWN


async def test_what_is_not_finished_in_time_is_given_up(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    await service.asked()
    with trio.fail_after(WAIT_S):
        await lab.gateway.drain(0.01)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (503, "draining")
    assert answer.headers[b"connection"] == b"close"
    cancel = await service.expect(FrameType.CANCEL)
    assert decode_cancel(cancel.payload) == CancelReason.SHUTDOWN
    await service.expect(FrameType.GOAWAY)
    lab.scope.cancel()
    await client.ended()
    await service.ended()


async def test_an_idle_gateway_drains_at_once(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await until(lambda: lab.count("edge_open_now") == 1)
    with trio.fail_after(WAIT_S):
        await lab.gateway.drain(1_000)
    await client.ended()
    await service.expect(FrameType.GOAWAY)


async def test_cancelling_closes_everything(lab: Lab) -> None:
    service, client, idle = await lab.raw("GET /things"), await lab.client(), await lab.client()
    await client.send(request("GET", "/things"))
    await service.asked()
    lab.scope.cancel()
    await client.ended()
    await idle.ended()
    await service.ended()
    for address in lab.addresses:
        with pytest.raises(OSError, match=r"."):
            await trio.open_tcp_stream(*address)
    assert lab.count("exchanges_now") == lab.count("buffers_now") == 0


# ---- what streams ----


async def test_streams_are_finished_and_told_to_close(lab: Lab) -> None:
    service = await lab.raw(**streaming("GET /down", "PUT /up"))
    begun, waits, uploads = [await lab.client() for _ in range(3)]
    await begun.send(request("GET", "/down"))
    asked_begun = await service.asked()
    await service.respond(asked_begun, flags=0)
    reader = Reader(begun)
    assert b"connection" not in await reader.head()
    await waits.send(request("GET", "/down"))
    asked_waits = await service.asked()
    await uploads.send(chunked("PUT", "/up", b"abc", last=b""))
    asked_uploads = await service.asked()
    await service.read_body(asked_uploads, 3)
    ended = trio.Event()

    async def drain() -> None:
        await lab.gateway.drain(WAIT_S)
        ended.set()

    lab.nursery.start_soon(drain)
    await until(lambda: lab.gateway.is_draining)

    await service.data(asked_begun, b"finished", END)
    assert await reader.chunk() == b"finished"
    assert await reader.rest() == (b"0\r\n\r\n", True)

    await service.respond(asked_waits, body=b"finished, too")
    answer = await waits.answer()
    assert (answer.body, answer.headers[b"connection"]) == (b"finished, too", b"close")
    await waits.ended()

    assert not ended.is_set()
    await uploads.send(b"3\r\ndef\r\n0\r\n\r\n")
    assert await service.read_body(asked_uploads) == b"def"
    await service.respond(asked_uploads, body=b"taken")
    answer = await uploads.answer()
    assert (answer.body, answer.headers[b"connection"]) == (b"taken", b"close")
    await uploads.ended()
    for client in (begun, waits, uploads):
        await client.aclose()
    with trio.fail_after(WAIT_S):
        await ended.wait()
    assert lab.reasons == {}


async def test_streams_that_are_not_finished_in_time_are_given_up(lab: Lab) -> None:
    flows = await serve_flows(lab)
    never, forever, gathered = [await lab.client() for _ in range(3)]
    await never.send(chunked("POST", "/never", b"abc"))
    await forever.send(request("GET", "/forever"))
    await gathered.send(chunked("PUT", "/gathered", b"abc", last=b""))
    await Reader(forever).until(b"data: begun\n\n")
    await until(lambda: flows.running == 2 and lab.count("handed_over_now") == 3)
    with trio.fail_after(WAIT_S):
        await lab.gateway.drain(0.05)
    for client in (never, gathered):
        answer = await client.answer()
        assert (answer.status, answer.reason, answer.headers[b"connection"]) == (503, "draining", b"close")
    assert (await Reader(forever).rest())[1] is False
    await until(lambda: not flows.running)
    await lab.census()
    assert lab.reasons == {"draining": 3}


@pytest.mark.parametrize("ends", [True, False])
async def test_a_drain_waits_for_a_tunnel_of_a_service_that_cannot_be_told(lab: Lab, *, ends: bool) -> None:
    service = await lab.raw(**streaming("GET /chat", upgrades=("websocket",)))
    chat = await lab.client()
    await chat.send(UPGRADE)
    asked = await service.asked()
    await service.respond(asked, 101, flags=0)
    reader = Reader(chat)
    await reader.head()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, WAIT_S if ends else 0.1)
        await until(lambda: lab.gateway.is_draining)
        await service.data(asked, HELLO_ANSWER)
        assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
        if ends:
            await service.data(asked, b"", END)
            await chat.stream.send_eof()
        assert (await reader.rest())[1] is ends


@pytest.mark.parametrize("comes_late", [False, True])
async def test_sockets_are_told_to_go_long_before_the_time_is_over(lab: Lab, *, comes_late: bool) -> None:
    flows = await serve_flows(lab)
    clients = [await lab.client() for _ in range(5)]
    for client in clients:
        await client.send(UPGRADE[:20] if comes_late else UPGRADE)
    readers = [Reader(client) for client in clients]
    if comes_late:
        await until(lambda: lab.count("edge_bytes_in") == 5 * 20)
    else:
        for reader in readers:
            await reader.head()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, DRAIN_S)
        await until(lambda: lab.gateway.is_draining)
        for client, reader in zip(clients, readers, strict=True):
            if comes_late:
                await client.send(UPGRADE[20:])
                await reader.head()
        with trio.fail_after(WAIT_S):
            for client, reader in zip(clients, readers, strict=True):
                assert (await reader.exactly(4))[2:] == b"\x03\xe9"
                await client.send(CLOSE_MESSAGE)
                await reader.rest()
                await client.aclose()
    assert flows.running == 0
    assert lab.reasons == {}


async def test_a_stream_without_an_end_can_see_that_it_should_come_to_one(lab: Lab) -> None:
    service = Service("events", version="1.0.0", access="public")

    @service.get("/events", streams=True)
    async def events(call: Call) -> AsyncIterator[str]:
        while not call.is_draining:
            yield "data: tick\n\n"
            await trio.sleep(0.005)
        yield "data: come again\n\n"

    await lab.serve(service)
    client = await lab.client()
    await client.send(request("GET", "/events"))
    reader = Reader(client)
    await reader.until(b"data: tick\n\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, DRAIN_S)
        rest, is_orderly = await reader.rest()
        assert rest.endswith(b"data: come again\n\n\r\n0\r\n\r\n")
        assert is_orderly
        await client.aclose()
    assert lab.reasons == {}
