"""The admin state of a gateway with workers."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import trio

from penstock.settings import Loaded
from proxy.admin.figures import Figures, ReloadFigures
from proxy.admin.log_page import LogState, merge_log_states
from proxy.admin.record_page import RecordPage, RecordsWanted, merged_records
from proxy.admin.state import AdminProblem, AdminState, Rows, Selection
from proxy.admin.top_sample import TopSample, merged_samples
from proxy.config import GatewayConfig
from proxy.config.reload import Report
from proxy.control.client import WorkerGone, WorkerRefusal, WorkerSilent
from proxy.overview import logs as overview_logs
from proxy.overview.settings import shown_settings

from .asking import PAGE_S, Said, answers, ask_all, ask_one
from .ledger import Ledger
from .readiness import not_ready
from .reloading import WorkersReloading
from .roster import SERVING, LiveWorker, Roster, serving
from .rows import merge_routes, merge_services
from .slices import Sliced, joined
from .workforce import workforce_of

T = TypeVar("T")

FLEET_S: Final = 9.0
STATUS_S: Final = 2.0
FIGURES_S: Final = 5.0
"""Less than the patience of who scrapes, of which some goes to write them."""
WATCH_S: Final = 0.5
"""How often to look for new workers, so that their last figures can be asked for."""
START_S: Final = 60.0
"""How long a worker that starts may take until it answers."""
CHANGED: Final = "changed"
A_DAY_S: Final = 86_400.0

_BUSY: Final = "Another reload is under way; its report will be at GET /reload."


class Status(msgspec.Struct, frozen=True):
    """What a worker says of itself. instances: that could be asked; not_ready: why it is not, one sentence each."""

    instances: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()


class Merged:
    """What the supervisor's admin pages tell. `run` has to run for files to be watched and for farewells."""

    def __init__(
        self,
        roster: Roster,
        loaded: Loaded[GatewayConfig],
        load: Callable[[], Loaded[GatewayConfig]],
        path: Path | None,
        *,
        left_behind: bytes = b"",
        on_applied: Callable[[], None] = lambda: None,
    ) -> None:
        """Look at these workers. left_behind: `memory` of the program before this one, at an upgrade.

        on_applied: called when settings that were read again hold.
        """
        self._roster = roster
        self._reloading = WorkersReloading(roster, loaded, load, path, on_applied)
        self._ledger = Ledger(left_behind)
        self._met: set[str] = set()

    @property
    def config(self) -> GatewayConfig:
        """The settings that are in effect."""
        return self._reloading.reloader.config

    def memory(self) -> bytes:
        """Return what another program has to know to go on: what workers that have gone had counted."""
        self._ledger.settle({each.id for each in self._roster.workers})
        return self._ledger.pack()

    async def run(self) -> None:
        """Watch the files of settings, and keep what workers counted that go, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reloading.reloader.watch)
            while True:
                for worker in self._roster.workers:
                    if worker.id not in self._met:
                        self._met.add(worker.id)
                        nursery.start_soon(self._farewell, worker)
                        nursery.start_soon(self._tell_levels, worker)
                await trio.sleep(WATCH_S)

    async def _tell_levels(self, worker: LiveWorker) -> None:
        """Have a worker log as those do that were there when levels of loggers were changed."""
        for level in (await overview_logs.log_levels()).levels:
            if level.source == CHANGED:
                args = [level.logger, level.level, level.seconds_left]
                with suppress(WorkerGone, WorkerRefusal):
                    await worker.link.ask("state", {"method": "change_log_level", "args": args}, timeout_s=START_S)

    async def _farewell(self, worker: LiveWorker) -> None:
        """Note what a worker has counted to its end. It is asked while it lives: once it drains, it may be too late."""
        told: Sliced | None = None
        try:
            while told is None:
                with suppress(WorkerSilent):
                    told = await worker.link.ask("farewell", timeout_s=A_DAY_S, into=Sliced, is_background=True)
        except (WorkerGone, WorkerRefusal):
            return  # what it has told before stands; it is not asked again
        self._ledger.note(worker.id, joined(told))

    async def reload(self, cause: str) -> Report:
        """Have all workers read the settings again. Waits for a reload that has begun."""
        return await self._reloading.reload(cause)

    def admin_state(self) -> AdminState:
        """Return what the admin pages ask."""
        return AdminState(
            token=lambda: self.config.admin.token.reveal(),
            ready=self.not_ready,
            figures=self.figures,
            services=self.services,
            routes=self.routes,
            top=self.top,
            records=self.records,
            fleet=self.fleet,
            config=self.config_page,
            openapi=self.openapi,
            explain=self.explain,
            reloaded=self.reloaded,
            reload=self.reload_page,
            workers=self.workers,
            drain=self.drain,
            log_levels=self.log_levels,
            change_log_level=self.change_log_level,
        )

    # ---- whom to ask ----

    async def _all(self, name: str, *args: Any, into: type[T] | None = None, timeout_s: float = PAGE_S) -> dict[str, T]:
        """Return what each worker says that clients reach, by its id; where none is reached, all there are."""
        workers = serving(self._roster) or list(self._roster.workers)
        body = {"method": name, "args": args}
        return dict(answers(await ask_all(workers, "state", body, timeout_s=timeout_s, into=into)))

    async def _one(self, name: str, *args: Any, timeout_s: float = PAGE_S) -> Any:
        """Return what one of the workers says."""
        workers = serving(self._roster) or list(self._roster.workers)
        return (await ask_one(workers, "state", {"method": name, "args": args}, timeout_s=timeout_s))[1]

    # ---- pages ----

    async def not_ready(self) -> list[str]:
        """Return why the gateway is not ready, one sentence each; empty when it is."""
        said = await ask_all(serving(self._roster), "status", timeout_s=STATUS_S, into=Status)
        return not_ready({each.worker.id: _reasons(each) for each in said}, is_draining=self._roster.is_draining)

    async def figures(self) -> Figures:
        """Return the numbers of now, of all workers, and of those that have gone what they had counted."""
        # Those that serve come first: what there is one of, as the version, is theirs, and not of those that go.
        workers = sorted(self._roster.workers, key=lambda each: each.state != SERVING)
        reasons: list[str] = []

        async def find_out() -> None:
            reasons.extend(await self.not_ready())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(find_out)
            said = await ask_all(workers, "state", {"method": "figures"}, timeout_s=FIGURES_S, into=Sliced)
        self._ledger.settle({each.id for each in self._roster.workers})
        now = {each.worker.id: joined(each.value) for each in said if each.value is not None}
        merged = self._ledger.merged(now)
        if merged is None:
            answers(said)
            raise AdminProblem(503, "No worker has told any figures yet.")
        reloader = self._reloading.reloader
        reloads = ReloadFigures(reloader.applied, reloader.refused, reloader.applied_at, reloader.revision)
        workforce = workforce_of(self._roster, now)
        return replace(merged, ready=not reasons, reloads=reloads, workforce=workforce)

    async def services(self, selection: Selection) -> Rows:
        """Return the instances that are connected to any worker."""
        return merge_services(await self._all("services", selection, into=Rows), selection.limit)

    async def routes(self, selection: Selection) -> Rows:
        """Return the routes of all workers."""
        return merge_routes(await self._all("routes", selection, into=Rows), selection.limit)

    async def top(self) -> TopSample:
        """Return the counters that the figures of now are computed from, worker by worker."""
        return merged_samples((await self._all("top", into=TopSample)).values())

    async def records(self, wanted: RecordsWanted) -> RecordPage:
        """Return requests that have ended, of all workers."""
        return merged_records((await self._all("records", wanted, into=RecordPage)).values(), wanted.after)

    async def fleet(self, service: str) -> bytes:
        """Return how every instance is, as one worker was told."""
        return bytes(await self._one("fleet", service, timeout_s=FLEET_S))

    async def openapi(self, service: str, version: str) -> bytes:
        """Return the description of what can be asked through the gateway."""
        return bytes(await self._one("openapi", service, version))

    async def explain(self, query: Mapping[str, Sequence[str]]) -> Any:
        """Return what would become of a request, in one of the workers."""
        return await self._one("explain", query)

    async def config_page(self) -> Any:
        """Return every setting with its origin; secrets are stars."""
        return await trio.to_thread.run_sync(shown_settings, self._reloading.reloader.loaded)

    async def reloaded(self) -> Any:
        """Return the state of reloading."""
        return self._reloading.reloader.status

    async def reload_page(self) -> tuple[bool, Any]:
        """Have all workers read the settings again. `AdminProblem` when that is being done already."""
        if self._reloading.reloader.is_busy:
            raise AdminProblem(409, _BUSY, applied=False, problems=[_BUSY])
        report = await self.reload("POST /reload")
        return report.applied, report

    async def workers(self) -> Any:
        """Return the workers, and how each of them is."""
        said = await ask_all(self._roster.workers, "status", timeout_s=STATUS_S, into=Status)
        rows = [_worker_row(each, time.time()) for each in sorted(said, key=lambda each: each.worker.slot)]
        return {"workers": rows, "restarts": self._roster.restarts, "draining": self._roster.is_draining}

    async def log_levels(self) -> LogState:
        """Return which lines are logged by the workers, and by the supervisor."""
        own = await overview_logs.log_levels()
        return merge_log_states([*(await self._all("log_levels", into=LogState)).values(), own])

    async def change_log_level(self, logger: str, level: str, for_s: float | None) -> None:
        """Change which lines are logged by all workers, and by the supervisor."""
        body = {"method": "change_log_level", "args": [logger, level, for_s]}
        answers(await ask_all(self._roster.workers, "state", body))
        await overview_logs.change_log_level(logger, level, for_s)

    async def drain(self) -> None:
        """Begin to drain, and to end. Asked for twice, it is one drain: only a second signal ends at once."""
        if not self._roster.is_draining:
            self._roster.start_drain("POST /drain")


def _reasons(said: Said[Status]) -> list[str]:
    return list(said.value.not_ready) if said.value is not None else [f"It does not answer: {said.why}."]


def _worker_row(said: Said[Status], now: float) -> dict[str, Any]:
    """Return a worker, as operators look at it."""
    worker, status = said.worker, said.value or Status()
    return {
        "worker": worker.id,
        "slot": worker.slot,
        "pid": worker.pid,
        "state": worker.state,
        "services_port": worker.services_port,
        "uptime_s": round(max(0.0, now - worker.started_at), 1),
        "instances": list(status.instances),
        "not_ready": _reasons(said) if worker.state == SERVING else [],
        "answers": said.value is not None,
    }
