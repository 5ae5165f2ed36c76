"""Requests that have ended, as operators look at them."""

from typing import Any
from urllib.parse import quote

import pytest
import trio
from lab import Lab, open_lab
from lab_client import Client, request
from lab_service import RawService


async def records(lab: Lab, query: str = "") -> dict[str, Any]:
    page = await lab.admin(f"/records{query}")
    assert page.status == 200, page.body
    found: dict[str, Any] = page.json()
    return found


async def ask(client: Client, service: RawService, status: int, target: str = "/things/1", **fields: str) -> None:
    await client.send(request("GET", target, *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())))
    await service.respond(await service.asked(), status)
    assert (await client.answer()).status == status


def statuses(page: dict[str, Any]) -> list[int]:
    return [row["status"] for row in page["records"]]


async def test_what_is_told_of_a_request(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}", instance="raw-7"), await lab.client()
    trace = "0af7651916cd43dd8448eb211c80319c"
    await ask(
        client,
        service,
        200,
        "/things/1?token=correct-horse",
        x_request_id="r-1",
        x_correlation_id="c-1",
        x_tenant_id="acme",
        traceparent=f"00-{trace}-b7ad6b7169203331-01",
    )
    (row,) = (await records(lab))["records"]
    told = {name: row[name] for name in ("method", "route", "service", "status", "reason", "tenant", "client")}
    assert told == {
        "method": "GET",
        "route": "GET /things/{id}",
        "service": "raw",
        "status": 200,
        "reason": "",
        "tenant": "acme",
        "client": "127.0.0.1",
    }
    assert (row["request_id"], row["correlation_id"], row["trace_id"]) == ("r-1", "c-1", trace)
    assert row["target"] == "/things/1?token=*"
    assert 0 <= row["sent_us"] <= row["answered_us"] <= row["took_us"]
    assert 0 <= row["gateway_us"] <= row["took_us"]
    assert row["bytes_out"] > 0
    (attempt,) = row["attempts"]
    assert (attempt["number"], attempt["instance"], attempt["outcome"]) == (1, "raw-7", "200")
    for wanted in ("r-1", "c-1", trace):
        assert [found["request_id"] for found in (await records(lab, f"?id={wanted}"))["records"]] == ["r-1"]
    assert (await records(lab, "?id=other"))["records"] == []


async def test_what_no_service_answered_has_a_reason(lab: Lab) -> None:
    client = await lab.client()
    await client.get("/nowhere")
    (row,) = (await records(lab))["records"]
    assert (row["status"], row["reason"], row["route"], row["service"], row["attempts"]) == (
        404,
        "no_route",
        "",
        "",
        [],
    )


async def test_who_follows_sees_each_once(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    for status in (200, 201, 202):
        await ask(client, service, status)
    first = await records(lab, "?limit=2")
    assert statuses(first) == [201, 202]  # the newest
    again = await records(lab, f"?after={quote(first['next'])}")
    assert (statuses(again), again["next"]) == ([], first["next"])
    for status in (203, 204, 206):
        await ask(client, service, status)
    one = await records(lab, f"?limit=2&after={quote(first['next'])}")
    assert (statuses(one), one["has_more"], one["lost"]) == ([203, 204], True, 0)
    rest = await records(lab, f"?limit=2&after={quote(one['next'])}")
    assert (statuses(rest), rest["has_more"]) == ([206], False)


async def test_who_follows_before_anything_came_misses_nothing(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    start = await records(lab)
    await ask(client, service, 200)
    assert statuses(await records(lab, f"?after={quote(start['next'])}")) == [200]


async def test_a_place_that_was_never_reached_is_of_another_process(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    await ask(client, service, 200)
    page = await records(lab, "?after=:1000")
    assert (statuses(page), page["lost"], page["next"]) == ([200], 0, ":1")


async def test_who_is_too_slow_is_told_how_many_are_lost() -> None:
    async with open_lab(records_recent="100") as lab:
        client = await lab.client()
        await client.get("/nowhere")
        start = await records(lab)
        for _ in range(130):
            await client.get("/nowhere")
        page = await records(lab, f"?limit=10&after={quote(start['next'])}")
        assert (page["lost"], len(page["records"])) == (30, 10)


async def test_one_question_looks_at_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.overview.records.LOOKED_MAX", 64)
    async with open_lab(records_recent="1000") as lab:
        client = await lab.client()
        await client.get("/nowhere/first")
        start = await records(lab)
        for number in range(200):
            await client.get(f"/nowhere/{number}")
        assert len((await records(lab, "?status=404&limit=1000"))["records"]) == 64  # the newest
        after, seen, questions = start["next"], 0, 0
        while True:
            page = await records(lab, f"?status=404&limit=1000&after={quote(after)}")
            after, seen, questions = page["next"], seen + len(page["records"]), questions + 1
            if not page["has_more"]:
                break
        assert (seen, questions) == (200, 4)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=5xx", [503]),
        ("status=404", [404, 404]),
        ("reason=no_route", [404]),
        ("route=/things", [200, 404, 503]),
        ("route=/nowhere", [404]),
        ("service=raw", [200, 404, 503]),
        ("service=other", []),
        ("instance=raw-1", [200, 404, 503]),
        ("instance=raw-2", []),
        ("method=POST", []),
        ("tenant=acme", [200]),
        ("slower_ms=60000", []),
        ("status=5xx&service=raw&method=GET", [503]),
        ("ring=notable", [503]),
    ],
)
async def test_filters(query: str, wanted: list[int], lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    await ask(client, service, 200, x_tenant_id="acme")
    await ask(client, service, 404)
    await ask(client, service, 503)
    await client.get("/nowhere")
    assert sorted(statuses(await records(lab, f"?{query}"))) == wanted


async def test_attempts_of_a_request_that_was_sent_again(lab: Lab) -> None:
    services = [await lab.raw("GET /things/{id}", instance=f"raw-{number}") for number in (1, 2)]
    client = await lab.client()
    await client.send(request("GET", "/things/1"))

    async def answer(service: RawService, status: list[int]) -> None:
        while True:
            await service.respond(await service.asked(), status.pop(0))

    async with trio.open_nursery() as nursery:
        left = [503, 200]
        for service in services:
            nursery.start_soon(answer, service, left)
        assert (await client.answer()).status == 200
        nursery.cancel_scope.cancel()
    (row,) = (await records(lab, "?ring=notable"))["records"]
    assert (row["status"], row["attempt_count"]) == (200, 2)
    assert [each["outcome"] for each in row["attempts"]] == ["503", "200"]
    assert row["attempts"][0]["began_us"] + row["attempts"][0]["took_us"] <= row["attempts"][1]["began_us"] + 1_000
    assert {each["instance"] for each in row["attempts"]} == {"raw-1", "raw-2"}


async def test_a_refused_request_has_its_route(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    await lab.raw("GET /things/{id}")
    client = await lab.client()
    assert (await client.ask("GET", "/things/1", "X-Request-Timeout-Ms: 20")).status == 504
    (row,) = (await records(lab, "?ring=notable&service=raw"))["records"]
    assert (row["reason"], row["route"]) == ("deadline", "GET /things/{id}")
    assert [each["outcome"] for each in row["attempts"]] == ["expired"]


async def test_where_nothing_is_measured_no_records_are_kept() -> None:
    async with open_lab(metrics_enabled="false") as lab:
        page = await lab.admin("/records")
        assert page.status == 404
        assert page.json()["detail"] == "No records of requests are kept, since metrics.enabled is off."
