"""Limits of concurrency through a whole gateway: who goes on, who waits, who is sent away, and why."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import Client, request
from lab_service import RawService

from proxy.config import load_gateway

PATH = "/things"
OFFERS = (f"GET {PATH}", f"POST {PATH}", "GET /others")


def rules(concurrency: str, path: str = "") -> str:
    return f"[{{service: raw, {f'path: {path}, ' if path else ''}concurrency: {{{concurrency}}}}}]"


@asynccontextmanager
async def limited(concurrency: str, path: str = "", **settings: str) -> AsyncIterator[tuple[Lab, RawService]]:
    async with open_lab(rules=rules(concurrency, path), **settings) as lab:
        yield lab, await lab.raw(*OFFERS)


async def asks(lab: Lab, count: int, target: str = PATH, *lines: str, method: str = "GET") -> list[Client]:
    """As many clients, each of which has asked once, in this order."""
    clients = []
    for _ in range(count):
        client = await lab.client()
        await client.send(request(method, target, *lines))
        clients.append(client)
        await until(lambda: lab.count("requests") >= len(clients))
    return clients


async def asks_after(lab: Lab, count: int) -> list[Client]:
    """The same, where something was asked before."""
    clients = [await lab.client() for _ in range(count)]
    for client in clients:
        await client.send(request("GET", PATH))
    return clients


def waiting(lab: Lab) -> int:
    return lab.gateway.admitting.admission.waiting


async def line_is(lab: Lab, count: int) -> None:
    await until(lambda: waiting(lab) == count)


async def test_who_finds_no_place_waits_and_goes_on_when_one_is_free() -> None:
    async with limited("service: 2, wait: 10s") as (lab, service):
        clients = await asks(lab, 3)
        first, second = await service.asked(), await service.asked()
        await line_is(lab, 1)
        assert not service.has_frames
        await service.respond(first, 200)
        third = await service.asked()
        assert third.attempt == 1
        await service.respond(second, 200)
        await service.respond(third, 200, body=b"third")
        assert [(await client.answer()).status for client in clients] == [200, 200, 200]
        tally = lab.gateway.admitting.admission.tallies["raw"]
        assert tally.admitted == 1
        assert sum(tally.refused.values()) == 0
        assert lab.reasons == {}


async def test_a_limit_of_a_route_is_its_own() -> None:
    async with limited("route: 1, waiting: 0") as (lab, service):
        (client,) = await asks(lab, 1)
        other = await lab.client()
        await other.send(request("GET", "/others"))
        first, second = await service.asked(), await service.asked()
        refused = await (await lab.client()).get(PATH)
        assert (refused.status, refused.reason) == (503, "concurrency_full")
        assert refused.headers[b"retry-after"] == b"1"
        await service.respond(first, 200)
        await service.respond(second, 200)
        assert (await client.answer()).status == 200
        assert (await other.answer()).status == 200
        assert lab.reasons == {"concurrency_full": 1}


async def test_a_limit_of_a_service_counts_requests_of_other_routes() -> None:
    async with limited("service: 1, waiting: 0", PATH) as (lab, service):
        client = await lab.client()
        await client.send(request("GET", "/others"))
        other = await service.asked()
        assert (await (await lab.client()).get(PATH)).reason == "concurrency_full"
        await service.respond(other, 200)
        assert (await client.answer()).status == 200


async def test_a_line_that_is_full_sends_away_who_comes() -> None:
    async with limited("service: 1, waiting: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 2)
        first = await service.asked()
        await line_is(lab, 1)
        refused = await (await lab.client()).get(PATH)
        assert (refused.status, refused.reason) == (503, "line_full")
        await service.respond(first, 200)
        await service.respond(await service.asked(), 200)
        assert [(await client.answer()).status for client in clients] == [200, 200]
        assert lab.reasons == {"line_full": 1}


async def test_who_waits_for_too_long_is_sent_away() -> None:
    async with limited("service: 1, wait: 20ms") as (lab, service):
        clients = await asks(lab, 2)
        first = await service.asked()
        refused = await clients[1].answer()
        assert (refused.status, refused.reason) == (503, "line_too_slow")
        assert waiting(lab) == 0
        await service.respond(first, 200)
        assert (await clients[0].answer()).status == 200
        assert lab.reasons == {"line_too_slow": 1}


async def test_who_cannot_be_answered_in_time_leaves_before_the_deadline() -> None:
    async with limited("service: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 1)
        first = await service.asked()
        hopeless = await lab.client()
        await hopeless.send(request("GET", PATH, "X-Request-Timeout-Ms: 40"))
        refused = await hopeless.answer()
        assert (refused.status, refused.reason) == (503, "hopeless")
        await service.respond(first, 200)
        assert (await clients[0].answer()).status == 200


async def test_a_client_that_leaves_gives_its_place_in_the_line_away() -> None:
    async with limited("service: 1, waiting: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 2)
        first = await service.asked()
        await line_is(lab, 1)
        await clients[1].aclose()
        await line_is(lab, 0)
        third = await lab.client()
        await third.send(request("GET", PATH))
        await line_is(lab, 1)
        await service.respond(first, 200)
        await service.respond(await service.asked(), 200)
        assert (await third.answer()).status == 200
        assert lab.reasons == {"client_gone": 1}


async def test_tenants_take_turns() -> None:
    async with limited("service: 1, wait: 10s") as (lab, service):
        first = await asks(lab, 1)
        asked = await service.asked()
        for number, tenant in enumerate(["a", "a", "a", "b"], 1):
            client = await lab.client()
            await client.send(request("GET", f"{PATH}?{tenant}", f"X-Tenant-Id: {tenant}"))
            await line_is(lab, number)
            first.append(client)
        order = []
        for _ in range(4):
            await service.respond(asked, 200)
            asked = await service.asked()
            order.append(asked.target[-1:])
        await service.respond(asked, 200)
        assert order == [b"a", b"b", b"a", b"a"]
        assert [(await client.answer()).status for client in first] == [200] * 5


@pytest.mark.parametrize(("trusted", "order"), [("127.0.0.0/8", [b"high", b"low"]), ("192.0.2.1", [b"low", b"high"])])
async def test_the_priority_of_a_request_counts_where_its_source_is_trusted(trusted: str, order: list[bytes]) -> None:
    async with limited("service: 1, wait: 10s", edge_trusted_proxies=trusted) as (lab, service):
        clients = await asks(lab, 1)
        asked = await service.asked()
        for number, priority in enumerate(["low", "high"], 1):
            client = await lab.client()
            await client.send(
                request("GET", f"{PATH}?{priority}", f"X-Priority: {priority}", "X-Forwarded-For: 192.0.2.7")
            )
            await line_is(lab, number)
            clients.append(client)
        found = []
        for _ in range(2):
            await service.respond(asked, 200)
            asked = await service.asked()
            found.append(asked.target.partition(b"?")[2])
        await service.respond(asked, 200)
        assert found == order
        assert [(await client.answer()).status for client in clients] == [200] * 3


async def test_a_body_that_comes_late_is_refused_where_there_is_no_place_for_it() -> None:
    """It cannot wait: its connection is with a task, or it would have to be held twice."""
    async with limited("service: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 1)
        first = await service.asked()
        late = await lab.client()
        await late.send(request("POST", PATH, "Transfer-Encoding: chunked"))
        refused = await late.answer("POST")
        assert (refused.status, refused.reason) == (503, "concurrency_full")
        await service.respond(first, 200)
        assert (await clients[0].answer()).status == 200


async def test_a_body_that_was_gathered_meanwhile_finds_no_place_any_more() -> None:
    """It is asked again before it is sent, so that who is slow to come takes no place from others."""
    async with limited("service: 1, wait: 10s") as (lab, service):
        slow = await lab.client()
        await slow.send(request("POST", PATH, "Transfer-Encoding: chunked") + b"1\r\na\r\n")
        await until(lambda: lab.count("handed_over") == 1)
        clients = await asks_after(lab, 1)
        first = await service.asked()
        await slow.send(b"0\r\n\r\n")
        refused = await slow.answer("POST")
        assert (refused.status, refused.reason) == (503, "concurrency_full")
        await service.respond(first, 200)
        assert (await clients[0].answer()).status == 200


async def test_a_limit_that_a_reload_takes_away_lets_everybody_go_on() -> None:
    async with limited("service: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 2)
        first = await service.asked()
        await line_is(lab, 1)
        await lab.gateway.change(load(lab, rules="[]"))
        (other,) = await asks(lab, 1)
        second = await service.asked()
        await service.respond(second, 200)
        assert (await other.answer()).status == 200
        await service.respond(first, 200)
        third = await service.asked()
        await service.respond(third, 200)
        assert [(await client.answer()).status for client in clients] == [200, 200]


async def test_what_waits_when_the_gateway_drains_is_answered() -> None:
    async with limited("service: 1, wait: 10s") as (lab, service):
        clients = await asks(lab, 2)
        first = await service.asked()
        await line_is(lab, 1)
        lab.nursery.start_soon(lab.gateway.drain, 0.1)
        answer = await clients[1].answer()
        assert (answer.status, answer.reason) == (503, "draining")
        assert waiting(lab) == 0
        assert (await clients[0].answer()).reason == "draining"
        assert (await service.cancelled())[0] == first.exchange


async def test_an_adaptive_limit_is_learned() -> None:
    async with limited("service: adaptive, least: 2, most: 64") as (lab, service):
        lab.nursery.start_soon(answer_all, service)
        clients = [await lab.client() for _ in range(4)]
        for _ in range(50):
            for client in clients:
                assert (await client.get(PATH)).status == 200
        admission = lab.gateway.admitting.admission
        await until(lambda: admission.standings()[0].latency_s > 0)
        (standing,) = admission.standings()
        assert standing.service_max in range(2, 65), "which one is for the machine to say"


async def answer_all(service: RawService) -> None:
    with suppress(AssertionError, trio.ClosedResourceError):  # the lab closes it in the end
        while True:
            await service.respond(await service.asked(), 200)


def load(lab: Lab, **settings: str):  # type: ignore[no-untyped-def]

    return load_gateway(environment(lab.addresses, **settings)).settings


async def test_explain_and_routes_tell_how_it_stands() -> None:
    async with limited("service: adaptive, route: 7", PATH) as (lab, service):
        clients = await asks(lab, 1)
        first = await service.asked()
        told = (await lab.admin(f"/explain?method=GET&target={PATH}")).json()
        (step,) = [step for step in told["steps"] if step["name"] == "concurrency"]
        assert [line["text"] for line in step["lines"]] == [
            "7 of the route, 1 to 1000 of the service, learned; 256 wait up to 100 ms",
            "1 of 7 are with the route now",
            "1 of 40 are with the service now",
        ]
        rows = (await lab.admin("/routes")).json()
        (row,) = [row for row in rows["routes"] if (row["method"], row["path"]) == ("GET", PATH)]
        assert row["concurrency"] == {
            "route_max": 7,
            "service_max": 40,
            "in_flight": 1,
            "waiting": 0,
            "is_standing": False,
            "service_ms": None,
        }
        page = (await lab.admin("/metrics")).body.decode()
        assert f'penstock_concurrency_limit{{service="raw",route="GET {PATH}"}} 7' in page
        assert f'penstock_concurrency_in_flight{{service="raw",route="GET {PATH}"}} 1' in page
        await service.respond(first, 200)
        assert (await clients[0].answer()).status == 200
