"""The open loop: requests are sent when they are due, whatever came of those before, by the engine of `penstock bench`.

Their times count from the moment at which they were due. Between phases of traffic, in quiet ones, there is no
connection; each stretch of phases that are not quiet is one run of the engine.
"""

import os
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from loadtests.order import Order, Said
from loadtests.record import Phase
from loadtests.shape import Shape
from loadtests.shape.arrivals import Ramp, RampedArrivals
from proxy.loading.histogram import Histogram
from proxy.loading.many import run_without_pauses
from proxy.loading.result import LoadError
from proxy.loading.run import Plan, Run
from proxy.loading.seconds import Seconds
from proxy.loading.sockets import Place

from .edge_link import USER, EdgeLink, Mix
from .tally import Outcome, Tally
from .telling import Telling

NEVER_SENT: Final = "never sent: no connection became free in its time"
_SLICE_S: Final = 0.05
LEAST_S: Final = 0.001


class Stretch(Seconds):
    """Tells the tally of what the engine does, and closes its intervals; the engine thinks that it counts seconds."""

    def __init__(self, loop: "OpenLoop") -> None:
        """loop: whose intervals these are."""
        super().__init__()
        self._loop = loop

    def ended(self, now_us: int, latency_us: int, *, is_failure: bool) -> None:
        """Count one that ends now: the links have told of those that were sent."""
        self._loop.engine_ended(latency_us)

    def sent(self, now_us: int) -> None:
        """Nothing: it counts when it ends."""

    def pass_to(self, now_us: int) -> None:
        """Close intervals that are over."""
        self._loop.close_intervals()

    def close(self, now_us: int) -> None:
        """Nothing: the interval may go on after the stretch."""


class OpenLoop:
    """One run."""

    def __init__(self, order: Order, shape: Shape, telling: Telling) -> None:
        """Look the address up. Raises `LoadError`."""
        self._order = order
        self._shape = shape
        self._telling = telling
        self._tally = Tally()
        self._place = Place.find(order.edge.host, order.edge.port)
        prefix = f"load-{os.getpid():x}-{int(time.time()):x}"
        self._mix = Mix(shape.requests, str(order.edge), order.token, prefix=prefix, seed=order.seed)
        self._start_us = 0
        self._run: Run | None = None
        self._interval = 1
        self._told = 0
        self._closed_s = 0.0
        self._is_stopped = False

    def run(self) -> None:
        """Run to the end of the last phase, or until KeyboardInterrupt."""
        self._start_us = _clock_us()
        try:
            for is_quiet, phases in stretches(self._order.phases):
                if is_quiet:
                    self._rest(phases[-1].end_s)
                else:
                    self._load(phases)
                if self._is_stopped:
                    break
        except KeyboardInterrupt:
            pass
        if self._now_s() - self._closed_s > LEAST_S:
            self._close_interval()
        self._telling.say(Said(requests=self._tally.requests()))

    def engine_ended(self, latency_us: int) -> None:
        """The engine says that a request has ended. The links have told of it, unless it was never sent."""
        if self._told:
            self._told -= 1
        else:
            self._count(_not_sent("(never sent)", latency_us, NEVER_SENT))

    def close_intervals(self) -> None:
        """Close the intervals that are over."""
        while self._now_s() >= self._interval * self._order.interval_s:
            self._close_interval()
            self._interval = max(self._interval + 1, int(self._now_s() / self._order.interval_s) + 1)

    def _now_s(self) -> float:
        return (_clock_us() - self._start_us) / 1e6

    def _rest(self, until_s: float) -> None:
        while (left_s := until_s - self._now_s()) > 0:
            time.sleep(min(left_s, _SLICE_S))
            self.close_intervals()

    def _load(self, phases: list[Phase]) -> None:
        """Send what is due in phases that follow each other."""
        plan = Plan(
            target=f"http://{self._order.edge}",
            arrivals=RampedArrivals.of(
                ramps_of(self._shape, phases, self._order.rate_factor, begin_s=self._now_s()),
                spacing=self._shape.words.arrivals,
                seed=self._order.seed,
            ),
            connections=self._shape.words.connections,
            timeout_us=self._shape.words.timeout_ms * 1000,
        )
        run = Run(plan, lambda: EdgeLink(self._place, self._mix, self._link_told), seconds=Stretch(self))
        try:
            run.connect()
            self._run = run
            self._is_stopped = run_without_pauses(run).is_stopped
        except LoadError as error:
            self._count(_not_sent("(connections)", 0, str(error)))
            self._rest(phases[-1].end_s)
        finally:
            self.close_intervals()
            self._run = None
            run.close()
            self._told = 0

    def _link_told(self, outcome: Outcome) -> None:
        self._told += 1
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        notable = self._tally.count(outcome, self._now_s())
        if notable is not None:
            self._telling.say(Said(notable=notable))

    def _close_interval(self) -> None:
        late = Histogram()
        if self._run is not None:
            late, self._run.result.lateness = self._run.result.lateness, late
        interval, slow = self._tally.close_interval(
            self._now_s(), self._shape.words.connections if self._run else 0, late
        )
        self._closed_s = self._now_s()
        self._telling.say(Said(interval=interval))
        if slow is not None:
            self._telling.say(Said(notable=slow))


def stretches(phases: list[Phase]) -> Iterator[tuple[bool, list[Phase]]]:
    """Yield phases that follow each other and are all quiet, or all not."""
    for is_quiet, several in groupby(phases, key=lambda phase: phase.kind == "quiet"):
        yield is_quiet, list(several)


def ramps_of(shape: Shape, phases: list[Phase], factor: float, *, begin_s: float) -> list[Ramp]:
    """Return the rates of phases that follow each other. begin_s: what was due before is left out."""
    ramps = []
    for phase in phases:
        part, lasts_s = shape.part(phase.name), phase.end_s - phase.begin_s
        late_s = min(max(begin_s - phase.begin_s, 0.0), lasts_s)
        if lasts_s > late_s:
            ramps.append(Ramp(lasts_s - late_s, part.at(late_s / lasts_s) * factor, part.end * factor))
    return ramps


def _not_sent(name: str, took_us: int, why: str) -> Outcome:
    return Outcome(USER, name, "", took_us, failure=why, is_expected=False, counted_at_gateway=False)


def _clock_us() -> int:
    return time.monotonic_ns() // 1000
