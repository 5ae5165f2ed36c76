"""A gateway that ends: nothing new, what was begun is finished, everybody is told."""

import pytest
import trio
from lab import Lab, until
from lab_client import WAIT_S, request

from frames.codec import decode_cancel, decode_goaway
from frames.frame import CancelReason, FrameType, GoawayReason


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
