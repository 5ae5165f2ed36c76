"""Asking: the legs of one fan-out go out, their outcomes come in, and all of them end with it.

    begin      asks as many as may be under way
    give_up    nobody wants the answers any more: whoever is under way is told so, on the wire
    done       called once, when it is over and was not given up

No leg outlives its fan-out: whoever is still under way at its end gets CANCEL.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from frames.frame import CancelReason
from proxy.errors import BYTES_IN_FLIGHT_FULL, DEADLINE, FANOUT_LEG_STOPPED, FANOUT_LEG_TIMEOUT
from proxy.fanout.fan import Fan, Rule, Step
from proxy.fanout.merged import LegName
from proxy.fanout.results import LegResult, result_of
from proxy.request.gathered import Outcome
from proxy.request.originated import Done, Outgoing, Place
from proxy.request.stage import Answer

_TOO_LATE: Final = LegResult(reason=DEADLINE)
_STOPPED: Final = LegResult(reason=FANOUT_LEG_STOPPED)


class Question(NamedTuple):
    """What one leg is asked, and where. outgoing.deadline_ms: the most that it may take."""

    place: Place
    outgoing: Outgoing


class Leg(NamedTuple):
    """One leg. what: an answer where it cannot be asked."""

    name: LegName
    what: Question | Answer


class Sending(Protocol):
    """Who sends requests of the gateway's own: `proxy.request.originated.Originated`."""

    def send(self, place: Place, outgoing: Outgoing, done: Done, /) -> int | Answer:
        """Send one; an answer where it cannot be sent, and then done is not called."""
        ...

    def give_up(self, exchange: int, reason: CancelReason, /) -> None:
        """Take one back."""
        ...


class Budget(Protocol):
    """The memory for all bodies together."""

    def reserve(self, byte_count: int, /) -> bool:
        """Hold this many bytes, all or none."""
        ...

    def release(self, byte_count: int, /) -> None:
        """Let go of them."""
        ...


class Asker:
    """What all fan-outs ask with. ``results`` counts each leg that is over once, by `LegResult.word`."""

    def __init__(
        self, sending: Sending, budget: Budget, clock: Callable[[], float], flush: Callable[[], None] = lambda: None
    ) -> None:
        """clock: seconds, as of `Asking`'s ends_at; flush: sends what was written outside of a batch."""
        self.sending = sending
        self.budget = budget
        self.clock = clock
        self.flush = flush
        self.results: Counter[str] = Counter()
        self.under_way = 0
        """Legs that are asked and not done."""

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Asker {self.under_way} legs under way, {self.results.total()} over>"


class Asking:
    """One fan-out under way."""

    __slots__ = ("_asker", "_bytes_left", "_done", "_ends_at", "_fan", "_held_bytes", "_legs", "_results", "_sent")

    def __init__(
        self,
        asker: Asker,
        legs: Sequence[Leg],
        rule: Rule,
        *,
        bytes_max: int,
        ends_at: float,
        done: "Callable[[Asking], None]",
    ) -> None:
        """bytes_max: of all answers' bodies; ends_at: no leg is given more time than until then.

        done: may read `results`, which are gone after it.
        """
        self._asker = asker
        self._legs = legs
        self._fan = Fan(len(legs), rule)
        self._bytes_left = bytes_max
        self._ends_at = ends_at
        self._done = done
        self._results: list[LegResult | None] = [None] * len(legs)
        self._sent: dict[int, int] = {}
        self._held_bytes = 0

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Asking {self._fan!r}, {self._held_bytes} bytes held>"

    @property
    def is_met(self) -> bool:
        """Whether enough good answers are there."""
        return self._fan.is_met

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way any more."""
        return self._fan.is_over

    @property
    def names(self) -> list[LegName]:
        """What the legs are called."""
        return [leg.name for leg in self._legs]

    def results(self) -> list[LegResult]:
        """Return what has become of each leg. One that is not over counts as too late now."""
        return [result or _TOO_LATE for result in self._results]

    def begin(self) -> None:
        """Ask. It may be over before this returns."""
        self._go_on(self._fan.begin())

    def give_up(self, reason: CancelReason) -> None:
        """End it without an answer; whoever is under way gets CANCEL with this reason. Again: nothing."""
        if not self._fan.is_over:
            self._stop(self._fan.give_up().stop, reason, _TOO_LATE if reason is CancelReason.DEADLINE else _STOPPED)
            self._close()

    def _go_on(self, step: Step) -> None:
        asks = deque(step.ask)
        while asks:
            leg = asks.popleft()
            failed = self._ask(leg)
            if failed is not None:
                step = self._enter(leg, failed)
                if step.is_over:
                    break
                asks.extend(step.ask)
        if step.is_over:
            self._stop(step.stop, CancelReason.HEDGE_LOST, _STOPPED)
            self._end()

    def _ask(self, leg: int) -> LegResult | None:
        """Ask one leg; a result where it cannot be."""
        what, asker = self._legs[leg].what, self._asker
        if isinstance(what, Answer):
            return LegResult(reason=what.reason, headers=what.headers)
        now = asker.clock()
        left_ms = int((self._ends_at - now) * 1000)
        if left_ms < 1:
            return _TOO_LATE
        outgoing, late = what.outgoing, FANOUT_LEG_TIMEOUT
        if left_ms < outgoing.deadline_ms:
            outgoing, late = msgspec.structs.replace(outgoing, deadline_ms=left_ms), DEADLINE

        def done(outcome: Outcome) -> None:
            del self._sent[leg]
            asker.under_way -= 1
            ms = (asker.clock() - now) * 1000
            self._go_on(self._enter(leg, self._hold(result_of(outcome, ms, self._bytes_left, late=late))))

        sent = asker.sending.send(what.place, outgoing, done)
        if isinstance(sent, Answer):
            return LegResult(reason=sent.reason)
        self._sent[leg] = sent
        asker.under_way += 1
        return None

    def _hold(self, result: LegResult) -> LegResult:
        """Hold an answer until all is over, if there is memory for it."""
        byte_count = len(result.payload)
        if not byte_count:
            return result
        if not self._asker.budget.reserve(byte_count):
            return LegResult(reason=BYTES_IN_FLIGHT_FULL, ms=result.ms)
        self._held_bytes += byte_count
        self._bytes_left -= result.body_bytes
        return result

    def _enter(self, leg: int, result: LegResult) -> Step:
        self._count(leg, result)
        return self._fan.done(leg, is_good=result.is_good)

    def _count(self, leg: int, result: LegResult) -> None:
        self._results[leg] = result
        self._asker.results[result.word] += 1

    def _stop(self, legs: Sequence[int], cancel: CancelReason, result: LegResult) -> None:
        """Tell those that are under way to stop. One of them may not have been sent yet."""
        for leg in legs:
            sent = self._sent.pop(leg, None)
            if sent is not None:
                self._asker.under_way -= 1
                self._asker.sending.give_up(sent, cancel)
            self._count(leg, result)

    def _end(self) -> None:
        """Say what has become of it. Those that were not asked at all were not needed."""
        for leg, result in enumerate(self._results):
            if result is None:
                self._count(leg, _STOPPED)
        try:
            self._done(self)
        finally:
            self._close()

    def _close(self) -> None:
        self._asker.budget.release(self._held_bytes)
        self._held_bytes = 0
        self._results = [None] * len(self._legs)
