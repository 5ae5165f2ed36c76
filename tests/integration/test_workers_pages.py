"""What the pages and commands of a gateway with workers say, while workers die, follow settings, and are replaced."""

import json
import os
import signal
from pathlib import Path

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from workers_lab import WorkersLab, open_workers

pytestmark = pytest.mark.slow


async def requests(lab: WorkersLab) -> float:
    """How many requests for things the services have answered, by /metrics."""
    page = await lab.admin("/metrics")
    assert page.status == 200
    return sum(
        sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
        if sample.name == "penstock_requests_total" and "/things/{number}" in sample.labels.values()
    )


async def counted(lab: WorkersLab, name: str) -> dict[str, float]:
    """The samples of a metric with one label, by that."""
    families = text_string_to_metric_families((await lab.admin("/metrics")).body.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {next(iter(sample.labels.values())): sample.value for sample in samples}


async def ask(lab: WorkersLab, times: int) -> None:
    """Each over a connection of its own, so that all workers have some of them."""
    for _ in range(times):
        assert (await lab.get("/things/1")).status == 200


async def test_no_count_is_lost_by_a_restart_an_upgrade_or_a_death(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        await ask(lab, 20)
        await lab.command("workers", "restart")
        await ask(lab, 10)
        assert await requests(lab) == 30
        await lab.command("upgrade")
        await lab.until_workers("0.3", "1.3", instances=1)
        await ask(lab, 5)
        assert await requests(lab) == 35
        assert await counted(lab, "penstock_upgrades_total") == {"done": 1, "refused": 0, "failed": 0}
        await lab.command("upgrade")
        await lab.until_workers("0.4", "1.4", instances=1)
        assert (await counted(lab, "penstock_upgrades_total"))["done"] == 2  # each by another program
        starts = {"start": 2, "crash": 0, "restart": 2, "upgrade": 4}
        assert await counted(lab, "penstock_worker_starts_total") == starts
        os.kill((await lab.workers())["0.4"]["pid"], signal.SIGKILL)
        await lab.until_workers("0.5", "1.4", instances=1)
        assert await requests(lab) == 35
        assert (await counted(lab, "penstock_worker_starts_total"))["crash"] == 1
        service.cancel()


async def test_a_worker_that_dies_while_the_file_is_wrong_comes_back_with_what_held_before(tmp_path: Path) -> None:
    settings = tmp_path / "penstock.yaml"
    settings.write_text("drain: {timeout: 7s}\nreload: {watch: 0s}\n")
    async with open_workers(tmp_path, "--config", str(settings), drain_timeout="") as lab:
        await trio.Path(settings).write_text("drain: {timeout: soon}\n")
        said = await lab.command("reload", status=1)
        assert said.startswith("penstock: error: bad_value: drain.timeout = soon")
        os.kill((await lab.workers())["0.1"]["pid"], signal.SIGKILL)
        await lab.until_workers("0.2", "1.1")
        await trio.Path(settings).write_text("drain: {timeout: 9s}\nreload: {watch: 0s}\n")
        assert "drain.timeout: 7s -> 9s" in await lab.command("reload")
        await trio.Path(settings).write_text("nonsense: [")
        os.kill((await lab.workers())["1.1"]["pid"], signal.SIGKILL)
        await lab.until_workers("0.2", "1.2")
        lab.process.send_signal(signal.SIGTERM)
        assert await lab.exit_code() == 0
        assert lab.said.count("SIGTERM: draining for up to 9 s") == 3  # the supervisor and both workers


async def test_a_drain_is_asked_for_and_waited_for(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        async with trio.open_nursery() as asking:

            async def slow() -> None:
                assert (await lab.get("/slow")).body == b"slow"

            asking.start_soon(slow)
            await trio.sleep(0.1)
            said = json.loads(await lab.command("drain", "--wait", "--output", "json"))
        assert said["status"] == "ended"
        assert await lab.exit_code() == 0
        assert "POST /drain: draining" in lab.said
        service.cancel()


async def test_commands_show_what_all_workers_know(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        await ask(lab, 12)
        (row,) = json.loads(await lab.command("services", "--output", "json"))
        assert (row["connections"], row["workers"], row["why"]) == (2, ["0.1", "1.1"], "")
        routes = json.loads(await lab.command("routes", "--output", "json"))
        assert [route["responses"]["2xx"] for route in routes if route["path"] == "/things/{number}"] == [12]
        assert "sent to things/things-1" in await lab.command("explain", "GET", "/things/1")
        assert "things-1" in await lab.command("fleet")
        lines = (await lab.command("workers")).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["0.1", "1.1", "0"]
        records = (await lab.admin("/records")).json()
        assert len(records["records"]) >= 12
        await lab.command("log-level", "penstock.tls", "debug")
        service.cancel()
