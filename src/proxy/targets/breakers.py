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
from proxy.outcomes import FAILURES, OutcomeKind
from proxy.targets.breaker import RAMP_PATIENCE, Breaker, BreakerSettings, Cause
from proxy.targets.gauges import Gauged, Gauges
from proxy.targets.instance import Instance, RouteKey
from proxy.targets.outlier import WINDOW_S, Window, is_slow, is_worse
from proxy.targets.silence import Sight, Silence

_WRAP: Final = 0xFFFF_FFFF
_OUT: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN)

IMPATIENT: Final = 4.0
"""A client that gives less than so many times the usual time up says nothing of the instance."""

ENDPOINTS_MIN: Final = 3
"""Endpoints of an instance that fail, and nothing else of it goes well, before it is the instance that fails."""

UNHEARD_MIN: Final = 3
"""Requests in a row that were not answered in time, with nothing heard of the instance meanwhile."""

SLOW_LOOKS: Final = 3
"""As often in a row it must be found slow, a second apart."""

LOOK_S: Final = 1.0
"""Between two looks at who is slow, and at what can be forgotten."""


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


class _Whole(msgspec.Struct, eq=False):
    """What is known of an instance as a whole."""

    heard: int | None = None
    """Frames so far, at the last tick."""
    failed: int = 0
    """Requests since then; ``answered`` of them by frames, ``expired`` without any."""
    answered: int = 0
    expired: int = 0
    run: int = 0
    """Failures with nothing else in between."""
    unheard: int = 0
    """Requests that were not answered in time, with nothing heard in between."""
    keys: set[RouteKey] = msgspec.field(default_factory=set)
    """Of which the run is."""
    slow_looks: int = 0
    last: float = float("-inf")
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
        self._slowest_us = slowest_us
        self._rand = rand
        self._endpoints: dict[int, _Endpoint] = {}
        self._wholes: dict[Instance, _Whole] = {}
        self._out: dict[Breaker, tuple[Instance, RouteKey | None, int]] = {}
        self._silence = Silence()
        self._looked_at = float("-inf")
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
        endpoint, whole = self._endpoint(gauge, gauged, now), self._whole(gauged.instance)
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
        self._note(whole, gauged.key, kind)
        return moved + self._judge(gauge, endpoint, now)

    def tick(self, sights: Sequence[Sight], now: float) -> tuple[Move, ...]:
        """Do what time does. sights: of all instances. Returns whose breaker is in another state now."""
        moves = self._tick_breakers(now)
        for sight in sights:
            whole = self._wholes.get(sight.instance)
            if whole is not None:
                moves += self._judge_whole(sight, whole, now)
        if self.settings.silence_s:
            for instance, silent_s in self._silence.silent(sights, self.settings.silence_s, self._slowest_us, now):
                detail = f"it was asked, and nothing was heard of it for {silent_s:.2f} s"
                moves += self._open_whole(instance, Cause.SILENCE, detail, now)
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            moves += self._look_for_slow(sights, now)
            self._forget(sights, now)
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
        is_ramping = endpoint.breaker.state is BreakerState.RAMPING
        if settings.failures and endpoint.run >= _patience(settings.failures, is_ramping=is_ramping):
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

    def _whole(self, instance: Instance) -> _Whole:
        return self._wholes.get(instance) or self._wholes.setdefault(instance, _Whole())

    def _note(self, whole: _Whole, key: RouteKey, kind: OutcomeKind) -> None:
        whole.failed += 1
        whole.answered += kind in (OutcomeKind.STATUS, OutcomeKind.BAD_RESPONSE)
        whole.expired += kind is OutcomeKind.EXPIRED
        whole.keys.add(key)

    def _judge_whole(self, sight: Sight, whole: _Whole, now: float) -> list[Move]:
        """Judge what has become of an instance's requests since the last tick."""
        before, failed, answered, expired = whole.heard, whole.failed, whole.answered, whole.expired
        whole.heard, whole.failed, whole.answered, whole.expired = sight.heard, 0, 0, 0
        frames = 0 if before is None else (sight.heard - before) & _WRAP
        if before is None or frames > answered + 1:  # one may be a heartbeat
            whole.run = whole.unheard = 0
            whole.keys.clear()
            return []
        whole.run += failed
        whole.unheard = 0 if frames else whole.unheard + expired
        if whole.breaker.state in _OUT or not failed:
            return []
        is_ramping = whole.breaker.state is BreakerState.RAMPING
        if self.settings.silence_s and whole.unheard >= UNHEARD_MIN:
            detail = f"{whole.unheard} requests in a row were not answered in time, and nothing was heard of it"
            return self._open_whole(sight.instance, Cause.SILENCE, detail, now)
        if not self.settings.failures or whole.run < _patience(self.settings.failures, is_ramping=is_ramping):
            return []
        if len(whole.keys) < ENDPOINTS_MIN:
            return []
        detail = f"{whole.run} failures in a row, of {len(whole.keys)} endpoints"
        return self._open_whole(sight.instance, Cause.FAILURES, detail, now)

    def _look_for_slow(self, sights: Sequence[Sight], now: float) -> list[Move]:
        if not self.settings.slow_factor:
            return []
        moves: list[Move] = []
        by_service: dict[str, list[Sight]] = {}
        for sight in sights:
            by_service.setdefault(sight.instance.service, []).append(sight)
        for peers in by_service.values():
            # Nobody is slow who is not many times as slow as the fastest: of a hundred, none is compared with all.
            least = self.settings.slow_factor * min((peer.usual_us for peer in peers if peer.usual_us), default=0.0)
            for sight in peers:
                if sight.usual_us > least:
                    others = [peer.usual_us for peer in peers if peer.instance is not sight.instance]
                else:
                    others = []
                if not is_slow(sight.usual_us, others, self.settings.slow_factor):
                    if (found := self._wholes.get(sight.instance)) is not None:
                        found.slow_looks = 0
                    continue
                moves += self._found_slow(sight, now)
        return moves

    def _found_slow(self, sight: Sight, now: float) -> list[Move]:
        """Note that an instance is slow. The wire's average counts a failed answer as a slow one, which it is not."""
        whole = self._whole(sight.instance)
        whole.slow_looks = whole.slow_looks + 1 if now - whole.last > WINDOW_S / 6 else 0
        if whole.slow_looks < SLOW_LOOKS:
            return []
        whole.slow_looks = 0
        detail = f"it takes {sight.usual_us / 1000:.0f} ms on average, many times as long as others"
        return self._open_whole(sight.instance, Cause.SLOW, detail, now)

    def _open_whole(self, instance: Instance, cause: Cause, detail: str, now: float) -> list[Move]:
        whole = self._whole(instance)
        if whole.breaker.state in _OUT or instance.is_going:
            return []
        whole.run = whole.unheard = 0
        whole.keys.clear()
        whole.breaker.open(cause, detail, self.settings, now, self._rand)
        self.opened[instance.service, "instance", cause.value] += 1
        return [self._moved(instance, None, 0, whole.breaker)]

    # ---- probes and time ----

    def _fail_probes(
        self, gauge: int, kind: OutcomeKind, endpoint: _Endpoint, whole: _Whole, now: float
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

    def _forget(self, sights: Iterable[Sight], now: float) -> None:
        """Forget who is gone, and what is long ago."""
        there = {sight.instance for sight in sights}
        before = now - max(WINDOW_S, 2 * self.settings.open_max_s)
        for instance in [instance for instance in self._wholes if instance not in there]:
            del self._wholes[instance]
        for gauge, endpoint in list(self._endpoints.items()):
            is_old = endpoint.last < before and endpoint.breaker.state is BreakerState.CLOSED
            if is_old or self._gauges.owner(gauge) is not endpoint.gauged:
                del self._endpoints[gauge]
        for breaker, (instance, key, gauge) in list(self._out.items()):
            owner = self._gauges.owner(gauge)
            if instance not in there or (key is not None and (owner is None or owner.instance is not instance)):
                del self._out[breaker]
                instance.breakers.pop(gauge, None)


def _patience(failures: int, *, is_ramping: bool) -> int:
    return max(1, failures // RAMP_PATIENCE) if is_ramping else failures
