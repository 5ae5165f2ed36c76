"""Faults on purpose through a whole gateway: what clients see, what is counted, and what is told."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request

from penstock import Call, Service
from penstock.settings import Loaded
from proxy.config import GatewayConfig, load_gateway
from proxy.process.running import Sources, make_reloader

ECHO = b"0123456789" * 100
HOUR = "delay: 1h"


def things() -> Service:
    service = Service("things", version="1.0.0")

    @service.get("/things")
    async def get(call: Call) -> bytes:
        return ECHO

    @service.post("/things")
    async def post(call: Call) -> bytes:
        return call.body

    @service.post("/streams", streams=True)
    async def stream(call: Call) -> bytes:
        return b"".join([part async for part in call.stream()])

    return service


@asynccontextmanager
async def harming(*faults: str, **settings: str) -> AsyncIterator[tuple[Lab, Client]]:
    """A gateway whose one rule has these faults."""
    rules = f"[{{name: harm, service: things, faults: [{', '.join(f'{{{fault}}}' for fault in faults)}]}}]"
    async with open_lab(faults_enabled="true", rules=rules, **settings) as lab:
        await lab.serve(things())
        yield lab, await lab.client()


def injected(lab: Lab) -> dict[str, int]:
    return {kind: count for (service, kind), count in lab.gateway.configured.injected.items() if service == "things"}


async def reset(client: Client) -> bytes:
    """Read until the connection is reset; what came before."""
    data = b""
    with trio.fail_after(WAIT_S):
        while True:
            try:
                part = await client.stream.receive_some(65536)
            except trio.BrokenResourceError:
                return data
            assert part, "the connection ended in good order"
            data += part


# ---- abort ----


@pytest.mark.parametrize("status", [400, 418, 429, 500, 503, 599])
async def test_an_abort_is_an_answer_with_its_status_and_reason(status: int) -> None:
    async with harming(f"abort: {status}") as (lab, client):
        for _ in range(2):  # the connection stays
            answer = await client.get("/things")
            assert (answer.status, answer.reason) == (status, "fault_injected")
        assert lab.reasons == {"fault_injected": 2}
        assert injected(lab) == {"abort": 2}


async def test_only_those_with_the_fields_are_harmed() -> None:
    async with harming("abort: 503, headers: {X-Fault: abort}") as (lab, client):
        assert (await client.get("/things")).body == ECHO
        assert (await client.get("/things", "x-fault: other")).body == ECHO
        assert (await client.get("/things", "X-Fault: abort")).reason == "fault_injected"
        assert (await client.ask("POST", "/things", "x-fault: abort", body=b"b")).reason == "fault_injected"
        assert (await client.ask("POST", "/things", body=b"b")).body == b"b"
        assert injected(lab) == {"abort": 2}


async def test_a_part_of_the_requests_is_harmed() -> None:
    async with harming("abort: 503, percent: 50%") as (lab, client):
        statuses = [(await client.get("/things")).status for _ in range(200)]
        assert set(statuses) == {200, 503}
        assert injected(lab) == {"abort": statuses.count(503)}


# ---- delay ----


@pytest.mark.parametrize("path", ["/things", "/streams"])
async def test_a_delay_and_then_all_as_usual(path: str) -> None:
    async with harming("delay: 1ms, jitter: 2ms") as (lab, client):
        for body in (b"", b"small", bytes(200_000)):
            answer = await client.ask("POST", path, body=body)
            assert (answer.status, answer.body) == (200, body)
        assert injected(lab) == {"delay": 3}
        assert lab.reasons == {}


async def test_a_delay_is_within_the_deadline_that_the_client_has_set() -> None:
    async with harming(HOUR) as (lab, client):
        answer = await client.get("/things", "x-request-timeout-ms: 30")
        assert (answer.status, answer.reason) == (504, "deadline")
        assert lab.reasons == {"deadline": 1}
        assert injected(lab) == {"delay": 1}


async def test_a_client_may_leave_while_it_is_delayed() -> None:
    async with harming(HOUR) as (lab, client):
        await client.send(request("GET", "/things"))
        await until(lambda: injected(lab) == {"delay": 1})
        await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        await lab.census()


async def test_a_delay_and_then_an_abort() -> None:
    async with harming("delay: 1ms", "abort: 500") as (lab, client):
        assert (await client.get("/things")).reason == "fault_injected"
        assert injected(lab) == {"delay": 1, "abort": 1}


async def test_the_gateway_drains_though_requests_are_delayed() -> None:
    async with harming(HOUR) as (lab, client):
        await client.send(request("GET", "/things"))
        await until(lambda: injected(lab) == {"delay": 1})
        await lab.gateway.drain(0.01)
        answer = await client.answer()
        assert (answer.status, answer.reason) == (503, "draining")


# ---- cut ----


@pytest.mark.parametrize("before", [(), ("delay: 1ms",)])
@pytest.mark.parametrize("path", ["/things", "/streams"])
async def test_a_cut_before_anything(before: tuple[str, ...], path: str) -> None:
    async with harming(*before, "cut: 0B") as (lab, client):
        await client.send(request("POST", path, body=b"body"))
        assert await reset(client) == b""
        await lab.census()
        assert lab.reasons == {"fault_cut": 1}
        assert injected(lab) == {"cut": 1} | ({"delay": 1} if before else {})


@pytest.mark.parametrize("target", [("GET", "/things", b""), ("POST", "/streams", ECHO), ("POST", "/things", ECHO)])
@pytest.mark.parametrize("count", [1, 30, 700])
async def test_a_cut_within_the_answer(target: tuple[str, str, bytes], count: int) -> None:
    method, path, body = target
    async with harming(f"cut: {count}B") as (lab, client):
        await client.send(request(method, path, body=body))
        data = await reset(client)
        assert len(data) == count
        assert b"HTTP/1.1 200 OK\r\n".startswith(data[:17])
        await lab.census()
        assert lab.reasons == {"fault_cut": 1}
        assert injected(lab) == {"cut": 1}


async def test_an_answer_that_is_shorter_than_the_cut_is_whole() -> None:
    async with harming("cut: 1MiB") as (lab, client):
        for _ in range(2):
            assert (await client.get("/things")).body == ECHO
        assert lab.reasons == {}


# ---- slow ----


@pytest.mark.parametrize("before", [(), ("delay: 1ms",)])
@pytest.mark.parametrize("path", ["/things", "/streams"])
async def test_a_slow_answer_is_whole_and_the_connection_stays(before: tuple[str, ...], path: str) -> None:
    async with harming(*before, "slow: 100KiB") as (lab, client):
        for _ in range(2):
            answer = await client.ask("POST", path, body=ECHO)
            assert (answer.status, answer.body) == (200, ECHO)
        assert (await client.ask("HEAD", "/things")).body == b""
        assert injected(lab)["slow"] == 3
        assert lab.reasons == {}


async def test_a_slow_answer_takes_its_time() -> None:
    """A lower bound, which no slow machine can break: a thousand bytes at five thousand a second."""
    async with harming("slow: 5000B") as (_, client):
        began = trio.current_time()
        assert (await client.get("/things")).body == ECHO
        assert trio.current_time() - began > 0.15


async def test_a_client_may_leave_while_its_answer_trickles() -> None:
    async with harming("slow: 1B") as (lab, client):
        await client.send(request("GET", "/things"))
        assert await client.stream.receive_some(1) == b"H"
        await client.aclose()
        await until(lambda: lab.reasons == {"client_gone": 1})
        await lab.census()


async def test_a_service_that_is_lost_does_not_leave_a_slow_answer_looking_whole() -> None:
    async with open_lab(faults_enabled="true", rules="[{faults: [{slow: 200B}]}]") as lab:
        service = await lab.raw("GET /things")
        client = await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), body=ECHO)
        assert await client.stream.receive_some(1) == b"H"
        await service.aclose()
        await client.aclose()
        await lab.census()


# ---- the switch, what is told ----


async def test_what_has_no_faults_is_left_alone() -> None:
    async with open_lab(faults_enabled="true", rules="[{path: /streams, faults: [{abort: 500}]}]") as lab:
        await lab.serve(things())
        client = await lab.client()
        assert (await client.get("/things")).body == ECHO
        assert (await client.ask("POST", "/streams", body=b"b")).reason == "fault_injected"


async def test_explain_shouts_and_harms_nothing() -> None:
    async with harming("abort: 503, percent: 100", "delay: 1s, jitter: 1s, headers: {x-fault: d}") as (lab, _):
        told = (await lab.admin("/explain?method=GET&target=/things")).json()
        (step,) = [step for step in told["steps"] if step["name"] == "FAULTS"]
        assert [line["text"] for line in step["lines"]] == [
            "ON PURPOSE: 100 % answered 503",
            "ON PURPOSE: 100 % delayed by 1000 ms to 2000 ms, with x-fault: d: not this one,"
            " which has not these fields",
        ]
        assert told["outcome"] == "sent"
        assert injected(lab) == {}
        routes = (await lab.admin("/routes")).json()
        assert "100 % answered 503" in str(routes)


async def test_the_metrics_count_each_fault() -> None:
    async with harming("abort: 503") as (lab, client):
        await client.get("/things")
        page = (await lab.admin("/metrics")).body.decode()
        assert 'penstock_faults_injected_total{service="things",fault="abort"} 1' in page
        assert 'penstock_refusals_total{reason="fault_injected"} 1' in page


async def test_the_log_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "penstock.faults"):
        async with harming("abort: 503, percent: 100") as (_, client):
            for _ in range(3):
                await client.get("/things")
    said = [record.getMessage() for record in caplog.records if record.name == "penstock.faults"]
    assert said == [
        "FAULTS ARE ON: the rule harm (PENSTOCK_RULES[0]) harms requests on purpose: 100 % answered 503",
        "FAULTS ARE ON: abort was injected into things, as harm (PENSTOCK_RULES[0]) says (0 more)",
    ]


async def test_a_reload_switches_faults_on_and_off(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    harm = "faults: {enabled: true}\nrules: [{service: things, faults: [{abort: 503}]}]\n"
    async with open_lab() as lab:
        await lab.serve(things())
        client, environment = await lab.client(), {"PENSTOCK_IDENTITY_UNDECLARED": "public"}
        path.write_text("")

        def load() -> Loaded[GatewayConfig]:
            return load_gateway(environment, path=path)

        reloader = make_reloader(Sources(load(), load, path), lab.gateway)
        for text, is_applied, status in (
            ("", True, 200),
            (harm, True, 503),
            (harm.replace("true", "false"), False, 503),
            ("", True, 200),
        ):
            path.write_text(text)
            assert (await reloader.reload("a test")).applied is is_applied
            assert (await client.get("/things")).status == status
        assert injected(lab) == {"abort": 2}
