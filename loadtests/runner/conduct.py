"""The run itself: has the generator send, samples, lets the nemesis loose, and follows until all is over.

However it ends, what was seen stands in the record, and generator and site are ended.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import trio

from loadtests.nemesis.nemesis import torment
from loadtests.nemesis.schedule import Planned
from loadtests.record import Ended, Facts, LogLine, Phase, Record, Role
from loadtests.runner.generator import END_S, Generator, GeneratorError
from loadtests.runner.live import Live, live_words
from loadtests.runner.site import Site
from loadtests.stand.logs import LogFollower
from loadtests.stand.procfs import in_session
from loadtests.stand.sampler import take_sample
from loadtests.stand.stand import Stand, StandError

READY_S: Final = 60.0
"""How long the generator may take to begin."""
GRACE_S: Final = 45.0
"""How long it may take beyond the last phase, for answers that are waited for."""
SILENT_S: Final = 10.0
"""For so long the admin listener may say nothing."""
LOOK_S: Final = 1.0
UNRULY: Final = "unruly"
"""Services of this kind may end by themselves: they are told to."""


class Conduct:
    """One run, from when the site is there to when the generator has told its counts."""

    def __init__(
        self, record: Record, phases: Sequence[Phase], site: Site, generator: Generator, live: Live, seed: int
    ) -> None:
        """record: is filled in; phases: as they are planned."""
        self._record = record
        self._phases = phases
        self._site = site
        self._generator = generator
        self._live = live
        self._seed = seed
        self._begun_at = 0.0
        self._is_ready = trio.Event()
        self._is_done = trio.Event()
        self._has_counts = False
        self._heard_s = 0.0
        self._logs = LogFollower(((child.name, child.log) for child in site.children), is_expected)

    def now(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self._begun_at

    def stop(self, ended: Ended, why: str) -> None:
        """Have the generator tell its counts now, and end: the first cause counts."""
        if self._record.ended == "not_started" and not self._is_done.is_set():
            self._end(ended, why)
            self._generator.stop()

    async def run(self, events: Sequence[Planned]) -> None:
        """Run to the end. The record says how it has ended, and why."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            with trio.move_on_after(READY_S):
                await self._is_ready.wait()
            if not self._is_ready.is_set():
                self._end("failed", f"the generator is not ready within {READY_S:.0f} s ({self._generator.log})")
            elif self._record.ended == "not_started" and not self._is_done.is_set():
                await self._begun(events)
            nursery.cancel_scope.cancel()

    async def _begun(self, events: Sequence[Planned]) -> None:
        await self._take(0.0)  # before the first request: what the gateway has counted until then is none of ours
        self._begun_at, self._record.facts = time.monotonic(), _started(self._record)
        try:
            self._generator.begin()
        except GeneratorError as error:
            self._end("failed", str(error))
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sample)
                nursery.start_soon(self._watch)
                if isinstance(self._site, Stand):
                    nursery.start_soon(torment, self._site, events, self.now, self._record.events.append, self._seed)
                await self._until_done()
                nursery.cancel_scope.cancel()
            if self._record.ended == "not_started":
                self._record.ended = "complete"
        finally:  # also when it is cancelled, by who wants its end at once
            self._record.duration_s = round(self.now(), 3)
            self._record.phases = cut_short(self._phases, self.now())
        with suppress(StandError), trio.CancelScope(shield=True):
            await self._take(self.now())
            await self._look()

    async def _until_done(self) -> None:
        """Wait for the generator's counts: to the end of its time, or for a while from when it was stopped."""
        planned_s = self._phases[-1].end_s + GRACE_S
        stopped_at = 0.0
        while not self._is_done.is_set():
            with trio.move_on_after(LOOK_S / 4):
                await self._is_done.wait()
            if self._record.ended != "not_started":
                stopped_at = stopped_at or self.now()
                if self.now() > stopped_at + END_S:
                    return
            elif self.now() > planned_s:
                self.stop("failed", f"the generator has not ended {GRACE_S:.0f} s after its time")

    def _end(self, ended: Ended, why: str) -> None:
        if self._record.ended == "not_started" and not self._record.why:
            self._record.ended, self._record.why = ended, why

    # ---- what the generator says ----

    async def _read(self) -> None:
        try:
            async for said in self._generator.said():
                if said.ready:
                    self._is_ready.set()
                if said.interval is not None:
                    self._record.intervals.append(said.interval)
                if said.notable is not None:
                    self._record.notable.append(said.notable)
                if said.error and self._is_ready.is_set():
                    self._end("failed", said.error)
                elif said.error:
                    self._record.why = said.error  # it was never begun
                if said.requests is not None:
                    self._record.requests = said.requests
                    self._has_counts = True
            if not self._has_counts and self._record.ended == "not_started":
                self._end("failed", await trio.to_thread.run_sync(self._generator.why_ended))
        except GeneratorError as error:
            self._end("failed", str(error))
        finally:
            self._is_done.set()
            self._is_ready.set()

    # ---- what is seen beside it ----

    async def _sample(self) -> None:
        interval = self._record.facts.interval_s
        at = interval
        while True:
            await trio.sleep(max(0.0, at - self.now()))
            await self._take(self.now())
            at = max(at + interval, self.now())

    async def _take(self, at_s: float) -> None:
        sample = await trio.to_thread.run_sync(take_sample, self._site, self._others(), round(at_s, 3))
        self._record.samples.append(sample)
        if sample.gateway is not None:
            self._heard_s = at_s

    def _others(self) -> dict[str, tuple[Role, int]]:
        """The processes of the generator, and this one."""
        pids = sorted(in_session(self._generator.pid))
        names = ("generator" if at == 0 else f"generator-{at + 1}" for at in range(len(pids)))
        return {name: ("generator", pid) for name, pid in zip(names, pids, strict=True)}

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except StandError as error:
                self.stop("target_lost", str(error))
                return
            self._live.show(live_words(self._record, self._phases, self.now()), self.now())
            await trio.sleep(LOOK_S)

    async def _look(self) -> None:
        """Take in what logs say, and see that all is there. Raises `StandError` where the gateway is not."""
        await trio.to_thread.run_sync(self._logs.look, round(self.now(), 3))
        self._record.log, self._record.log_lines_left_out = list(self._logs.lines), self._logs.left_out
        self._site.check()
        silent_s = self.now() - self._heard_s
        if silent_s > SILENT_S + self._record.facts.interval_s:
            raise StandError(f"the gateway's admin listener has said nothing for {silent_s:.0f} s; is it still there?")
        if isinstance(self._site, Stand):
            self._bring_back(self._site)

    def _bring_back(self, stand: Stand) -> None:
        """Start services again that have ended by themselves; that of one that behaves is an error of the run."""
        for name, child in stand.services.items():
            if child.is_alive or name in stand.touched or not child.pid:
                continue
            if not name.startswith(UNRULY):
                said = f"{name} has ended by itself with status {child.exit_code}: {child.last_words()}"
                line = LogLine(
                    at_s=round(self.now(), 3), process=name, level="error", logger="loadtests", message=said, text=said
                )
                self._logs.lines.append(line)
            child.end()
            child.start()


def is_expected(line: LogLine) -> bool:
    """Whether a process was told to fail, and says so."""
    return line.process.startswith(UNRULY) and line.logger == "penstock.handler"


def cut_short(phases: Sequence[Phase], end_s: float) -> list[Phase]:
    """Return the phases that there were until a run has ended."""
    return [
        Phase(phase.name, phase.kind, phase.begin_s, min(phase.end_s, round(end_s, 3)))
        for phase in phases
        if phase.begin_s < end_s
    ]


def _started(record: Record) -> Facts:
    return msgspec.structs.replace(record.facts, started_unix_s=round(time.time(), 3))
