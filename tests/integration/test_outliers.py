"""Instances that fail, hang, or are slow: out, probed, back; and all of them, when too few are left."""

import re
from contextlib import suppress
from typing import Any

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, request
from lab_service import RawService, streaming

from frames.frame import END, FieldId
from proxy.breaker_state import BreakerState
from proxy.config import load_gateway

PATH = "/things"
QUICK = {"breakers_open": "50ms", "breakers_ramp": "100ms", "retries_budget": "0%", "retries_budget_floor": "0"}


class Instances:
    """Some instances of one service; each answers as it is told to."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.statuses: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.services: dict[str, RawService] = {}

    async def join(self, count: int, *offers: str) -> None:
        for number in range(1, count + 1):
            name = f"raw-{number}"
            self.services[name] = await self.lab.raw(*(offers or [f"GET {PATH}"]), instance=name)
            self.statuses[name], self.asked[name] = 200, 0
            self.lab.nursery.start_soon(self._serve, name)

    async def _serve(self, name: str) -> None:
        with suppress(trio.ClosedResourceError):  # the lab closes it in the end
            while True:
                await self._serve_one(name, self.services[name])

    async def _serve_one(self, name: str, service: RawService) -> None:
        asked = None
        while asked is None:
            while not service._frames:
                if not await service._read():
                    await trio.sleep_forever()
            _, asked = service._frames.popleft()
        self.asked[name] += 1
        if self.statuses[name]:  # 0: it hangs
            await service.respond(asked, self.statuses[name])

    def state(self, name: str, path: str = PATH) -> BreakerState:
        """How an instance stands for GET of a path."""
        for key, route in self.lab.gateway.registry.routes.items():
            for offer in route.everyone:
                if offer.instance.instance == name and key[1] == path:
                    return offer.breaker
        raise AssertionError(name)


async def statuses(client: Client, count: int, path: str = PATH) -> list[int]:
    return [(await client.get(path)).status for _ in range(count)]


async def test_an_endpoint_that_fails_is_out_is_probed_and_comes_back() -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(3)
        things.statuses["raw-2"] = 500
        breakers = lab.gateway.breaking.keeper.breakers
        while not breakers.opened["raw", "endpoint", "failures"]:  # its state may be another one already
            await client.get(PATH)
        assert things.asked["raw-2"] == 7
        assert set(await statuses(client, 30)) <= {200, 500}
        await until(lambda: things.state("raw-2") is BreakerState.HALF_OPEN)
        asked, failed = things.asked["raw-2"], breakers.probes["failed"]
        assert (await client.get(PATH)).status == 500, "the probe"
        assert things.asked["raw-2"] == asked + 1
        assert breakers.probes["failed"] == failed + 1
        things.statuses["raw-2"] = 200
        await until(lambda: things.state("raw-2") is BreakerState.HALF_OPEN)
        assert await statuses(client, 20) == [200] * 20
        await until(lambda: things.state("raw-2") is BreakerState.CLOSED)
        assert breakers.probes["good"] == 1


async def test_other_endpoints_of_the_instance_stay() -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK | {"breakers_open": "60s"}) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(2, f"GET {PATH}", "GET /others")
        things.statuses["raw-2"] = 503
        while things.state("raw-2") is not BreakerState.OPEN:
            await client.get(PATH)
        things.statuses["raw-2"] = 200
        before = things.asked["raw-2"]
        while things.asked["raw-2"] < before + 3:  # seldom: it was slow, as it failed
            await client.get("/others")
        before = things.asked["raw-2"]
        assert await statuses(client, 40) == [200] * 40
        assert things.asked["raw-2"] == before


async def test_with_fewer_than_half_left_all_are_used(caplog: pytest.LogCaptureFixture) -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK | {"breakers_open": "60s"}) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(4)
        for name in ("raw-1", "raw-2", "raw-3"):
            things.statuses[name] = 500
        while [things.state(f"raw-{number}") for number in (1, 2, 3)] != [BreakerState.OPEN] * 3:
            await client.get(PATH)
        keeper = lab.gateway.breaking.keeper
        assert keeper.panics == {"raw": 1}
        assert keeper.panicking == {"raw": 1}
        before = dict(things.asked)
        await statuses(client, 100)
        assert all(things.asked[name] > before[name] for name in before)
        assert "raw: too few instances are left by their breakers, all are used again (0 more)" in caplog.messages


async def test_one_that_hangs_is_out_while_the_others_answer_and_its_requests_go_elsewhere() -> None:
    async with open_lab(breakers_silence="300ms", edge_deadline="8s") as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(4)
        assert set(await statuses(client, 200)) == {200}
        things.statuses["raw-3"] = 0
        many = [await lab.client() for _ in range(16)]
        found: list[int] = []

        async def ask(one: Client) -> None:
            while things.state("raw-3") < BreakerState.HALF_OPEN:
                found.append((await one.get(PATH)).status)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for one in many:
                    nursery.start_soon(ask, one)
        assert set(found) == {200}
        assert lab.gateway.breaking.keeper.rescued >= 2
        assert lab.gateway.breaking.keeper.breakers.opened["raw", "instance", "silence"] == 1
        things.statuses["raw-3"] = 200
        await until(lambda: things.state("raw-3") is BreakerState.HALF_OPEN)
        assert set(await statuses(client, 20)) == {200}
        await until(lambda: things.state("raw-3") is BreakerState.RAMPING)


async def test_pressure_does_not_open_anything() -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(2)
        things.statuses["raw-2"] = 429
        assert set(await statuses(client, 100)) == {200, 429}
        assert things.state("raw-2") is BreakerState.CLOSED
        assert lab.gateway.breaking.keeper.breakers.failures["raw", "pressure"] >= 10
        busy = next(one for one in lab.gateway.registry.instances if one.instance == "raw-2")
        with trio.fail_after(5):
            while lab.gateway.configured.figures.shares.of(busy.offer(next(iter(busy.endpoints.values())))) > 0.5:
                await client.get(PATH)
        assert things.state("raw-2") is BreakerState.CLOSED


async def test_a_client_that_gives_no_time_opens_nothing() -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(2)
        await statuses(client, 10)
        for instance in lab.gateway.registry.instances:
            latency_us: Any = lab.gateway.wire.latency_us
            latency_us[instance.slot] = 50_000.0
        things.statuses |= {"raw-1": 0, "raw-2": 0}
        for _ in range(20):
            await client.send(request("GET", PATH, "x-request-timeout-ms: 20"))
            assert (await client.answer()).status == 504
        assert [things.state(name) for name in things.statuses] == [BreakerState.CLOSED] * 2


async def test_operators_see_who_is_out_and_why() -> None:
    async with open_lab(rules="[{service: raw, retries: none}]", **QUICK | {"breakers_open": "60s"}) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(3)
        things.statuses["raw-2"] = 500
        while things.state("raw-2") is not BreakerState.OPEN:
            await client.get(PATH)
        rows = {row["instance"]: row for row in (await lab.admin("/services")).json()["services"]}
        assert rows["raw-1"]["breaker"] == rows["raw-2"]["breaker"] == ""
        assert rows["raw-1"]["endpoint_breakers"] == {}
        (text,) = rows["raw-2"]["endpoint_breakers"].items()
        assert text[0] == f"GET {PATH}"
        assert re.fullmatch(r"out for [0-9.]+ s more: 7 failures in a row", text[1])
        fleet = {row["instance"]: row["why"] for row in (await lab.admin("/fleet")).json()["instances"]}
        assert fleet["raw-2"] == "1 of its 1 endpoints have breakers that are not closed"
        assert fleet["raw-1"] == ""
        told = (await lab.admin(f"/explain?method=GET&target={PATH}")).json()
        because = {row["instance"]: row["because"] for row in told["instances"]}
        assert because["raw-2"].startswith("out for ")
        assert sorted(because.values())[0] == "a candidate"
        metrics = (await lab.admin("/metrics")).body.decode()
        for line in (
            'penstock_breaker_opens_total{service="raw",scope="endpoint",cause="failures"} 1',
            'penstock_breakers{service="raw",scope="endpoint",state="open"} 1',
            'penstock_attempt_failures_total{service="raw",kind="status"} 7',
            "penstock_gauges 3",
        ):
            assert line in metrics


async def test_answers_that_stream_and_fail_count_too() -> None:
    async with open_lab(**QUICK | {"breakers_open": "60s"}) as lab:
        things, client = Instances(lab), await lab.client()
        service = await lab.raw(instance="raw-1", **streaming(f"POST {PATH}"))
        await client.send(request("POST", PATH, body=b"x"))
        await service.respond(await service.asked(), 200, [(FieldId.BODY_LENGTH, b"", b"x")], flags=0)
        assert (await client.answer("POST")).reason == "bad_response"
        await service.cancelled()
        for status in (500, 503, 200, 500, 500, 500, 500, 500, 500, 500):
            assert things.state("raw-1") is BreakerState.CLOSED
            await client.send(request("POST", PATH, body=b"x"))
            asked = await service.asked()
            await service.respond(asked, status, flags=0)
            await service.data(asked, b"that is all", flags=END)
            assert (await client.answer("POST")).status == status
        assert lab.gateway.breaking.keeper.breakers.failures == {("raw", "status"): 9, ("raw", "bad_response"): 1}
        assert things.state("raw-1") is BreakerState.OPEN


async def test_other_settings_hold_at_once() -> None:
    settings = QUICK | {"rules": "[{service: raw, retries: none}]", "breakers_open": "60s"}
    async with open_lab(**settings) as lab:
        things, client = Instances(lab), await lab.client()
        await things.join(2)
        things.statuses["raw-2"] = 500
        while things.asked["raw-2"] < 3:
            await client.get(PATH)
        assert things.state("raw-2") is BreakerState.CLOSED
        changed = environment(lab.addresses, **settings | {"breakers_failures": "4", "breakers_panic": "100%"})
        await lab.gateway.change(load_gateway(changed).settings)
        while things.state("raw-2") is BreakerState.CLOSED:
            await client.get(PATH)
        assert things.asked["raw-2"] == 4
        (route,) = lab.gateway.lane.snapshot.routes
        assert route.choice.is_panic, "all must be left, and one is not"
