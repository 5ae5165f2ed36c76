"""A gateway that ends: nothing new, what was begun is finished, everybody is told."""

import pytest
import trio
from lab import Lab, until
from lab_client import WAIT_S, request
from lab_service import streaming
from lab_streams import HELLO_ANSWER, HELLO_MESSAGE, UPGRADE, Reader, chunked, serve_flows

from frames.codec import decode_cancel, decode_goaway
from frames.frame import END, CancelReason, FrameType, GoawayReason


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
    never, forever, gathered, chat = [await lab.client() for _ in range(4)]
    await never.send(chunked("POST", "/never", b"abc"))
    await forever.send(request("GET", "/forever"))
    await gathered.send(chunked("PUT", "/gathered", b"abc", last=b""))
    await chat.send(UPGRADE + HELLO_MESSAGE)
    await Reader(forever).until(b"data: begun\n\n")
    await Reader(chat).until(HELLO_ANSWER)
    await until(lambda: flows.running == 3 and lab.count("handed_over_now") == 4)
    with trio.fail_after(WAIT_S):
        await lab.gateway.drain(0.05)
    for client in (never, gathered):
        answer = await client.answer()
        assert (answer.status, answer.reason, answer.headers[b"connection"]) == (503, "draining", b"close")
    for client in (forever, chat):
        assert (await Reader(client).rest())[1] is False
    await until(lambda: not flows.running)
    await lab.census()
    assert lab.reasons == {"draining": 4}


async def test_a_drain_waits_for_a_tunnel(lab: Lab) -> None:
    await serve_flows(lab)
    chat = await lab.client()
    await chat.send(UPGRADE + HELLO_MESSAGE)
    reader = Reader(chat)
    await reader.until(HELLO_ANSWER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, WAIT_S)
        await until(lambda: lab.gateway.is_draining)
        await chat.send(HELLO_MESSAGE)
        assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
        await chat.aclose()
