"""Two real gateways, asked as two workers are: every page says what both of them know."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
import trio
from lab import Lab, environment, open_lab
from lab_client import request
from merged_support import FakeRoster, roster_of, says
from prometheus_client.parser import text_string_to_metric_families

from penstock.settings import Loaded
from proxy.admin.pages import Pages
from proxy.config import GatewayConfig, load_gateway
from proxy.control.client import WorkerRefusal
from proxy.control.server import Commands
from proxy.merged import merged_state
from proxy.merged.commands import more_commands
from proxy.merged.state import Merged
from proxy.process.running import Reloading, Sources


class Pair(NamedTuple):
    labs: tuple[Lab, Lab]
    merged: Merged
    roster: FakeRoster
    settings: dict[str, str]

    async def page(self, target: str, method: str = "GET", status: int = 200) -> Any:
        page = await Pages(self.merged.admin_state()).page(method, target)
        assert page.status == status, page.body
        return msgspec.json.decode(page.body) if page.content_type == "application/json" else page.body.decode()


@asynccontextmanager
async def pair(**settings: str) -> AsyncIterator[Pair]:
    """Two gateways and what asks them. settings: as of a lab; those of the pair can be changed, to be read again."""
    given = dict(settings)

    def load() -> Loaded[GatewayConfig]:
        return load_gateway(environment(**given))

    def commands(lab: Lab) -> Commands:
        async def status(_: Any) -> Any:
            names = [instance.name for instance in lab.gateway.registry.instances]
            return {"instances": names, "not_ready": lab.gateway.overview.not_ready()}

        more = more_commands(lab.gateway, Reloading(Sources(load(), load), lab.gateway))
        return {**more, **says(status=status)}

    async with (
        open_lab(**settings) as one,
        open_lab(**settings) as other,
        roster_of({"0.1": commands(one), "1.1": commands(other)}) as roster,
    ):
        yield Pair((one, other), merged_state(roster, load(), load, None), roster, given)


async def ask(lab: Lab, service: Any, times: int) -> None:
    client = await lab.client()
    for _ in range(times):
        await client.send(request("GET", "/things/1"))
        await service.respond(await service.asked(), 200)
        assert (await client.answer()).status == 200


async def test_lists_have_each_thing_once() -> None:
    async with pair() as both:
        one, other = both.labs
        first, second = await one.raw("GET /things/{id}"), await other.raw("GET /things/{id}")
        await one.raw("GET /only", service="only", instance="only-1")
        await ask(one, first, 2)
        await ask(other, second, 3)
        services = (await both.page("/services"))["services"]
        assert [(row["service"], row["workers"], row["connections"], row["why"]) for row in services] == [
            ("only", ["0.1"], 1, "it is not connected to worker 1.1"),
            ("raw", ["0.1", "1.1"], 2, ""),
        ]
        routes = (await both.page("/routes"))["routes"]
        assert [(row["path"], row["responses"]["2xx"]) for row in routes] == [("/only", 0), ("/things/{id}", 5)]
        page = await both.page("/services?limit=1")
        assert page["next"] == "only/only-1"
        (row,) = (await both.page(f"/services?limit=1&after={page['next']}"))["services"]
        assert row["service"] == "raw"


async def test_metrics_are_those_of_both_and_stay_when_one_goes() -> None:
    async def requests(both: Pair) -> float:
        samples = [
            sample
            for family in text_string_to_metric_families(await both.page("/metrics"))
            for sample in family.samples
            if sample.name == "penstock_requests_total" and "/things/{id}" in sample.labels.values()
        ]
        return sum(sample.value for sample in samples)

    async with pair() as both:
        one, other = both.labs
        first, second = await one.raw("GET /things/{id}"), await other.raw("GET /things/{id}")
        await ask(one, first, 2)
        await ask(other, second, 3)
        assert await requests(both) == 5
        both.roster.workers.pop(0).kill()
        assert await requests(both) == 5


async def test_what_a_worker_counted_while_it_drained_is_told_in_its_farewell() -> None:
    async with pair() as both, trio.open_nursery() as nursery:
        one, other = both.labs
        service, client = await one.raw("GET /things/{id}"), await one.client()
        await other.raw("GET /things/{id}")
        nursery.start_soon(both.merged.run)
        both.roster.workers[0].state = "draining"
        await client.send(request("GET", "/things/1"))
        asked = await service.asked()
        await trio.sleep(0.5)  # the farewell is asked for within a fifth of a second
        async with trio.open_nursery() as draining:
            draining.start_soon(one.gateway.drain, 30.0)
            await service.respond(asked, 200)
        both.roster.workers.pop(0).kill()
        figures = await both.merged.figures()
        assert [sum(route.statuses) for route in figures.routes if route.path == "/things/{id}"] == [1]
        nursery.cancel_scope.cancel()


async def test_ready_workers_top_and_others_are_shown() -> None:
    async with pair() as both:
        one, other = both.labs
        await one.raw("GET /things/{id}")
        why = "Worker 1.1: No service that could be asked has registered."
        assert (await both.page("/ready", status=503))["reasons"] == [why]
        await other.raw("GET /things/{id}")
        assert (await both.page("/ready"))["status"] == "ready"
        workers = (await both.page("/workers"))["workers"]
        assert [(row["worker"], row["instances"]) for row in workers] == [
            ("0.1", ["raw/raw-1"]),
            ("1.1", ["raw/raw-1"]),
        ]
        sample = await both.merged.top()
        assert len(sample.workers) == 2
        explained = await both.page("/explain?target=/things/7")
        assert "GET /things/{id}" in str(explained)
        assert [row["instance"] for row in (await both.page("/fleet"))["instances"]] == ["raw-1"]
        assert (await both.page("/log-level"))["loggers"]
        assert (await both.page("/explain?nonsense=1", status=400))["detail"].startswith("There is no parameter")


async def test_a_reload_reaches_both_or_is_refused_before_either() -> None:
    async with pair(edge_deadline="5s") as both:
        both.settings["edge_deadline"] = "6s"
        assert (await both.page("/reload", "POST"))["applied"] is True
        assert [lab.gateway.configured.config.edge.deadline_ms for lab in both.labs] == [6000, 6000]
        both.settings["edge_deadline"] = "soon"
        assert "edge.deadline" in (await both.page("/reload", "POST", status=409))["problems"][0]
        assert [lab.gateway.configured.config.edge.deadline_ms for lab in both.labs] == [6000, 6000]


async def test_what_only_one_worker_refuses_is_said_with_who_it_is() -> None:
    """Two services claim one path at one gateway, and hosts tell them apart until they do not."""
    hosts = "{a.test: [raw], b.test: [other]}"
    async with pair(routes_hosts=hosts) as both:
        _, other = both.labs
        await other.raw("GET /things")
        await other.raw("GET /things", service="other", instance="other-1")
        both.settings["routes_hosts"] = "{}"
        report = await both.page("/reload", "POST", status=409)
        assert report["applied"] is False
        (problem,) = report["problems"]
        assert problem.startswith("worker_refused: the settings (worker 1.1): route_contested: routes.hosts")
        assert "workers that follow the new settings now: 0.1" in problem


async def test_a_worker_is_not_asked_for_what_is_the_supervisors() -> None:
    async with pair() as both:
        link = both.roster.workers[0].link
        for method in ("token", "reload", "drain", "__class__", "nonsense"):
            with pytest.raises(WorkerRefusal, match=f"^A worker is not asked for '{method}'.$"):
                await link.ask("state", {"method": method, "args": []})
