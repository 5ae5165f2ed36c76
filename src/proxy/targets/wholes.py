"""Instances as a whole: which of them is silent, slow, or fails at whatever it is asked.

What becomes of their requests is noted one by one, and judged at each tick, when everything is in that came with it:
the frames that were heard say whether anything else went well meanwhile. Streams are frames too, so an instance that
streams is seldom judged by its failures as a whole; its endpoints are, one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from proxy.breaker_state import BreakerState
from proxy.request.outcomes import OutcomeKind
from proxy.targets.breaker import Breaker, BreakerSettings, Cause
from proxy.targets.instance import Instance, RouteKey
from proxy.targets.outlier import is_slow
from proxy.targets.silence import Sight, Silence

_WRAP: Final = 0xFFFF_FFFF

ENDPOINTS_MIN: Final = 3
"""Endpoints of an instance that fail, and nothing else of it goes well, before it is the instance that fails."""

UNHEARD_MIN: Final = 3
"""Requests in a row that were not answered in time, with nothing heard of the instance meanwhile."""

SLOW_LOOKS: Final = 3
"""As often in a row it must be found slow, a second apart."""

SLOW_SINCE_S: Final = 10.0
"""Without a failure, before an instance is called slow: in the wire's average, failures are slow answers."""

BETTER: Final = 0.9
"""Of its average a second ago: who is so much faster by now is getting well."""

LOOK_S: Final = 1.0
"""Between two looks at who is slow."""


class Verdict(NamedTuple):
    """An instance is to be put out. detail: why, for people."""

    instance: Instance
    cause: Cause
    detail: str


class Whole(msgspec.Struct, eq=False):
    """What is known of one instance. Counts are since the last tick, but for the runs."""

    heard: int | None = None
    """Frames so far, at the last tick."""
    failed: int = 0
    answered: int = 0
    """Of those that failed, by frames."""
    expired: int = 0
    """Of those that failed, without any."""
    run: int = 0
    """Failures with nothing else in between."""
    unheard: int = 0
    """Requests that were not answered in time, with nothing heard in between."""
    keys: set[RouteKey] = msgspec.field(default_factory=set)
    """Of which the run is."""
    slow_looks: int = 0
    looked_us: float = 0.0
    """Its average when it was looked at for the last time."""
    last: float = float("-inf")
    """When something failed."""
    breaker: Breaker = msgspec.field(default_factory=Breaker)

    def begin_anew(self) -> None:
        """Forget the runs."""
        self.run = self.unheard = 0
        self.keys.clear()


class Wholes:
    """All instances of which something has failed, or that are slow."""

    def __init__(self, slowest_us: Callable[[str], float]) -> None:
        """slowest_us: how long requests of a service take that are in flight now, at most."""
        self._slowest_us = slowest_us
        self._silence = Silence()
        self._wholes: dict[Instance, Whole] = {}
        self._looked_at = float("-inf")

    def of(self, instance: Instance) -> Whole:
        """Return what is known of an instance."""
        return self._wholes.get(instance) or self._wholes.setdefault(instance, Whole())

    def note(self, instance: Instance, key: RouteKey, kind: OutcomeKind) -> None:
        """Take in a request that failed."""
        whole = self.of(instance)
        whole.failed += 1
        whole.answered += kind in (OutcomeKind.STATUS, OutcomeKind.BAD_RESPONSE)
        whole.expired += kind is OutcomeKind.EXPIRED
        whole.keys.add(key)

    def verdicts(self, sights: Sequence[Sight], settings: BreakerSettings, now: float) -> Iterator[Verdict]:
        """Judge all instances, at a tick."""
        for sight in sights:
            whole = self._wholes.get(sight.instance)
            if whole is not None:
                yield from _judge(sight, whole, settings)
        if settings.silence_s:
            for instance, silent_s in self._silence.silent(sights, settings.silence_s, self._slowest_us, now):
                detail = f"it was asked, and nothing was heard of it for {silent_s:.2f} s"
                yield Verdict(instance, Cause.SILENCE, detail)
        if settings.slow_factor and now - self._looked_at >= LOOK_S:
            self._looked_at = now
            yield from self._look_for_slow(sights, settings.slow_factor, now)

    def forget(self, there: set[Instance]) -> None:
        """Forget who is gone."""
        for instance in [instance for instance in self._wholes if instance not in there]:
            del self._wholes[instance]

    def _look_for_slow(self, sights: Sequence[Sight], factor: float, now: float) -> Iterator[Verdict]:
        by_service: dict[str, list[Sight]] = {}
        for sight in sights:
            by_service.setdefault(sight.instance.service, []).append(sight)
        for peers in by_service.values():
            # Nobody is slow who is not many times as slow as the fastest: of a hundred, none is compared with all.
            least = factor * min((peer.usual_us for peer in peers if peer.usual_us), default=0.0)
            for sight in peers:
                others = [peer.usual_us for peer in peers if peer is not sight] if sight.usual_us > least else []
                if is_slow(sight.usual_us, others, factor):
                    yield from _found_slow(sight, self.of(sight.instance), now)
                elif (found := self._wholes.get(sight.instance)) is not None:
                    found.slow_looks = 0


def _judge(sight: Sight, whole: Whole, settings: BreakerSettings) -> Iterator[Verdict]:
    """Judge what has become of an instance's requests since the last tick."""
    before, failed, answered, expired = whole.heard, whole.failed, whole.answered, whole.expired
    whole.heard, whole.failed, whole.answered, whole.expired = sight.heard, 0, 0, 0
    frames = 0 if before is None else (sight.heard - before) & _WRAP
    if before is None or frames > answered + 1:  # one may be a heartbeat
        whole.begin_anew()
        return
    whole.run += failed
    whole.unheard = 0 if frames else whole.unheard + expired
    if not failed:
        return
    if settings.silence_s and whole.unheard >= UNHEARD_MIN:
        detail = f"{whole.unheard} requests in a row were not answered in time, and nothing was heard of it"
        yield Verdict(sight.instance, Cause.SILENCE, detail)
    patience = settings.patience(is_ramping=whole.breaker.state is BreakerState.RAMPING)
    if patience and whole.run >= patience and len(whole.keys) >= ENDPOINTS_MIN:
        detail = f"{whole.run} failures in a row, of {len(whole.keys)} endpoints"
        yield Verdict(sight.instance, Cause.FAILURES, detail)


def _found_slow(sight: Sight, whole: Whole, now: float) -> Iterator[Verdict]:
    """Note that an instance is slow. Who was not asked has the average of before, and who gets well a lower one."""
    is_well = now - whole.last > SLOW_SINCE_S and sight.usual_us != whole.looked_us
    is_getting_well = sight.usual_us < BETTER * whole.looked_us
    whole.slow_looks = whole.slow_looks + 1 if is_well and not is_getting_well else 0
    whole.looked_us = sight.usual_us
    if whole.slow_looks >= SLOW_LOOKS:
        whole.slow_looks = 0
        detail = f"it takes {sight.usual_us / 1000:.0f} ms on average, many times as long as others"
        yield Verdict(sight.instance, Cause.SLOW, detail)
