"""The admin state of several workers, over real links: all, one of them, and those that do not answer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from admin_support import STATE, state_with
from merged_support import FakeRoster, roster_of, says, state_of, status

from penstock.telemetry.levels import process_levels
from proxy.admin.figures import Figures, RouteFigures
from proxy.admin.pages import Pages
from proxy.admin.state import AdminProblem, Rows, Selection
from proxy.config import load_gateway
from proxy.config.loader import Loader
from proxy.control.server import CommandRefused, Commands
from proxy.merged import merged_state
from proxy.merged.ledger import Ledger
from proxy.merged.slices import sliced
from proxy.merged.state import Merged

READY = status()
PLACES = {f"PENSTOCK_{name}_LISTEN": "127.0.0.1:0" for name in ("EDGE", "SERVICES", "ADMIN")}


def figures(requests: int) -> Figures:
    routes = [RouteFigures("GET", "/a", (0, 0, requests, 0, 0, 0))]
    return Figures("1.2.3", True, routes, {}, {"requests": requests}, [])


def worker(requests: int = 0, **answers: Any) -> Commands:
    async def told(body: Any) -> Any:
        if body["method"] == "figures":
            return await sliced(figures(requests))
        return await state_of(STATE)(body)

    return says(**{"status": READY, "state": told, "reload": {"applied": True}, "certificates": None, **answers})


@asynccontextmanager
async def merged_of(
    workers: Mapping[str, Commands], path: Path | None = None, **variables: str
) -> AsyncIterator[tuple[Merged, FakeRoster]]:
    def load() -> Any:
        return load_gateway({**PLACES, **variables}, path=path)

    async with roster_of(workers) as roster:
        yield merged_state(roster, load(), load, path), roster


async def page(merged: Merged, target: str, method: str = "GET") -> tuple[int, Any]:
    shown = await Pages(merged.admin_state()).page(method, target)
    return shown.status, msgspec.json.decode(shown.body) if shown.content_type == "application/json" else shown.body


async def test_ready_is_asked_of_those_that_clients_reach() -> None:
    workers = {"0.1": worker(), "1.1": worker(status=status("No service.")), "2.1": worker(status=status("Not I."))}
    async with merged_of(workers) as (merged, roster):
        roster.workers[2].state = "holding"
        assert await page(merged, "/ready") == (503, {"status": "not ready", "reasons": ["Worker 1.1: No service."]})
        roster.workers[1].state = "draining"
        assert await page(merged, "/ready") == (200, {"status": "ready", "reasons": []})


async def test_a_worker_that_has_died_or_hangs_is_a_reason_and_fails_no_page(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def hang(_: Any) -> None:
        await trio.sleep_forever()

    async with merged_of({"0.1": worker(), "1.1": worker(status=hang, state=hang)}) as (merged, roster):
        why = "It does not answer: it has not answered status within 2 s."
        assert (await page(merged, "/ready"))[1]["reasons"] == [f"Worker 1.1: {why}"]
        roster.workers[0].kill()
        await roster.workers[0].link.wait_gone()
        roster.workers[0].link._why = "it has closed its connection"  # or its socket was reset, as it happens
        answered, body = await page(merged, "/services")
        assert answered == 503
        assert body["detail"] == (
            "No worker answers: worker 0.1: it has closed its connection; "
            "worker 1.1: it has not answered state within 8 s."
        )


async def test_figures_are_those_of_all_and_of_those_that_have_gone() -> None:
    async with merged_of({"0.1": worker(3), "1.1": worker(4)}) as (merged, roster):
        told = await merged.figures()
        assert (told.wire["requests"], list(told.routes[0].statuses)) == (7, [0, 0, 7, 0, 0, 0])
        workforce = told.workforce
        assert [(each.slot, each.state) for each in workforce.workers] == [("0", "serving"), ("1", "serving")]
        assert (workforce.wanted, workforce.silent) == (2, 0)
        assert (workforce.starts, workforce.upgrades) == ({"start": 2, "crash": 1}, {"done": 1})
        roster.workers[0].kill()
        assert (await merged.figures()).workforce.silent == 1
        roster.workers.pop(0)
        told = await merged.figures()
        assert (told.wire["requests"], told.ready, told.reloads.revision) == (7, True, 1)
        assert b"penstock_" in (await page(merged, "/metrics"))[1]


async def test_a_farewell_is_asked_of_who_drains_and_counts(autojump_clock: trio.testing.MockClock) -> None:
    drained = trio.Event()

    async def farewell(_: Any) -> Any:
        await drained.wait()
        return await sliced(figures(50))

    async with merged_of({"0.1": worker(3, farewell=farewell), "1.1": worker(4)}) as (merged, roster):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(merged.run)
            assert (await merged.figures()).wire["requests"] == 7
            roster.workers[0].state = "draining"
            await trio.sleep(1)
            assert roster.workers[0].link.is_idle  # nobody who wants to go on waits for it
            drained.set()
            await trio.sleep(1)
            roster.workers.pop(0).kill()
            assert (await merged.figures()).wire["requests"] == 54
            nursery.cancel_scope.cancel()
        after = Ledger(merged.memory()).merged({})
        assert after is not None
        assert after.wire["requests"] == 50


async def test_lists_are_merged_and_asked_with_what_was_wanted() -> None:
    wanted: list[Any] = []

    async def services(selection: Any) -> Rows:
        wanted.append(Selection(*selection))
        return Rows([])

    state = state_of(state_with(services=services))
    async with merged_of({"0.1": worker(state=state), "1.1": worker(state=state)}) as (merged, _):
        assert await page(merged, "/services?service=billing&limit=7&after=x") == (200, {"services": [], "next": None})
        assert wanted == [Selection("billing", "", 7, "x")] * 2


async def test_what_one_worker_can_say_is_asked_of_the_next_where_it_has_gone() -> None:
    async with merged_of({"0.1": worker(), "1.1": worker()}) as (merged, roster):
        roster.workers[0].kill()
        assert await page(merged, "/explain?target=/a") == (200, {"target": ["/a"]})
        assert await page(merged, "/openapi.json?service=billing") == (200, ["billing", ""])
        assert await page(merged, "/fleet?service=billing") == (200, {"of": "billing"})


async def test_a_worker_that_hangs_does_not_take_all_the_time_there_is(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(_: Any) -> None:
        await trio.sleep_forever()

    workers = {"0.1": worker(status=hang, state=hang), "1.1": worker(5)}
    async with merged_of(workers) as (merged, _):
        began = trio.current_time()
        assert (await page(merged, "/explain?target=/a"))[0] == 200
        assert (await page(merged, "/fleet"))[0] == 200
        assert trio.current_time() - began < 11
        began = trio.current_time()
        figures = await merged.figures()
        assert (figures.wire["requests"], figures.ready, figures.workforce.silent) == (5, False, 1)
        assert trio.current_time() - began < 6


async def test_what_a_worker_refuses_to_say_is_told_as_it_says_it() -> None:
    async def state(_: Any) -> Any:
        raise AdminProblem(400, "'x' is no method.", known=["GET"])

    async with merged_of({"0.1": worker(state=state), "1.1": worker()}) as (merged, _):
        answered, body = await page(merged, "/explain?method=x")
        assert (answered, body["detail"], body["known"]) == (400, "'x' is no method.", ["GET"])


async def test_settings_are_told_without_asking_a_worker() -> None:
    async with merged_of({}, PENSTOCK_DRAIN_TIMEOUT="7s") as (merged, _):
        _, told = await page(merged, "/config")
        assert [row["value"] for row in told["settings"] if row["name"] == "drain.timeout"] == ["7s"]


async def test_workers_are_told_with_how_they_are() -> None:
    workers = {"0.1": worker(status=status(instances=["billing/a"])), "1.3": worker(status=status("No service."))}
    async with merged_of(workers) as (merged, roster):
        roster.restarts = 2
        answered, told = await page(merged, "/workers")
        assert (answered, told["restarts"], told["draining"]) == (200, 2, False)
        first, second = told["workers"]
        assert first.pop("uptime_s") > 0
        assert first == {
            "worker": "0.1",
            "slot": 0,
            "pid": 1000,
            "state": "serving",
            "services_port": 7105,
            "instances": ["billing/a"],
            "not_ready": [],
            "answers": True,
        }
        assert (second["worker"], second["not_ready"]) == ("1.3", ["No service."])


async def test_a_drain_is_begun_by_the_roster() -> None:
    async with merged_of({"0.1": worker()}) as (merged, roster):
        assert await page(merged, "/drain", "POST") == (200, {"status": "draining"})
        assert roster.told == ["POST /drain"]
        roster.is_draining = True
        assert (await page(merged, "/drain", "POST"))[0] == 200
        assert roster.told == ["POST /drain"]  # a second one would end at once
        assert (await page(merged, "/drain"))[0] == 405


# ---- reloading ----


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "penstock.toml"
    path.write_text('[drain]\ntimeout = "7s"\n')
    return path


async def test_a_reload_reaches_all_workers_one_of_them_first(settings: Path) -> None:
    order: list[str] = []

    def reload(name: str) -> Any:
        async def take(_: Any) -> Any:
            order.append(f"{name} begins")
            await trio.lowlevel.checkpoint()
            order.append(f"{name} ends")
            return {"applied": True, "revision": 2}

        return take

    workers = {name: worker(reload=reload(name)) for name in ("0.1", "1.1", "2.1")}
    async with merged_of(workers, settings) as (merged, _):
        await trio.Path(settings).write_text('[drain]\ntimeout = "9s"\n')
        answered, report = await page(merged, "/reload", "POST")
        assert (answered, report["applied"], report["revision"]) == (200, True, 2)
        assert [change["name"] for change in report["changes"]] == ["drain.timeout"]
        assert order[:2] == ["0.1 begins", "0.1 ends"]
        assert sorted(order[2:]) == ["1.1 begins", "1.1 ends", "2.1 begins", "2.1 ends"]
        assert merged.config.drain.timeout_ms == 9000
        assert (await page(merged, "/reload"))[1]["last"]["applied"]


async def test_workers_get_the_text_that_was_checked(settings: Path) -> None:
    told: list[Any] = []
    applied: list[bytes | None] = []

    def take(body: Any) -> Any:
        told.append(body.get("text"))
        return {"applied": len(told) < 4, "problems": ["no"]}

    load = Loader(partial(load_gateway, PLACES, path=settings), settings)
    before = load()
    async with roster_of({"0.1": worker(reload=take), "1.1": worker(reload=take)}) as roster:
        merged = merged_state(roster, before, load, settings, on_applied=lambda: applied.append(load.text))
        text = b'[drain]\ntimeout = "9s"\n'
        await trio.Path(settings).write_bytes(text)
        assert (await merged.reload("POST /reload")).applied
        assert (told, applied) == ([text, text], [text])
        await trio.Path(settings).write_bytes(b"[drain]\ntimeout = 9\n")
        assert not (await merged.reload("POST /reload")).applied  # nobody is asked
        await trio.Path(settings).write_bytes(b'[drain]\ntimeout = "8s"\n')
        assert not (await merged.reload("POST /reload")).applied  # the second worker refuses
        assert (len(told), applied) == (4, [text])


async def test_settings_that_are_wrong_reach_no_worker(settings: Path) -> None:
    async def never(_: Any) -> Any:
        raise AssertionError

    async with merged_of({"0.1": worker(reload=never)}, settings) as (merged, _):
        await trio.Path(settings).write_text('[drain]\ntimeout = "soon"\n')
        answered, report = await page(merged, "/reload", "POST")
        assert (answered, report["applied"]) == (409, False)
        assert "drain.timeout" in report["problems"][0]
        assert merged.config.drain.timeout_ms == 7000


async def test_what_the_first_worker_refuses_is_asked_of_no_other(settings: Path) -> None:
    async def never(_: Any) -> Any:
        raise AssertionError

    refusal = {"applied": False, "problems": ["route_contested: two services"]}
    async with merged_of({"0.1": worker(reload=refusal), "1.1": worker(reload=never)}, settings) as (merged, _):
        report = await merged.reload("POST /reload")
        assert report.applied is False
        assert report.problems == (
            "worker_refused: the settings (worker 0.1): route_contested: two services; correct them, and reload again",
        )


async def test_keys_that_several_workers_would_each_know_a_part_of_are_refused(settings: Path) -> None:
    async def never(_: Any) -> Any:
        raise AssertionError

    rules = '[[rules]]\nname = "pay"\npath = "/payments"\nidempotency = {}\n'
    async with merged_of({"0.1": worker(reload=never), "1.1": worker(reload=never)}, settings) as (merged, roster):
        await trio.Path(settings).write_text(rules)
        report = await merged.reload("POST /reload")
        assert not report.applied
        assert report.problems[0].startswith("conflict: rules (workers): a rule keeps answers to Idempotency-Keys")
        roster.wanted = 1
        roster.workers.clear()
        assert (await merged.reload("POST /reload")).applied


async def test_the_report_names_those_that_refuse_and_those_that_follow(settings: Path) -> None:
    refusal = {"applied": False, "problems": ["memory"]}

    async def broken(_: Any) -> Any:
        raise CommandRefused(500, "reload has failed; the log of the worker says why.")

    workers = {"0.1": worker(), "1.1": worker(reload=refusal), "2.1": worker(reload=broken)}
    async with merged_of(workers, settings) as (merged, _):
        report = await merged.reload("POST /reload")
        assert report.applied is False
        assert [problem.partition(": the settings ")[2].partition(" (workers")[0] for problem in report.problems] == [
            "(worker 1.1): memory",
            "(worker 2.1): reload has failed; the log of the worker says why.",
        ]
        assert all("(workers that follow the new settings now: 0.1)" in problem for problem in report.problems)


async def test_a_worker_that_ends_meanwhile_refuses_nothing_since_its_successor_reads_anew(settings: Path) -> None:
    async with merged_of({"0.1": worker(), "1.1": worker()}, settings) as (merged, roster):
        roster.workers[1].kill()
        await roster.workers[1].link.wait_gone()
        assert (await merged.reload("POST /reload")).applied


async def test_who_drains_is_not_asked_to_follow_and_who_starts_is(settings: Path) -> None:
    asked: list[str] = []

    def note(name: str) -> Any:
        def take(_: Any) -> Any:
            asked.append(name)
            return {"applied": True}

        return take

    workers = {name: worker(reload=note(name)) for name in ("0.1", "0.2", "1.1")}
    async with merged_of(workers, settings) as (merged, roster):
        roster.workers[0].state, roster.workers[1].state = "draining", "holding"
        await merged.reload("SIGHUP")
        assert asked == ["1.1", "0.2"]


async def test_sighup_reads_certificates_in_all_workers_too(settings: Path) -> None:
    read: list[int] = []
    workers = {name: worker(certificates=lambda _: read.append(1)) for name in ("0.1", "1.1")}
    async with merged_of(workers, settings) as (merged, _):
        await merged.reload("POST /reload")
        assert read == []
        await merged.reload("SIGHUP")
        assert read == [1, 1]


async def test_levels_of_loggers_are_changed_in_all_workers() -> None:
    changed: list[Any] = []

    async def change(*args: Any) -> None:
        changed.append(args)

    state = state_of(state_with(change_log_level=change))
    workers = {"0.1": worker(state=state), "1.1": worker(state=state)}
    async with merged_of(workers) as (merged, roster):
        roster.workers[1].state = "draining"
        assert (await page(merged, "/log-level?logger=penstock.tls&level=default", "PUT"))[0] == 200
        assert changed == [("penstock.tls", "default", None)] * 2


async def test_a_worker_that_comes_later_logs_as_the_others_do(autojump_clock: trio.testing.MockClock) -> None:
    changed: list[Any] = []

    async def change(*args: Any) -> None:
        changed.append(args)

    state = state_of(state_with(change_log_level=change))
    async with merged_of({"0.1": worker(state=state), "1.1": worker(state=state)}) as (merged, roster):
        later = roster.workers.pop()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(merged.run)
            await merged.change_log_level("penstock.tls", "debug", 3600.0)
            try:
                assert changed == [("penstock.tls", "debug", 3600.0)]
                roster.workers.append(later)
                await trio.sleep(1)
                assert [(logger, level) for logger, level, _ in changed] == [("penstock.tls", "debug")] * 2
                assert 3590 < changed[1][2] <= 3600
            finally:
                process_levels.undo("penstock.tls")
            nursery.cancel_scope.cancel()
