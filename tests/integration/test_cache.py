"""The response cache through a whole gateway: what is given again, to whom, and what is not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import HttpAnswer
from lab_service import Asked, RawService

from frames.codec import Field
from frames.frame import FieldId, FrameType, Method
from proxy.config import load_gateway

CACHE: dict[str, Any] = {"path": "/things", "cache": {"ttl": "1m", "ttl_max": "1h"}}


@asynccontextmanager
async def open_cache(*rules: dict[str, Any], **settings: str) -> AsyncIterator[tuple[Lab, RawService]]:
    async with open_lab(rules=json.dumps(rules or [CACHE]), **settings) as lab:
        offers = [f"{method} /things" for method in ("GET", "POST", "DELETE")]
        yield lab, await lab.raw(*offers, "GET /things/{id}", "PUT /things/{id}")


def named(**fields: str) -> list[Field]:
    return [(FieldId.NAMED, name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]


async def fill(
    lab: Lab, service: RawService, target: str = "/things", *lines: str, body: bytes = b"one", **fields: Any
) -> Asked:
    """Have an answer come from the service."""
    client = await lab.client()
    answer = None

    async def ask() -> None:
        nonlocal answer
        answer = await client.get(target, *lines)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        asked = await service.asked()
        await service.respond(asked, 200, named(**fields), body)
    assert answer is not None
    assert (answer.status, answer.body) == (200, body)
    await client.aclose()
    return asked


def outcomes(lab: Lab) -> dict[str, int]:
    return {name: count for name, count in lab.gateway.answering.caching.figures.outcomes.items() if count}


async def test_an_answer_is_given_again_without_asking_the_service() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, content_type="text/plain")
        client = await lab.client()
        for _ in range(3):
            answer = await client.get("/things")
            assert (answer.status, answer.body) == (200, b"one")
            assert answer.headers[b"content-type"] == b"text/plain"
            assert int(answer.headers[b"age"]) < 10
        assert outcomes(lab) == {"miss": 1, "hit": 3}
        assert lab.count("frames_out") <= 4


async def test_head_is_answered_from_what_get_has_brought() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        client = await lab.client()
        answer = await client.ask("HEAD", "/things")
        assert (answer.status, answer.body, answer.headers[b"content-length"]) == (200, b"", b"3")
        assert (await client.get("/things")).body == b"one"


@pytest.mark.parametrize(
    "said",
    [
        {"cache_control": "no-store"},
        {"cache_control": "private"},
        {"cache_control": "max-age=0"},
        {"cache_control": "no-cache"},
        {"set_cookie": "a=b"},
        {"vary": "*"},
        {"expires": "0"},
    ],
)
async def test_what_a_service_forbids_is_not_given_again(said: dict[str, Any]) -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, **said)
        await fill(lab, service, body=b"two", **said)
        assert outcomes(lab) == {"miss": 1, "bypass": 1}


async def test_each_target_and_host_and_tenant_has_its_own() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, "/things?a=1", body=b"1")
        await fill(lab, service, "/things?a=2", body=b"2")
        await fill(lab, service, "/things?a=1", "x-tenant-id: acme", body=b"3")
        client = await lab.client()
        assert (await client.get("/things?a=1")).body == b"1"
        assert (await client.get("/things?a=2")).body == b"2"
        assert (await client.get("/things?a=1", "x-tenant-id: acme")).body == b"3"


async def test_an_answer_varies_by_what_it_says() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, "/things", "Accept: a", body=b"a", vary="Accept")
        await fill(lab, service, "/things", "Accept: b", body=b"b", vary="Accept")
        client = await lab.client()
        assert (await client.get("/things", "Accept: a")).body == b"a"
        assert (await client.get("/things", "Accept: b")).body == b"b"


async def test_who_has_it_already_is_told_so() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, etag='"v1"')
        client = await lab.client()
        answer = await client.get("/things", 'If-None-Match: "v0", W/"v1"')
        assert (answer.status, answer.body, answer.headers[b"etag"]) == (304, b"", b'"v1"')
        assert b"content-length" not in answer.headers
        assert (await client.get("/things", 'If-None-Match: "v2"')).status == 200
        assert outcomes(lab) == {"miss": 1, "unchanged": 1, "hit": 1}


async def test_what_is_shared_must_be_marked_so_for_who_says_who_he_is() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service, "/things", "Authorization: Basic YTpi")
        await fill(lab, service, "/things", "Authorization: Basic YTpi")
        assert outcomes(lab) == {"miss": 1, "bypass": 1}
    async with open_cache() as (lab, service):
        await fill(lab, service, "/things", "Authorization: Basic YTpi", cache_control="public, max-age=60")
        client = await lab.client()
        assert (await client.get("/things", "Authorization: Basic YTpj")).body == b"one"


@pytest.mark.parametrize("line", ["Cache-Control: no-store", "Range: bytes=0-1"])
async def test_a_request_may_want_nothing_of_it(line: str) -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        await fill(lab, service, "/things", line, body=b"two")
        assert (await (await lab.client()).get("/things")).body == b"one"


async def test_a_request_may_want_it_new() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        await fill(lab, service, "/things", "Cache-Control: no-cache", body=b"two")
        assert (await (await lab.client()).get("/things")).body == b"two"


async def test_a_request_may_want_what_is_there_only() -> None:
    async with open_cache() as (lab, service):
        client = await lab.client()
        answer = await client.get("/things", "Cache-Control: only-if-cached")
        assert (answer.status, answer.reason) == (504, "not_cached")
        await fill(lab, service)
        assert (await client.get("/things", "Cache-Control: only-if-cached")).status == 200


async def test_a_change_makes_it_void() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        client = await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.ask, "POST", "/things")
            await service.respond(await service.asked(), 201)
        await fill(lab, service, body=b"two")


async def test_many_who_ask_the_same_are_one_request() -> None:
    async with open_cache() as (lab, service):
        bodies: list[bytes] = []

        async def ask() -> None:
            client = await lab.client()
            bodies.append((await client.get("/things")).body)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
            asked = await service.asked()
            await until(lambda: lab.gateway.answering.caching.waiting == 19)
            await service.respond(asked, 200, [], b"one")
        assert bodies == [b"one"] * 20
        assert outcomes(lab) == {"miss": 1, "collapsed": 19}


async def test_whoever_waited_for_what_is_not_shared_goes_on_alone() -> None:
    async with open_cache() as (lab, service):
        bodies: list[bytes] = []

        async def ask() -> None:
            client = await lab.client()
            bodies.append((await client.get("/things")).body)

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask)
            asked = await service.asked()
            await until(lambda: lab.gateway.answering.caching.waiting == 3)
            await service.respond(asked, 200, named(cache_control="private"), b"0")
            for number in range(1, 4):
                await service.respond(await service.asked(), 200, named(cache_control="private"), b"%d" % number)
        assert sorted(bodies) == [b"0", b"1", b"2", b"3"]


async def test_when_the_one_that_asks_leaves_the_next_one_asks() -> None:
    async with open_cache() as (lab, service):
        first = await lab.client()
        await first.send(b"GET /things HTTP/1.1\r\nHost: edge\r\n\r\n")
        asked = await service.asked()
        bodies: list[bytes] = []

        async def ask() -> None:
            bodies.append((await (await lab.client()).get("/things")).body)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await until(lambda: lab.gateway.answering.caching.waiting == 3)
            await first.aclose()
            frames = dict([await service.next(), await service.next()])
            (cancelled,) = [frame.exchange for frame in frames if frame.type is FrameType.CANCEL]
            assert cancelled == asked.exchange
            (again,) = filter(None, frames.values())
            await until(lambda: lab.gateway.answering.caching.waiting == 2)
            await service.respond(again, 200, [], b"one")
        assert bodies == [b"one"] * 3


async def test_one_that_waits_may_leave() -> None:
    async with open_cache() as (lab, service):
        first, second = await lab.client(), await lab.client()
        for client in (first, second):
            await client.send(b"GET /things HTTP/1.1\r\nHost: edge\r\n\r\n")
        asked = await service.asked()
        await until(lambda: lab.gateway.answering.caching.waiting == 1)
        await second.aclose()
        await until(lambda: lab.gateway.answering.caching.waiting == 0)
        await service.respond(asked, 200, [], b"one")


async def test_one_that_has_waited_long_enough_asks_itself() -> None:
    async with open_cache(cache_wait="20ms") as (lab, service), trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon((await lab.client()).get, "/things")
        asked = [await service.asked(), await service.asked()]
        for one in asked:
            await service.respond(one, 200, [], b"one")


async def test_an_old_answer_is_given_while_another_is_fetched() -> None:
    rule = {"path": "/things", "cache": {"ttl": "1s", "stale": "1m"}}
    async with open_cache(rule) as (lab, service):
        caching = lab.gateway.answering.caching
        passed = [0]
        real = caching._now_ms
        caching._now_ms = lambda: real() + passed[0]
        await fill(lab, service)
        passed[0] = 2_000
        client = await lab.client()
        assert (await client.get("/things")).body == b"one"
        again = await service.asked()
        assert (again.method, again.target) == (Method.GET, b"/things")
        assert (await client.get("/things")).body == b"one"
        await service.respond(again, 200, [], b"two")
        await until(lambda: caching.figures.refreshed["true"] == 1)
        answer = await client.get("/things")
        assert (answer.body, answer.headers[b"age"]) == (b"two", b"0")
        assert outcomes(lab) == {"miss": 1, "stale": 2, "hit": 1}


async def test_what_was_changed_meanwhile_is_not_kept() -> None:
    async with open_cache() as (lab, service):
        reader, writer = await lab.client(), await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.get, "/things")
            read = await service.asked()
            nursery.start_soon(writer.ask, "POST", "/things")
            await service.respond(await service.asked(), 201)
            await until(lambda: any(flight.is_void for flight in lab.gateway.answering.caching._flights.values()))
            await service.respond(read, 200, [], b"old")
        await fill(lab, service, body=b"new")


async def test_what_comes_through_a_trusted_proxy_is_kept_as_anything_else() -> None:
    async with open_cache(edge_trusted_proxies="127.0.0.1") as (lab, service):
        line = "X-Forwarded-For: 192.0.2.7"
        await fill(lab, service, "/things", line)
        client = await lab.client()
        assert (await client.get("/things", line)).body == b"one"
        assert outcomes(lab) == {"miss": 1, "hit": 1}


async def test_answers_to_http_and_https_are_kept_apart() -> None:
    async with open_cache(edge_trusted_proxies="127.0.0.1") as (lab, service):
        await fill(lab, service, "/things", "X-Forwarded-Proto: https", body=b"https")
        await fill(lab, service, "/things", "X-Forwarded-Proto: http", body=b"http")
        client = await lab.client()
        assert (await client.get("/things", "X-Forwarded-Proto: https")).body == b"https"


async def test_those_that_wait_are_answered_when_the_time_to_drain_is_over() -> None:
    async with open_cache() as (lab, service):
        answers: list[HttpAnswer] = []

        async def ask() -> None:
            answers.append(await (await lab.client()).get("/things"))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await service.asked()
            await until(lambda: lab.gateway.answering.caching.waiting == 2)
            await lab.gateway.drain(0.05)
        assert [answer.reason for answer in answers] == ["draining"] * 3


async def test_one_that_waits_finds_its_route_gone() -> None:
    async with open_cache() as (lab, service):
        answers: list[HttpAnswer] = []

        async def ask() -> None:
            answers.append(await (await lab.client()).get("/things"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            asked = await service.asked()
            nursery.start_soon(ask)
            await until(lambda: lab.gateway.answering.caching.waiting == 1)
            await service.join("GET /others", first_id=9)
            await service.respond(asked, 200, named(cache_control="private"))
        assert sorted(answer.status for answer in answers) == [200, 404]


async def test_rules_bounds_and_times_change_while_it_runs() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        rules = [{"path": "/things", "cache": {"ttl_max": "0s"}}]
        await lab.gateway.change(load_gateway(environment(rules=json.dumps(rules))).settings)
        await fill(lab, service, body=b"two")
        settings = environment(rules=json.dumps([CACHE]), cache_memory_bytes="1KiB", cache_wait="7ms")
        await lab.gateway.change(load_gateway(settings).settings)
        caching = lab.gateway.answering.caching
        assert (caching.kept.bytes_max, len(caching.kept), caching.wait_ms) == (1_024, 0, 7)
        await fill(lab, service, body=b"three")
        await fill(lab, service, body=b"four")


async def test_metrics_and_explanations() -> None:
    async with open_cache() as (lab, service):
        await fill(lab, service)
        await (await lab.client()).get("/things")
        metrics = (await lab.admin("/metrics")).body.decode()
        for line in ('penstock_cache_requests_total{outcome="hit"} 1', "penstock_cache_answers 1"):
            assert f"{line}\n" in metrics, line
        for method, words in (
            ("GET", "1m, at most 1h, by tenant"),
            ("POST", "a good answer makes void what is kept for this target"),
        ):
            told = (await lab.admin(f"/explain?method={method}&target=/things")).json()
            lines = [line["text"] for step in told["steps"] if step["name"] == "cache" for line in step["lines"]]
            assert lines == [words]
        assert len(lab.gateway.answering.caching.kept) == 1


async def test_an_answer_that_came_by_a_second_attempt_is_kept_and_shared() -> None:
    async with open_cache() as (lab, service):
        bodies: list[bytes] = []

        async def ask() -> None:
            bodies.append((await (await lab.client()).get("/things")).body)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            asked = await service.asked()
            await until(lambda: lab.gateway.answering.caching.waiting == 2)
            await service.respond(asked, 503)
            again = await service.asked()
            assert again.attempt == 2
            assert lab.gateway.answering.caching.waiting == 2
            await service.respond(again, 200, [], b"one")
        assert bodies == [b"one"] * 3
        assert outcomes(lab) == {"miss": 1, "collapsed": 2}


async def test_when_all_attempts_fail_each_one_that_waits_tries_itself() -> None:
    rule = {**CACHE, "retries": "none"}
    async with open_cache(rule) as (lab, service):
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await (await lab.client()).get("/things")).status)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            asked = await service.asked()
            await until(lambda: lab.gateway.answering.caching.waiting == 2)
            await service.respond(asked, 503)
            for status in (200, 500):
                await service.respond(await service.asked(), status)
        assert sorted(statuses) == [200, 500, 503]
