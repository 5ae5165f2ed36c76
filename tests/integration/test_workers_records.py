"""The figures of now and single requests, of a gateway with workers, some of which are replaced meanwhile."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from workers_lab import WorkersLab, open_workers

pytestmark = pytest.mark.slow


async def ask(lab: WorkersLab, numbers: range) -> list[str]:
    """Ask for things, each over a connection of its own, so that all workers have some of them. Return the paths."""
    paths = [f"/things/{number}" for number in numbers]
    for path in paths:
        assert (await lab.get(path)).status == 200
    return paths


async def records(lab: WorkersLab, query: str) -> dict[str, Any]:
    page = await lab.admin(f"/records?{query}")
    assert page.status == 200, page.body
    found: dict[str, Any] = page.json()
    return found


def targets(page: dict[str, Any]) -> list[str]:
    return [row["target"] for row in page["records"]]


async def test_who_follows_sees_each_request_once_though_workers_are_replaced(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        before = await ask(lab, range(10))
        first = await records(lab, "route=/things")
        assert targets(first) == before  # in the order in which they came
        assert {row["worker"] for row in first["records"]} <= {"0.1", "1.1"}
        assert {row["attempts"][0]["instance"] for row in first["records"]} == {"things-1"}

        await lab.command("workers", "restart")
        after = await ask(lab, range(10, 20))
        second = await records(lab, f"route=/things&after={quote(first['next'])}")
        assert targets(second) == after
        assert {row["worker"] for row in second["records"]} <= {"0.2", "1.2"}
        assert targets(await records(lab, f"route=/things&after={quote(second['next'])}")) == []
        last = second["records"][-1]
        assert targets(await records(lab, f"id={last['request_id']}")) == [last["target"]]
        service.cancel()


async def test_commands_tell_of_all_workers(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        paths = await ask(lab, range(12))
        told = json.loads(await lab.command("top", "--output", "json"))
        assert [worker["worker"] for worker in told["workers"]] == ["0.1", "1.1"]
        assert len({worker["pid"] for worker in told["workers"]}) == 2
        assert not told["gateway"].endswith(("-0.1", "-1.1"))
        (instance,) = told["instances"]
        assert (instance["instance"], instance["workers"], instance["connections"]) == ("things-1", 2, 2)
        assert told["requests"]["total"] >= 12
        lines = (await lab.command("tail", "--no-follow", "-n", "5", "--output", "json")).splitlines()
        assert [json.loads(line)["target"] for line in lines] == paths[-5:]
        identity = json.loads(lines[-1])["request_id"]
        assert (await lab.command("trace", identity)).startswith("GET /things/11 => 200")
        service.cancel()
