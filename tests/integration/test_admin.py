"""What the gateway tells about itself, while it works."""

import gzip
import json
from urllib.parse import quote

import msgspec
import pytest
from lab import Lab, open_lab, until
from lab_client import request
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from frames.codec import encode_refused
from frames.frame import FrameType, RefusedReason
from frames.records import RecordRing


async def samples(lab: Lab) -> dict[tuple[str, ...], float]:
    """Every sample of /metrics by its name and its labels' values."""
    page = await lab.admin("/metrics")
    assert page.status == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }


async def test_alive_before_and_after_a_service_is_there(lab: Lab) -> None:
    assert (await lab.admin("/health")).json() == {"status": "alive"}
    await lab.raw("GET /things")
    assert (await lab.admin("/health")).json() == {"status": "alive"}


async def test_ready_when_a_service_is_there_and_not_when_none_is(lab: Lab) -> None:
    before = await lab.admin("/ready")
    assert (before.status, before.json()["reasons"]) == (503, ["No service that could be asked has registered."])
    service = await lab.raw("GET /things")
    ready = await lab.admin("/ready")
    assert (ready.status, ready.json()["reasons"]) == (200, [])
    await service.aclose()
    await until(lambda: lab.health == {})
    assert (await lab.admin("/ready")).status == 503


async def test_not_ready_while_draining(lab: Lab) -> None:
    await lab.raw("GET /things")
    await lab.gateway.drain(1)
    page = await lab.admin("/ready")
    assert (page.status, page.json()["reasons"]) == (503, ["The gateway is shutting down."])


async def test_metrics_of_routes_and_reasons(lab_without_retries: Lab) -> None:
    lab = lab_without_retries
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    for status in (200, 200, 404, 503):
        await client.send(request("GET", "/things/1"))
        await service.respond(await service.asked(), status)
        assert (await client.answer()).status == status
    await client.get("/nowhere")
    await client.send(request("GET", "/things/1"))
    asked = await service.asked()
    seen = await samples(lab)
    path, method = "/things/{id}", "GET"
    counts = {name: seen["penstock_requests_total", method, path, "raw", name] for name in ("2xx", "3xx", "4xx", "5xx")}
    assert counts == {"2xx": 2, "3xx": 0, "4xx": 1, "5xx": 1}
    for part in ("request", "service", "gateway"):
        assert seen[f"penstock_{part}_duration_seconds_count", method, path, "raw"] == 4
        assert seen[f"penstock_{part}_duration_seconds_bucket", "+Inf", method, path, "raw"] == 4
    (name,) = (labels[1] for (sample, *labels) in seen if sample == "penstock_instance_requests_in_flight")
    assert seen["penstock_instance_requests_in_flight", "raw", name] == 1
    assert seen["penstock_instance_requests_total", "raw", name, "2xx"] == 2
    assert seen["penstock_instance_requests_total", "raw", name, "5xx"] == 1
    assert seen["penstock_instance_duration_seconds_count", "raw", name] == 4
    assert seen["penstock_route_requests_in_flight", method, path, "raw"] == 1
    assert seen["penstock_refusals_total", "no_route"] == 1
    assert seen["penstock_refusals_total", "deadline"] == 0
    assert seen["penstock_service_requests_in_flight", "raw"] == 1
    await service.respond(asked)
    await client.answer()


async def test_reasons_are_told_by_route() -> None:
    rules = json.dumps([{"retries": "none"}, {"service": "raw", "path": "/limited", "rate_limits": ["1/m"]}])
    async with open_lab(rules=rules) as lab:
        offers = ("GET /things/{id}", "GET /limited")
        service, client = await lab.raw(*offers), await lab.client()
        await client.send(request("GET", "/things/1"))
        refused = encode_refused(RefusedReason.OVERLOADED)
        await service.send(FrameType.REFUSED, refused, exchange=(await service.asked()).exchange)
        assert (await client.answer()).status == 503
        await client.send(request("GET", "/limited"))
        await service.respond(await service.asked())
        assert [(await each).status for each in (client.answer(), client.get("/limited"))] == [200, 429]
        assert (await client.get("/nowhere")).status == 404
        await client.send(request("GET", "/%74hings/1"))  # the task lane carries it
        await service.asked()
        leaves = await lab.client()
        await leaves.send(request("GET", "/things/2"))
        await service.asked()
        await leaves.aclose()
        await until(lambda: lab.gateway.counts["client_gone"] == 1)
        await service.aclose()
        assert (await client.answer()).status == 502
        await lab.raw(*offers)
        seen = await samples(lab)
    told = {key[1:]: value for key, value in seen.items() if key[0] == "penstock_route_refusals_total"}
    assert told == {
        ("GET", "service_overloaded", "/things/{id}", "raw"): 1,
        ("GET", "rate_limited", "/limited", "raw"): 1,
        ("GET", "client_gone", "/things/{id}", "raw"): 1,
        ("GET", "service_lost", "/things/{id}", "raw"): 1,
    }
    assert seen["penstock_refusals_total", "no_route"] == 1
    assert seen["penstock_request_duration_seconds_count", "GET", "/limited", "raw"] == 2


async def test_without_metrics_no_times_are_taken_and_all_else_is_told() -> None:
    async with open_lab(metrics_enabled="false") as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked())
        await client.answer()
        seen = await samples(lab)
        assert lab.gateway.wire.record_sequence(RecordRing.RECENT) == 0
    assert seen["penstock_requests_total", "GET", "/things", "raw", "2xx"] == 1
    assert seen["penstock_service_duration_seconds_count", "GET", "/things", "raw"] == 1
    assert seen["penstock_edge_requests_total",] == 1
    silent = ("penstock_request_duration", "penstock_gateway_duration", "penstock_instance_duration", "penstock_loop")
    assert [key for key in seen if key[0].startswith(silent) and not key[0].startswith("penstock_loop_longest")] == []


async def test_the_page_is_valid_openmetrics_and_compressed_where_that_is_taken(lab: Lab) -> None:
    await lab.raw("GET /things", "POST /things/{id}")
    page = await lab.admin("/metrics", "Accept: application/openmetrics-text;version=1.0.0", "Accept-Encoding: gzip")
    assert page.headers[b"content-encoding"] == b"gzip"
    assert page.headers[b"content-type"].startswith(b"application/openmetrics-text")
    families = list(parse_openmetrics(gzip.decompress(page.body).decode()))  # type: ignore[no-untyped-call]
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert {"penstock_build", "penstock_requests", "penstock_loop_turn_seconds", "process_cpu_seconds"} <= set(names)


async def test_bounds_of_series_hold_after_a_reload_of_settings(lab: Lab) -> None:
    await lab.raw("GET /a", "GET /b", "GET /c")
    assert len({key[2] for key in await samples(lab) if key[0] == "penstock_requests_total"}) == 3
    config = lab.gateway.configured.config
    metrics = msgspec.structs.replace(config.metrics, routes_max=1, instances_max=0)
    await lab.gateway.change(msgspec.structs.replace(config, metrics=metrics))
    seen = await samples(lab)
    assert {key[2] for key in seen if key[0] == "penstock_requests_total"} == {"/a", "other"}
    assert {key[1:3] for key in seen if key[0] == "penstock_instance_requests_total"} == {("other", "other")}


async def test_counts_of_a_route_go_on_when_it_comes_back(lab: Lab) -> None:
    client = await lab.client()
    for round_number in (1, 2):
        service = await lab.raw("GET /things")
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked())
        await client.answer()
        assert (await samples(lab))["penstock_requests_total", "GET", "/things", "raw", "2xx"] == round_number
        await service.aclose()
        await until(lambda: lab.health == {})


async def test_counts_are_not_those_of_a_route_that_had_the_index_before() -> None:
    async with open_lab(routes_max="1") as lab:
        client = await lab.client()
        for path in ("/one", "/two"):
            service = await lab.raw(f"GET {path}")
            await client.send(request("GET", path))
            await service.respond(await service.asked())
            await client.answer()
            seen = await samples(lab)
            assert seen["penstock_requests_total", "GET", path, "raw", "2xx"] == 1
            assert seen["penstock_request_duration_seconds_count", "GET", path, "raw"] == 1
            await service.aclose()
            await until(lambda: lab.health == {})


async def test_services_and_routes(lab: Lab) -> None:
    service = await lab.raw("GET /things/{id}", "POST /things", version="1.2.3", region="eu-1")
    (told,) = (await lab.admin("/services")).json()["services"]
    assert told["peer"] == f"127.0.0.1:{service.stream.socket.getsockname()[1]}"
    assert (told["service"], told["instance"], told["version"], told["region"]) == ("raw", "raw-1", "1.2.3", "eu-1")
    assert (told["health"], told["by"], told["endpoints"]) == ("healthy", "dialled in", 2)
    page = (await lab.admin("/routes?limit=1")).json()
    assert [(each["method"], each["path"]) for each in page["routes"]] == [("POST", "/things")]
    page = (await lab.admin(f"/routes?limit=1&after={quote(page['next'])}")).json()
    assert [(each["method"], each["path"]) for each in page["routes"]] == [("GET", "/things/{id}")]
    assert page["next"] is None
    assert (await lab.admin("/services?service=other")).json() == {"services": [], "next": None}


async def test_a_token_is_asked_of_all_pages_but_those_for_watchers() -> None:
    async with open_lab(admin_token="correct-horse") as lab:  # noqa: S106
        await lab.raw("GET /things")
        for path in ("/routes", "/services", "/metrics", "/config", "/reload", "/explain", "/nowhere"):
            refused = await lab.admin(path)
            assert (refused.status, refused.json()) == (401, {"status": 401, "title": "The admin token is needed."})
            assert refused.headers[b"www-authenticate"] == b'Bearer realm="penstock-admin"'
        assert [(await lab.admin(path)).status for path in ("/health", "/ready")] == [200, 200]
        assert (await lab.admin("/routes", "Authorization: Bearer correct-horse")).status == 200
        assert (await lab.admin("/routes", "Authorization: Bearer wrong-horse")).status == 401


async def test_not_ready_before_each_required_service_is_there() -> None:
    async with open_lab(services_required="raw, stock") as lab:
        await lab.raw("GET /things")
        page = await lab.admin("/ready")
        assert (page.status, page.json()["reasons"]) == (
            503,
            ["The required service stock has no instance that could be asked."],
        )


@pytest.mark.parametrize("path", ["/services", "/routes", "/metrics", "/ready"])
async def test_every_page_while_services_come_and_go(lab: Lab, path: str) -> None:
    for number in range(3):
        service = await lab.raw(f"GET /things/{number}")
        assert (await lab.admin(path)).status == 200
        await service.send(FrameType.FAULT, bytes(4))
        await until(lambda: lab.health == {})
        assert (await lab.admin(path)).status == (503 if path == "/ready" else 200)
