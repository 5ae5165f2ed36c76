"""The breakers of all instances and of all their endpoints: what failed goes in, who is in another state comes out.

    an endpoint of an instance    failures in a row; too few good ones among the last requests, fewer than others have
    an instance                   it is silent; it is slow beside others; several of its endpoints fail, and nothing
                                  else of it goes well

Rules of this file:

1. Pure: no I/O and no clock. What the wire counts is read from arrays, as `pick` does.
2. It is fed with failures only. How many answers were good between two of them stands in ``answers``, by gauge, so
   that healthy traffic costs nothing here.
3. What is late says nothing: failures while a breaker is open are of requests from before. Half-open, only what the
   probe's own gauge tells counts.
4. Pressure is no failure: who says that it has too much to do works.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from proxy.breaker_state import BreakerState
from proxy.request.outcomes import FAILURES, OutcomeKind
from proxy.targets.breaker import Breaker, BreakerSettings, Cause
from proxy.targets.gauges import Gauged, Gauges
from proxy.targets.instance import Instance, RouteKey
from proxy.targets.outlier import WINDOW_S, Window, is_worse
from proxy.targets.silence import Sight
from proxy.targets.wholes import Verdict, Whole, Wholes

_WRAP: Final = 0xFFFF_FFFF
_OUT: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN)

IMPATIENT: Final = 4.0
"""A client that gives less than so many times the usual time up says nothing of the instance."""

FORGET_S: Final = 1.0
"""Between two looks at what can be forgotten."""


class Move(NamedTuple):
    """A breaker is in another state. gauge: 0, and key None, where it is the instance's own."""

    instance: Instance
    key: RouteKey | None
    gauge: int
    breaker: Breaker
    state: BreakerState


class _Endpoint(msgspec.Struct, eq=False):
    """What is known of an endpoint of an instance, of which something has failed."""

    gauged: Gauged
    seen: int
    """The good answers that were looked at, wrapping."""
    window: Window
    run: int = 0
    """Failures in a row."""
    last: float = 0.0
    breaker: Breaker = msgspec.field(default_factory=Breaker)


class Breakers:
    """Decides who is out. ``settings`` may be set anew at any time."""

    def __init__(
        self,
        settings: BreakerSettings,
        gauges: Gauges,
        answers: Sequence[int],
        *,
        others: Callable[[RouteKey], Iterable[int]],
        slowest_us: Callable[[str], float] = lambda service: 0.0,
        rand: Callable[[], float] = random.random,
    ) -> None:
        """answers: good answers by gauge, wrapping. others: the gauges of all who offer a route; slowest_us: how long
        requests of a service take that are in flight now, at most.
        """
        self.settings = settings
        self._gauges = gauges
        self._answers = answers
        self._others = others
        self._rand = rand
        self._endpoints: dict[int, _Endpoint] = {}
        self._wholes = Wholes(slowest_us)
        self._out: dict[Breaker, tuple[Instance, RouteKey | None, int]] = {}
        self._forgot_at = float("-inf")
        self.opened: Counter[tuple[str, str, str]] = Counter()
        """Openings, by service, `instance` or `endpoint`, and cause."""
        self.failures: Counter[tuple[str, str]] = Counter()
        """Outcomes that were not good, by service and kind."""
        self.probes: Counter[str] = Counter()
        """By what became of them: `good`, `failed`."""

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Breakers endpoints={len(self._endpoints)} not closed={len(self._out)}>"

    @property
    def not_closed(self) -> "list[tuple[Instance, RouteKey | None, Breaker]]":
        """Every breaker that is not closed, and whose it is."""
        return [(instance, key, breaker) for breaker, (instance, key, _) in self._out.items()]

    # ---- what happens ----

    def failed(self, gauge: int, kind: OutcomeKind, latency_us: int, usual_us: float, now: float) -> tuple[Move, ...]:
        """Take in what became of a request, and return whose breaker is in another state now.

        latency_us: how long it took, 0 for unknown; usual_us: how long it usually takes, 0 for unknown; both are
        looked at for what has expired.
        """
        gauged = self._gauges.owner(gauge)
        if gauged is None:
            return ()
        if kind is OutcomeKind.EXPIRED and 0 < latency_us < IMPATIENT * usual_us:
            kind = OutcomeKind.OTHER
        self.failures[gauged.instance.service, kind.name.lower()] += 1
        endpoint, whole = self._endpoint(gauge, gauged, now), self._wholes.of(gauged.instance)
        if kind not in FAILURES:
            for breaker in (endpoint.breaker, whole.breaker):
                if breaker.probing == gauge:
                    breaker.put_off(now, self.settings.open_s)
            return ()
        good = self._good_since(endpoint, gauge)
        endpoint.last = whole.last = now
        moved = self._fail_probes(gauge, kind, endpoint, whole, now)
        if whole.breaker.state in _OUT or endpoint.breaker.state in _OUT:
            return moved
        endpoint.run = 1 if good else endpoint.run + 1
        endpoint.window.failed(good, now)
        self._wholes.note(gauged.instance, gauged.key, kind)
        return moved + self._judge(gauge, endpoint, now)

    def tick(self, sights: Sequence[Sight], now: float) -> tuple[Move, ...]:
        """Do what time does. sights: of all instances. Returns whose breaker is in another state now."""
        moves = self._tick_breakers(now)
        for verdict in self._wholes.verdicts(sights, self.settings, now):
            moves += self._open_whole(verdict, now)
        if now - self._forgot_at >= FORGET_S:
            self._forgot_at = now
            self._forget({sight.instance for sight in sights}, now)
        return tuple(moves)

    # ---- an endpoint ----

    def _endpoint(self, gauge: int, gauged: Gauged, now: float) -> _Endpoint:
        found = self._endpoints.get(gauge)
        if found is None or found.gauged is not gauged:
            # The wire began to count when the number was given away: what it has counted was good.
            seen = self._answers[gauge]
            found = self._endpoints[gauge] = _Endpoint(gauged, seen, Window(self.settings.requests, seen), last=now)
        return found

    def _good_since(self, endpoint: _Endpoint, gauge: int) -> int:
        seen = self._answers[gauge]
        good, endpoint.seen = (seen - endpoint.seen) & _WRAP, seen
        return good

    def _judge(self, gauge: int, endpoint: _Endpoint, now: float) -> tuple[Move, ...]:
        settings = self.settings
        patience = settings.patience(is_ramping=endpoint.breaker.state is BreakerState.RAMPING)
        if patience and endpoint.run >= patience:
            return self._open_endpoint(gauge, endpoint, Cause.FAILURES, f"{endpoint.run} failures in a row", now)
        window = endpoint.window
        part = window.failed_part()
        if len(window) < settings.requests_min or 100.0 * (1.0 - part) >= settings.success_percent:
            return ()
        if not is_worse(
            part, [self._failed_part(other) for other in self._others(endpoint.gauged.key) if other != gauge]
        ):
            return ()
        detail = f"{window.failures} of the last {len(window)} requests failed"
        return self._open_endpoint(gauge, endpoint, Cause.SUCCESS, detail, now)

    def _failed_part(self, gauge: int) -> float:
        """Return which part fails of another instance's same endpoint."""
        found = self._endpoints.get(gauge)
        if found is None:
            return 0.0
        return found.window.failed_part((self._answers[gauge] - found.seen) & _WRAP)

    def _open_endpoint(
        self, gauge: int, endpoint: _Endpoint, cause: Cause, detail: str, now: float
    ) -> tuple[Move, ...]:
        instance, key = endpoint.gauged
        endpoint.run, endpoint.window = 0, Window(self.settings.requests)
        endpoint.breaker.open(cause, detail, self.settings, now, self._rand)
        self.opened[instance.service, "endpoint", cause.value] += 1
        return (self._moved(instance, key, gauge, endpoint.breaker),)

    # ---- an instance ----

    def _open_whole(self, verdict: Verdict, now: float) -> list[Move]:
        instance, whole = verdict.instance, self._wholes.of(verdict.instance)
        if whole.breaker.state in _OUT or instance.is_going:
            return []
        whole.begin_anew()
        whole.breaker.open(verdict.cause, verdict.detail, self.settings, now, self._rand)
        self.opened[instance.service, "instance", verdict.cause.value] += 1
        return [self._moved(instance, None, 0, whole.breaker)]

    # ---- probes and time ----

    def _fail_probes(
        self, gauge: int, kind: OutcomeKind, endpoint: _Endpoint, whole: Whole, now: float
    ) -> tuple[Move, ...]:
        """Open again what was half-open, and whose probe this may have been."""
        instance, key = endpoint.gauged
        moves = []
        if whole.breaker.probing == gauge:
            is_heard = kind in (OutcomeKind.STATUS, OutcomeKind.BAD_RESPONSE)
            if is_heard and whole.breaker.cause is not Cause.FAILURES:
                whole.breaker.recover(self.settings, now)  # it is neither silent nor slow; the endpoint is judged apart
            else:
                self._open_again(whole.breaker, instance, "instance", now)
            moves.append(self._moved(instance, None, 0, whole.breaker))
        if endpoint.breaker.probing == gauge:
            self._open_again(endpoint.breaker, instance, "endpoint", now)
            moves.append(self._moved(instance, key, gauge, endpoint.breaker))
        return tuple(moves)

    def _open_again(self, breaker: Breaker, instance: Instance, scope: str, now: float) -> None:
        self.probes["failed"] += 1
        breaker.open(breaker.cause, "the probe failed", self.settings, now, self._rand)
        self.opened[instance.service, scope, breaker.cause.value] += 1

    def _tick_breakers(self, now: float) -> list[Move]:
        moves = []
        for breaker, (instance, key, gauge) in list(self._out.items()):
            was_probing = breaker.probing
            if breaker.tick(self.settings, self._answers.__getitem__, now):
                if was_probing and breaker.state is BreakerState.RAMPING:
                    self.probes["good"] += 1
                moves.append(self._moved(instance, key, gauge, breaker))
        return moves

    def _moved(self, instance: Instance, key: RouteKey | None, gauge: int, breaker: Breaker) -> Move:
        """Let the instance have its breaker, so that its offers can say so."""
        is_closed = breaker.state is BreakerState.CLOSED
        if is_closed:
            self._out.pop(breaker, None)
        else:
            self._out[breaker] = (instance, key, gauge)
        if key is None:
            instance.breaker = None if is_closed else breaker
        elif is_closed:
            instance.breakers.pop(gauge, None)
        else:
            instance.breakers[gauge] = breaker
        return Move(instance, key, gauge, breaker, breaker.state)

    def _forget(self, there: set[Instance], now: float) -> None:
        """Forget who is gone, and what is long ago."""
        before = now - max(WINDOW_S, 2 * self.settings.open_max_s)
        self._wholes.forget(there)
        for gauge, endpoint in list(self._endpoints.items()):
            is_old = endpoint.last < before and endpoint.breaker.state is BreakerState.CLOSED
            if is_old or self._gauges.owner(gauge) is not endpoint.gauged:
                del self._endpoints[gauge]
        for breaker, (instance, key, gauge) in list(self._out.items()):
            owner = self._gauges.owner(gauge)
            if instance not in there or (key is not None and (owner is None or owner.instance is not instance)):
                del self._out[breaker]
                instance.breakers.pop(gauge, None)
