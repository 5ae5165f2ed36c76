"""Instances come and go: shared load, goodbyes, restarts, silence."""

import trio
from lab import Lab, open_lab, run_service, until
from lab_client import Client, request
from lab_service import RawService

from frames.codec import decode_goaway, encode_goaway, encode_heartbeat
from frames.frame import FaultCode, FrameType, GoawayReason, HealthStatus
from penstock import Call, Service

BEAT = encode_heartbeat(HealthStatus.HEALTHY)
QUICK = {
    "services_heartbeat": "100ms",
    "services_degraded_after": "300ms",
    "services_unhealthy_after": "800ms",
    "services_removed_after": "1800ms",
}


def in_flight(lab: Lab) -> dict[str, int]:
    return {one.instance: lab.gateway.wire.in_flight[one.slot] for one in lab.gateway.registry.instances}


async def begin(lab: Lab, count: int) -> list[Client]:
    """So many clients, each with a request that a service was sent."""
    before = sum(in_flight(lab).values())
    clients = [await lab.client() for _ in range(count)]
    for client in clients:
        await client.send(request("GET", "/things"))
    await until(lambda: sum(in_flight(lab).values()) == before + count)
    return clients


async def answer(service: RawService, count: int) -> None:
    for _ in range(count):
        await service.respond(await service.asked(), body=b"done")


async def test_two_instances_share_the_load_and_one_leaves(lab: Lab) -> None:
    one, two = await lab.raw("GET /things"), await lab.raw("GET /things", instance="raw-2")
    clients = await begin(lab, 40)
    shares = in_flight(lab)
    assert set(shares) == {"raw-1", "raw-2"}
    assert min(shares.values()) >= 10  # by requests in flight, since nothing was measured yet
    await answer(one, shares["raw-1"])
    await two.aclose()
    await answer(one, shares["raw-2"])  # what it had goes to the other, since it only asks
    assert [(await client.answer()).status for client in clients] == [200] * 40
    await until(lambda: lab.health == {"raw-1": "healthy"})
    for client in await begin(lab, 10):
        await answer(one, 1)
        await client.answer()


async def test_goaway_finishes_what_was_begun_and_takes_nothing_new(lab: Lab) -> None:
    goes, stays = await lab.raw("GET /things"), await lab.raw("GET /things", instance="raw-2")
    clients = await begin(lab, 8)
    before = in_flight(lab)
    await goes.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))
    await until(lambda: lab.health == {"raw-1": "draining", "raw-2": "healthy"})
    clients += await begin(lab, 20)
    assert in_flight(lab) == {"raw-1": before["raw-1"], "raw-2": before["raw-2"] + 20}
    await answer(goes, before["raw-1"])
    await answer(stays, before["raw-2"] + 20)
    for client in clients:
        assert (await client.answer()).body == b"done"
    await goes.aclose()
    await until(lambda: lab.health == {"raw-2": "healthy"})


async def test_when_the_only_instance_goes_there_is_none(lab: Lab) -> None:
    goes, client = await lab.raw("GET /things"), await lab.client()
    await goes.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))
    await until(lambda: lab.health == {"raw-1": "draining"})
    gone = await client.get("/things")
    assert (gone.status, gone.reason, gone.headers[b"retry-after"]) == (503, "no_instance", b"1")


async def test_an_instance_that_comes_again_replaces_itself(lab: Lab) -> None:
    old = await lab.raw("GET /things")
    (client,) = await begin(lab, 1)
    new = await lab.raw("GET /things", "GET /more")
    asked = await old.asked()
    assert decode_goaway((await old.expect(FrameType.GOAWAY)).payload).reason == GoawayReason.REPLACED
    (other,) = await begin(lab, 1)
    await answer(new, 1)
    assert (await other.answer()).body == b"done"
    await old.respond(asked, body=b"begun before")
    assert (await client.answer()).body == b"begun before"
    await old.aclose()
    await until(lambda: lab.health == {"raw-1": "healthy"})
    await begin_and_answer(lab, new, "/more")


async def begin_and_answer(lab: Lab, service: RawService, target: str) -> None:
    client = await lab.client()
    await client.send(request("GET", target))
    await answer(service, 1)
    assert (await client.answer()).body == b"done"


async def test_an_instance_that_is_lost_and_comes_back(lab: Lab) -> None:
    for _ in range(3):
        service = await lab.raw("GET /things")
        await begin_and_answer(lab, service, "/things")
        await service.aclose()
        await until(lambda: lab.health == {})
    assert lab.gateway.lane.snapshot.table.routes == ()


async def test_an_instance_that_says_its_last_word_and_is_gone(lab: Lab) -> None:
    for _ in range(20):
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        await service.respond(asked, body=b"the last word")
        await service.aclose()
        assert (await client.answer()).body == b"the last word"
        await until(lambda: lab.health == {})


async def test_hello_again_replaces_what_it_said_before(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await service.join("GET /others", first_id=2)
    assert (await client.get("/things")).reason == "no_route"
    await begin_and_answer(lab, service, "/others")


async def test_silence() -> None:
    async with open_lab(**QUICK) as lab:
        silent, client = await lab.raw("GET /things", heartbeat_ms=100), await lab.client()
        speaks = await lab.raw("GET /others", instance="raw-2", heartbeat_ms=100)

        async def beat() -> None:
            while True:
                await speaks.send(FrameType.HEARTBEAT, BEAT)
                await trio.sleep(0.1)

        lab.nursery.start_soon(beat)
        await until(lambda: lab.health["raw-1"] == "degraded")
        await begin_and_answer(lab, silent, "/things")  # the only one, so it is asked all the same
        await until(lambda: lab.health["raw-1"] == "unhealthy")
        assert (await client.get("/things")).reason == "no_instance"
        assert await silent.fault() is FaultCode.HEARTBEAT_LOST
        await until(lambda: lab.health == {"raw-2": "healthy"})
        assert (await client.get("/things")).reason == "no_route"
        await begin_and_answer(lab, speaks, "/others")
        assert silent.heartbeats > 0


async def test_an_instance_that_says_that_it_is_degraded_is_asked_last(lab: Lab) -> None:
    ill, well = await lab.raw("GET /things"), await lab.raw("GET /things", instance="raw-2")
    await ill.send(FrameType.HEARTBEAT, encode_heartbeat(HealthStatus.DEGRADED))
    await until(lambda: lab.health == {"raw-1": "degraded", "raw-2": "healthy"})
    clients = await begin(lab, 10)
    assert in_flight(lab) == {"raw-1": 0, "raw-2": 10}
    await ill.send(FrameType.HEARTBEAT, BEAT)
    await until(lambda: lab.health["raw-1"] == "healthy")
    await answer(well, 10)
    for client in clients:
        await client.answer()


async def test_a_service_finds_its_gateway_again() -> None:
    service = Service("steady", version="1.0.0")

    @service.get("/steady")
    def steady(call: Call) -> str:
        return "here"

    async with trio.open_nursery() as nursery:
        async with open_lab() as first:
            scope = await run_service(nursery, first.addresses, service, instance="steady-1")
            assert (await (await first.client()).get("/steady")).status == 200
        async with open_lab(first.addresses) as second:
            await until(lambda: second.health == {"steady-1": "healthy"})
            assert (await (await second.client()).get("/steady")).body == b"here"
            scope.cancel()
            await until(lambda: second.health == {})
