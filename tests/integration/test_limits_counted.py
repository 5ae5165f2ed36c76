"""Each limit that trips has its own reason and its own counter, and is counted exactly once; nothing else is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab import Lab, open_lab, until
from lab_client import Client, HttpAnswer, request
from prometheus_client.parser import text_string_to_metric_families

WATCHED = (
    "penstock_refusals_total",
    "penstock_rate_limit_refusals_total",
    "penstock_concurrency_refusals_total",
    "penstock_shed_total",
    "penstock_pool_waits_refused_total",
    "penstock_retries_limited_total",
    "penstock_hedges_limited_total",
    "penstock_fanout_legs_total",
    "penstock_cache_evictions_total",
    "penstock_cache_not_kept_total",
    "penstock_idempotency_evictions_total",
    "penstock_body_holds_refused_total",
    "penstock_exchanges_full_total",
    "penstock_edge_connections_refused_by_address_total",
)
"""All counters of limits: a trip may raise those that it is expected to, and no other."""
PATH = "/things"
ONE = request("GET", PATH)


async def counts(lab: Lab) -> dict[str, float]:
    """What was counted of limits, by metric and labels' values; zeros are left out."""
    page = (await lab.admin("/metrics")).body.decode()
    return {
        " ".join(
            (sample.name.removeprefix("penstock_"), *(sample.labels[name] for name in sorted(sample.labels)))
        ): value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in WATCHED and (value := sample.value)
    }


@asynccontextmanager
async def tripping(*expected: str, **settings: str) -> AsyncIterator[Lab]:
    """A gateway of which, in the end, exactly these have been counted, once each."""
    async with open_lab(**settings) as lab:
        yield lab
        assert await counts(lab) == dict.fromkeys(expected, 1.0)


async def asks(lab: Lab, data: bytes = ONE) -> Client:
    client = await lab.client()
    await client.send(data)
    return client


def rule(**keys: object) -> str:
    return json.dumps([{"service": "raw", **keys}])


def told(answer: HttpAnswer) -> tuple[int, str]:
    return answer.status, answer.reason


async def test_no_place_and_no_line() -> None:
    limits = rule(concurrency={"route": 1, "waiting": 0})
    expected = "refusals_total concurrency_full", "concurrency_refusals_total full raw"
    async with tripping(*expected, rules=limits) as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab)
        asked = await service.asked()
        assert told(await (await lab.client()).get(PATH)) == (503, "concurrency_full")
        await service.respond(asked, 200)
        assert (await first.answer()).status == 200


async def test_no_place_in_the_line() -> None:
    limits = rule(concurrency={"route": 1, "waiting": 1, "wait": "10s"})
    expected = "refusals_total line_full", "concurrency_refusals_total line_full raw"
    async with tripping(*expected, rules=limits) as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab)
        asked = await service.asked()
        second = await asks(lab)
        await until(lambda: lab.gateway.admitting.admission.waiting == 1)
        assert told(await (await lab.client()).get(PATH)) == (503, "line_full")
        await service.respond(asked, 200)
        await service.respond(await service.asked(), 200)
        assert [(await client.answer()).status for client in (first, second)] == [200, 200]


async def test_waited_for_as_long_as_it_may() -> None:
    limits = rule(concurrency={"route": 1, "waiting": 1, "wait": "20ms"})
    expected = "refusals_total line_too_slow", "concurrency_refusals_total too_slow raw"
    async with tripping(*expected, rules=limits) as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab)
        asked = await service.asked()
        assert told(await (await lab.client()).get(PATH)) == (503, "line_too_slow")
        await service.respond(asked, 200)
        assert (await first.answer()).status == 200


async def test_more_often_than_a_rate_limit() -> None:
    expected = "refusals_total rate_limited", "rate_limit_refusals_total 1/m by route service raw"
    async with tripping(*expected, rules=rule(rate_limits=["1/m"])) as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab)
        await service.respond(await service.asked(), 200)
        assert (await first.answer()).status == 200
        assert told(await (await lab.client()).get(PATH)) == (429, "rate_limited")


async def test_a_deadline() -> None:
    async with tripping("refusals_total deadline") as lab:
        service = await lab.raw(f"GET {PATH}")
        late = await asks(lab, request("GET", PATH, "x-request-timeout-ms: 30"))
        await service.asked()
        assert told(await late.answer()) == (504, "deadline")


async def failing(lab: Lab, attempts: int, data: bytes = ONE) -> None:
    """Have each attempt fail; the last one's answer is the client's."""
    service = await lab.raw(f"GET {PATH}")
    client = await asks(lab, data)
    for attempt in range(attempts):
        asked = await service.asked()
        assert asked.attempt == attempt + 1
        await service.respond(asked, 503)
    assert (await client.answer()).status == 503
    assert not service.has_frames


PATIENT = {"retries_profiles": "{quick: {attempts: 2, backoff: 0ms, backoff_max: 0ms}}", "rules": rule(retries="quick")}


async def test_all_attempts() -> None:
    async with tripping("retries_limited_total attempts", **PATIENT) as lab:
        await failing(lab, 2)


async def test_no_budget_for_another_attempt() -> None:
    async with tripping(
        "retries_limited_total budget", **PATIENT, retries_budget="0%", retries_budget_floor="0"
    ) as lab:
        await failing(lab, 1)


async def test_too_long_to_be_kept_for_another_attempt() -> None:
    async with tripping("retries_limited_total buffer", **PATIENT, retries_buffer_bytes="256B") as lab:
        await failing(lab, 1, request("GET", PATH, "x-long: " + "a" * 512))


async def test_another_gateway_sends_again() -> None:
    async with tripping("retries_limited_total nested", **PATIENT) as lab:
        service = await lab.raw(f"GET {PATH}")
        client = await asks(lab, request("GET", PATH, "x-penstock-attempt: 1"))
        await service.respond(await service.asked(), 503)
        assert (await client.answer()).status == 503


FANOUT = "[{{name: both, path: /both, {}, legs: [{{service: raw, path: /things, instances: all}}]}}]"


async def test_as_many_fan_outs_as_may_be() -> None:
    expected = "refusals_total fanout_full", "fanout_legs_total good"
    async with tripping(*expected, fanouts=FANOUT.format("in_flight: 1")) as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab, request("GET", "/both"))
        asked = await service.asked()
        assert told(await (await lab.client()).get("/both")) == (503, "fanout_full")
        await service.respond(asked, 200)
        assert (await first.answer()).status == 200


async def test_a_wider_fan_out_than_may_be() -> None:
    async with tripping("refusals_total fanout_too_wide", fanouts=FANOUT.format("width: 1")) as lab:
        for name in ("raw-1", "raw-2"):
            await lab.raw(f"GET {PATH}", instance=name)
        assert told(await (await lab.client()).get("/both")) == (500, "fanout_too_wide")


async def test_the_time_of_a_leg() -> None:
    expected = "refusals_total fanout_failed", "fanout_legs_total fanout_leg_timeout"
    async with tripping(*expected, fanouts=FANOUT.format("leg_timeout: 30ms")) as lab:
        service = await lab.raw(f"GET {PATH}")
        client = await asks(lab, request("GET", "/both"))
        await service.asked()
        assert told(await client.answer()) == (502, "fanout_failed")


async def test_the_bytes_of_all_legs() -> None:
    expected = "refusals_total fanout_failed", "fanout_legs_total fanout_too_large"
    async with tripping(*expected, fanouts=FANOUT.format("bytes: 1KiB")) as lab:
        service = await lab.raw(f"GET {PATH}")
        client = await asks(lab, request("GET", "/both"))
        await service.respond(await service.asked(), 200, body=b"a" * 2_000)
        assert told(await client.answer()) == (502, "fanout_failed")


async def answered(lab: Lab, *requests: bytes, body: bytes = b"one") -> None:
    service = await lab.raw("GET /things/{id}", "POST /things/{id}")
    for data in requests:
        client = await asks(lab, data)
        await service.respond(await service.asked(), 200, body=body)
        assert (await client.answer()).status == 200


async def test_the_memory_of_the_cache() -> None:
    async with tripping("cache_evictions_total", rules=rule(cache={}), cache_memory_bytes="8KiB") as lab:
        await answered(lab, *(request("GET", f"/things/{each}") for each in (1, 2)), body=b"a" * 2_500)


def keyed(number: int) -> bytes:
    return request("POST", f"/things/{number}", f'Idempotency-Key: "{number}"', "Content-Length: 0")


async def test_the_answers_that_are_kept_for_keys() -> None:
    async with tripping("idempotency_evictions_total", rules=rule(idempotency={}), idempotency_entries="1") as lab:
        await answered(lab, keyed(1), keyed(2))


async def test_the_keys_in_flight() -> None:
    expected = "refusals_total idempotency_full"
    async with tripping(expected, rules=rule(idempotency={}), idempotency_entries="1") as lab:
        service = await lab.raw("POST /things/{id}")
        first = await asks(lab, keyed(1))
        asked = await service.asked()
        assert told(await (await asks(lab, keyed(2))).answer()) == (503, "idempotency_full")
        await service.respond(asked, 200)
        assert (await first.answer()).status == 200


async def test_the_exchanges_of_all() -> None:
    async with tripping("refusals_total exchanges_full", "exchanges_full_total", exchanges_max="1") as lab:
        service = await lab.raw(f"GET {PATH}")
        first = await asks(lab)
        asked = await service.asked()
        assert (await (await lab.client()).get(PATH)).status == 503
        await service.respond(asked, 200)
        assert (await first.answer()).status == 200


async def test_the_connections_of_an_address() -> None:
    async with tripping("edge_connections_refused_by_address_total", edge_connections_per_address="1") as lab:
        await lab.client()
        await until(lambda: lab.count("edge_accepted") == 1)
        assert (await (await lab.client()).answer()).status == 429
