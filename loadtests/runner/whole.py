"""A whole run: from the start of the stand to the exit code. Whatever happens, nothing is left running."""

import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from loadtests.nemesis.schedule import NOTHING, Planned, Schedule, ScheduleError, possible, read_schedule
from loadtests.order import Order
from loadtests.record import Facts, Phase, Record
from loadtests.runner.colour import coloured
from loadtests.runner.conduct import Conduct
from loadtests.runner.finish import finish
from loadtests.runner.generator import Generator
from loadtests.runner.live import Live
from loadtests.runner.plan import NONE, REPORTS, SCHEDULES, SHAPES, THRESHOLDS, Plan, PlanError, find
from loadtests.runner.site import Elsewhere
from loadtests.shape import Shape, ShapeError
from loadtests.shape import read as read_shape
from loadtests.stand.child import Keeper
from loadtests.stand.layout import make_layout
from loadtests.stand.stand import Stand, StandError
from loadtests.tools import shown_duration
from proxy import __version__
from proxy.overview.revision import revision

ROOM_BYTES: Final = 1 << 20
"""What the record of a short run takes."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wanted(msgspec.Struct, kw_only=True):
    """A plan, and what the command line has made of it."""

    plan: Plan
    out: Path
    elsewhere: Elsewhere | None = None
    """A gateway that runs already; None: a stand of our own."""
    token: str = ""
    """Sent with each request."""
    gateway_command: list[str] | None = None
    generator_command: list[str] | None = None


class Files(msgspec.Struct):
    """What a plan names, read and checked before anything is started."""

    shape: Shape
    shape_file: Path
    phases: list[Phase]
    schedule: Schedule
    thresholds: Path | None
    baseline: Path | None


def read_files(plan: Plan) -> Files:
    """Return what the plan names. Raises `PlanError`."""
    shape_file = find(plan.shape, SHAPES)
    try:
        shape = read_shape(shape_file)
        phases = shape.phases(plan.duration_s)
        schedule = NOTHING if plan.nemesis == NONE else read_schedule(find(plan.nemesis, SCHEDULES))
    except (ShapeError, ScheduleError) as error:
        raise PlanError(str(error)) from error
    thresholds = None if plan.thresholds == NONE else find(plan.thresholds, THRESHOLDS)
    baseline = find(plan.baseline, REPORTS, ".json") if plan.baseline else None
    return Files(shape, shape_file, phases, schedule, thresholds, baseline)


def check_room(folder: Path) -> None:
    """See that a folder can be written, which else is known when the run is over. Raises `PlanError`."""
    probe = folder / f".room-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b" " * ROOM_BYTES)
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        raise PlanError(f"{folder} cannot be written: {error.strerror}; make room, or name another by --out") from None


async def run(wanted: Wanted) -> int:
    """Run, and return the exit code. Raises `PlanError` before anything was started."""
    files = read_files(wanted.plan)
    check_room(wanted.out)
    record = Record(facts=_facts(wanted, files))
    keeper = Keeper()
    with tempfile.TemporaryDirectory(prefix="penstock-load-") as folder:
        keeper.takes(Path(folder))
        try:
            await _run(wanted, files, record, keeper, Path(folder))
        finally:
            keeper.forgets(Path(folder))
            keeper.close()
        record.why = record.why.replace(folder, str(wanted.out / "logs"))
        code = finish(record, wanted.out, files.thresholds, files.baseline, _tell)
        _keep_logs(Path(folder), wanted.out / "logs")
    return code


async def _run(wanted: Wanted, files: Files, record: Record, keeper: Keeper, folder: Path) -> None:
    plan = wanted.plan
    site: Stand | Elsewhere = wanted.elsewhere or Stand(
        make_layout(
            folder,
            workers=plan.workers,
            services=dict(plan.services),
            with_tls=plan.tls,
            gateway_command=wanted.gateway_command,
            settings=plan.settings,
        ),
        keeper,
    )
    interrupts = Interrupts(record, site)
    try:
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(interrupts.follow, signals, nursery.cancel_scope)
                await _load(wanted, files, record, keeper, folder, site, interrupts)
                nursery.cancel_scope.cancel()
    finally:
        _with_signals_ignored(site)


def _with_signals_ignored(site: Stand | Elsewhere) -> None:
    """End the site: who presses Ctrl-C again wants that, too."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        site.end()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupts:
    """What signals do: the first has the run end with what there is, the second at once."""

    def __init__(self, record: Record, site: Stand | Elsewhere) -> None:
        """Nothing is under way yet."""
        self._record = record
        self._site = site
        self.conduct: Conduct | None = None
        self.live: Live | None = None

    async def follow(self, signals: AsyncIterator[int], run: trio.CancelScope) -> None:
        """Take signals until cancelled. run: is cancelled by the second."""
        async for number in signals:
            name = signal.Signals(number).name
            if self.live is not None:
                self.live.close()
            if self._record.ended == "interrupted":
                run.cancel()
                return
            _tell(f"{name}: ending with what there is (again: at once)")
            if self.conduct is not None:
                self.conduct.stop("interrupted", f"{name} came")
            else:
                self._record.ended, self._record.why = "interrupted", f"{name} came"
                if isinstance(self._site, Stand):
                    self._site.is_given_up = True


async def _load(
    wanted: Wanted,
    files: Files,
    record: Record,
    keeper: Keeper,
    folder: Path,
    site: Stand | Elsewhere,
    interrupts: Interrupts,
) -> None:
    plan = wanted.plan
    _tell(f"{plan.name}: {files.shape.name}, {files.shape.loop} loop, {shown_duration(files.phases[-1].end_s)}")
    try:
        await trio.to_thread.run_sync(site.start)
    except StandError as error:
        record.why = record.why or str(error)
        return
    if record.ended != "not_started":
        return
    if isinstance(site, Elsewhere):
        record.facts = msgspec.structs.replace(record.facts, workers=site.worker_count)
    order = Order(
        edge=site.edge,
        services=site.services_address,
        tls_edge=site.tls_edge,
        authority=site.authority,
        shape=str(files.shape_file),
        users={},
        phases=files.phases,
        interval_s=plan.interval_s,
        seed=plan.seed,
        token=wanted.token,
        rate_factor=plan.rate_factor,
    )
    try:
        generator = Generator(order, folder, keeper, wanted.generator_command)
    except OSError as error:
        record.why = f"the generator cannot be started: {error}; is there room in {folder.parent}?"
        return
    live = interrupts.live = Live(sys.stderr)
    try:
        interrupts.conduct = Conduct(record, files.phases, site, generator, live, plan.seed)
        await interrupts.conduct.run(_events(files, plan.workers if isinstance(site, Stand) else None))
    finally:
        live.close()
        generator.end()
        with trio.CancelScope(shield=True):
            await generator.aclose()


def _events(files: Files, workers: int | None) -> list[Planned]:
    """Return what the nemesis will do, and tell what it cannot. workers: of our stand; None: of none of ours."""
    events = files.schedule.events(files.phases)
    if workers is None:
        if events:
            _tell("the nemesis does nothing: a gateway that runs elsewhere is left alone")
        return []
    events, lost = possible(events, workers)
    if lost:
        _tell(f"the nemesis leaves out what needs workers: {lost}; say --workers 1 or more to have it done")
    return events


def _tell(line: str) -> None:
    sys.stderr.write(coloured(line, sys.stderr) + "\n")
    sys.stderr.flush()


def _keep_logs(folder: Path, out: Path) -> None:
    """Keep the logs of a run beside its record: what they say explains what was broken."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for log in sorted(folder.glob("*.log")):
            (out / log.name).write_bytes(log.read_bytes())
    except OSError as error:
        _tell(f"the logs could not be kept in {out}: {error.strerror or error}; make room, or say --out")


def _facts(wanted: Wanted, files: Files) -> Facts:
    return Facts(
        name=wanted.plan.name,
        started_unix_s=round(time.time(), 3),
        planned_s=files.phases[-1].end_s,
        shape=files.shape.name,
        loop=files.shape.loop,
        users=files.shape.users,
        interval_s=wanted.plan.interval_s,
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        version=__version__,
        revision=_revision(),
        workers=wanted.plan.workers,
        machine=machine_facts(),
    )


def _revision() -> str:
    try:
        return revision()
    except OSError:
        return ""


def machine_facts() -> dict[str, str]:
    """Return what figures depend on."""
    processor = platform.processor() or "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
