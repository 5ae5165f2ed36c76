"""Shedding through a whole gateway: what is refused, in which order, and that its stage is gone afterwards."""

import trio
from lab import Lab, open_lab, until
from lab_client import request

from proxy.admission.shedding import Short

PATH = "/things"


def look(lab: Lab, delay_s: float, times: int = 1) -> None:
    for _ in range(times):
        lab.gateway.admitting.look(delay_s)


async def served(lab: Lab) -> None:
    service = await lab.raw(f"GET {PATH}", f"POST {PATH}")

    async def serve() -> None:
        while True:
            await service.respond(await service.asked(), 200)

    async def run() -> None:
        try:
            await serve()
        except (AssertionError, trio.ClosedResourceError):
            return  # the lab closes it in the end

    lab.nursery.start_soon(run)


async def test_a_gateway_that_is_late_sheds_and_then_does_not() -> None:
    async with open_lab(edge_trusted_proxies="127.0.0.0/8", edge_reason_header="true") as lab:
        await served(lab)
        client = await lab.client()
        assert (await client.get(PATH)).status == 200
        entry = lab.gateway.lane._entry
        look(lab, 1.0, times=14)
        refused = await client.get(PATH)
        assert (refused.status, refused.reason) == (503, "shed_queue_delay")
        assert refused.headers[b"retry-after"] == b"2"
        assert (await client.get("/nowhere")).reason == "shed_queue_delay"  # before anything is matched
        assert (await client.get(PATH, "X-Priority: critical")).status == 200
        assert (await client.get(PATH, "X-Priority: critical", "Forwarded: for=192.0.2.1")).status == 200
        look(lab, 0.0, times=100)
        assert (await client.get(PATH)).status == 200
        assert lab.gateway.lane._entry == entry
        assert lab.gateway.admitting.shedding.shed[Short.QUEUE_DELAY] == 2
        assert lab.reasons == {"shed_queue_delay": 2}


async def test_a_stranger_cannot_say_that_it_is_critical() -> None:
    async with open_lab() as lab:
        await served(lab)
        look(lab, 1.0, times=14)
        lab.gateway.wire.hold_accepting(False)
        client = await lab.client()
        assert (await client.get(PATH, "X-Priority: critical")).reason == "shed_queue_delay"


async def test_while_memory_is_short_clients_wait_to_be_accepted() -> None:
    async with open_lab(shedding_memory_bytes="1MiB") as lab:
        await served(lab)
        look(lab, 0.0)
        assert lab.gateway.admitting.is_holding
        accepted = lab.count("edge_accepted")
        client = await lab.client()
        await client.send(request("GET", PATH))
        await until(lambda: lab.count("edge_paused") > 0)
        assert lab.count("edge_accepted") == accepted
        lab.gateway.admitting.shedding.thresholds.memory_bytes = 1 << 50
        look(lab, 0.0)
        assert (await client.answer()).status == 200
        assert lab.gateway.admitting.holds == 1


async def test_while_bytes_are_short_only_bodies_that_are_to_come_are_refused() -> None:
    async with open_lab() as lab:
        await served(lab)
        held = lab.gateway.bytes_in_flight
        held.reserve(held.bytes_max)
        look(lab, 0.0)
        client = await lab.client()
        assert (await client.get(PATH)).status == 200
        await client.send(request("POST", PATH, "Transfer-Encoding: chunked"))
        refused = await client.answer("POST")
        assert (refused.status, refused.reason) == (503, "shed_bytes")
        held.release(held.bytes_max)


async def test_it_looks_by_itself() -> None:
    async with open_lab(shedding_memory_bytes="1MiB") as lab:
        await until(lambda: lab.gateway.admitting.is_holding)


async def test_a_reload_is_followed_while_something_is_short() -> None:
    async with open_lab() as lab:
        await served(lab)
        client = await lab.client()
        look(lab, 1.0, times=14)
        await lab.gateway.change(lab.gateway.configured.config)
        assert (await client.get(PATH)).reason == "shed_queue_delay"


async def test_metrics_tell_of_it() -> None:
    async with open_lab() as lab:
        await served(lab)
        client = await lab.client()
        look(lab, 1.0, times=14)
        await client.get(PATH)
        page = (await lab.admin("/metrics")).body.decode()
        assert 'penstock_shed_total{cause="queue_delay"} 1' in page
        assert 'penstock_shed_share_ratio{cause="queue_delay"} 1.0' in page
        assert "penstock_accepting_held_total 1" in page
        assert 'penstock_refusals_total{reason="shed_queue_delay"} 1' in page
