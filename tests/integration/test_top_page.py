"""The figures of now, of a gateway that carries requests."""

from typing import Any

import trio
from lab import Lab
from lab_client import request


async def top(lab: Lab, query: str = "") -> dict[str, Any]:
    page = await lab.admin(f"/top{query}")
    assert page.status == 200, page.body
    found: dict[str, Any] = page.json()
    return found


async def test_top_tells_of_the_requests_of_the_last_seconds(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}", "GET /idle"), await lab.client()
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            while True:
                await client.send(request("GET", "/things/1"))
                await service.respond(await service.asked(), 503)
                await client.answer()

        nursery.start_soon(ask)
        first = await top(lab)
        second = await top(lab, "?limit=1&service=raw")
        nursery.cancel_scope.cancel()
    for told in (first, second):
        (route,) = told["routes"]
        assert (route["method"], route["path"], route["service"]) == ("GET", "/things/{id}", "raw")
        assert 0 < route["rate"] == route["error_rate"]
        assert 0 < route["p50_us"] <= route["p99_us"]
        assert told["requests"]["error_ratio"] == 1
        assert told["routes_now"] == 2
        (instance,) = told["instances"]
        assert (instance["instance"], instance["health"], instance["connections"]) == ("raw-1", "healthy", 1)
        assert told["instances_now"]["healthy"] == 1
        (worker,) = told["workers"]
        assert worker["pid"] > 0
        assert worker["rss_bytes"] > 1_000_000
        assert 0 <= worker["up_s"] < 3_600
        assert told["ready"] is True
    await service.aclose()
    await client.aclose()


async def test_what_the_gateway_answers_itself_counts_for_the_route(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    await lab.raw("GET /things/{id}")
    client = await lab.client()
    before = await top(lab)
    assert before["routes"] == []
    answer = await client.ask("GET", "/things/1", "X-Request-Timeout-Ms: 20")
    assert answer.status == 504
    await client.get("/nowhere")
    after = await top(lab)
    while not after["routes"]:  # a sample that is fresh is told again
        after = await top(lab)
    (route,) = after["routes"]
    assert (route["path"], route["error_rate"] > 0, route["rate"] > 0) == ("/things/{id}", True, True)
    assert {each["reason"]: each["total"] for each in after["refusals"]} == {"deadline": 1, "no_route": 1}


async def test_top_of_a_gateway_without_services(lab: Lab) -> None:
    told = await top(lab)
    assert (told["routes"], told["instances"], told["pool"], told["requests"]["rate"]) == ([], [], None, 0)
    assert told["reasons"] == ["No service that could be asked has registered."]


async def test_a_wrong_question_is_told_so_without_waiting(lab: Lab) -> None:
    for query, detail in (
        ("?limit=0", "'0' is no limit; write a whole number from 1 to 500."),
        ("?limit=501", "'501' is no limit; write a whole number from 1 to 500."),
        ("?x=1", "There is no parameter 'x' here; write service, limit."),
    ):
        page = await lab.admin(f"/top{query}")
        assert (page.status, page.json()["detail"]) == (400, detail)
