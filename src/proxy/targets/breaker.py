"""A breaker: whether an instance, or one of its endpoints, is asked at all.

    closed ──failed──► open ──time──► half-open ──one good answer──► ramping ──time──► closed
                        ▲                 │                             │
                        └────failed───────┴──────────failed─────────────┘

It stays open for a time that doubles with each opening, and is drawn by chance, so that several do not come back at one
moment. What stayed closed for as long as the longest of these times begins anew.

Half-open, one request at a time is let through: a probe. The probe is claimed before it is sent, until it must have
ended, whatever becomes of it.

Pure: no clock, no I/O. Times are seconds of one clock.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from proxy.breaker_state import BreakerState
from proxy.targets.ramp import ramp_share

JITTER: Final = 0.5
"""Up to this part of it is added to the time that it stays open."""

RAMP_PATIENCE: Final = 3
"""On the ramp, it opens at this part of the failures that it takes otherwise: it has shown before that it fails."""


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When breakers open, and for how long. Of the conditions, 0 means that nothing is opened by it."""

    failures: int = 7
    """In a row."""
    success_percent: float = 80.0
    """Good ones of the last requests, below which it opens."""
    requests: int = 100
    """How many requests those are."""
    requests_min: int = 10
    """How few say something."""
    silence_s: float = 0.5
    """Without a frame of an instance that was asked, while others of its service are heard."""
    slow_factor: float = 10.0
    """Times the median of the others' time to respond."""
    open_s: float = 1.0
    """The first time that it stays open."""
    open_max_s: float = 60.0
    ramp_s: float = 10.0

    def patience(self, *, is_ramping: bool) -> int:
        """Return after how many failures in a row somebody is out; 0: after none. On the ramp it takes fewer."""
        return max(1, self.failures // RAMP_PATIENCE) if is_ramping and self.failures else self.failures


class Cause(Enum):
    """Why a breaker opened."""

    FAILURES = "failures"
    """Too many in a row."""
    SUCCESS = "success"
    """Too few of the last requests went well."""
    SILENCE = "silence"
    """It was asked, and nothing is heard of it."""
    SLOW = "slow"
    """It takes many times as long as others."""


class Breaker:
    """One breaker. `proxy.targets.breakers` decides when it opens; what time does is done by `tick`."""

    __slots__ = (
        "_base",
        "_claimed_until",
        "_closed_at",
        "_gauge",
        "_opens",
        "cause",
        "detail",
        "since",
        "state",
        "until",
    )

    def __init__(self) -> None:
        """Begin closed."""
        self.state = BreakerState.CLOSED
        self.cause = Cause.FAILURES
        self.detail = ""
        """Why it opened, for people: behind `it is out:`."""
        self.since = 0.0
        """When it came into its state."""
        self.until = 0.0
        """When time ends its state."""
        self._opens = 0
        self._closed_at = 0.0
        self._claimed_until = 0.0
        self._gauge = self._base = 0

    def __repr__(self) -> str:
        """State on one line."""
        return f"<Breaker {self.state.name.lower()} {self.cause.value} opens={self._opens}>"

    def open(self, cause: Cause, detail: str, settings: BreakerSettings, now: float, rand: Callable[[], float]) -> None:
        """Open it, or open it again."""
        if self.state is BreakerState.CLOSED and now - self._closed_at >= settings.open_max_s:
            self._opens = 0
        lasts_s = min(settings.open_max_s, settings.open_s * 2.0 ** min(self._opens, 32))
        self._opens += 1
        self.cause, self.detail = cause, detail
        self._enter(BreakerState.OPEN, now, lasts_s * (1.0 + JITTER * rand()))

    def tick(self, settings: BreakerSettings, answers: Callable[[int], int], now: float) -> bool:
        """Do what time does, and look whether a probe was answered well. Whether it is in another state then.

        answers: good answers by gauge.
        """
        if self.state is BreakerState.OPEN and now >= self.until:
            self._gauge, self._claimed_until = 0, 0.0
            self._enter(BreakerState.HALF_OPEN, now, 0.0)
            return True
        if self.state is BreakerState.RAMPING and now >= self.until:
            self._closed_at = now
            self._enter(BreakerState.CLOSED, now, 0.0)
            return True
        if self._gauge and answers(self._gauge) != self._base:
            self.recover(settings, now)
            return True
        if self._gauge and now >= self._claimed_until:
            self._gauge = 0  # nobody has said what became of it: another one may be sent
        return False

    def may_probe(self, now: float) -> bool:
        """Whether a request may be let through to see how it is."""
        return self.state is BreakerState.HALF_OPEN and now >= self._claimed_until

    def claim(self, gauge: int, answers: int, until: float) -> None:
        """Note that a probe goes out. answers: the good ones of its gauge so far; until: when it will have ended."""
        self._gauge, self._base, self._claimed_until = gauge, answers, until

    @property
    def probing(self) -> int:
        """The gauge of the probe that is under way; 0 for none."""
        return self._gauge

    def put_off(self, now: float, seconds: float) -> None:
        """Note that the probe said nothing of how it is: the next one may go a little later."""
        self._gauge, self._claimed_until = 0, now + seconds

    def share(self, now: float) -> float:
        """Return which part of its share it gets: 1 but on the ramp."""
        return ramp_share(self.since, self.until - self.since, now) if self.state is BreakerState.RAMPING else 1.0

    def recover(self, settings: BreakerSettings, now: float) -> None:
        """Note that the probe went well."""
        self._enter(BreakerState.RAMPING, now, settings.ramp_s)

    def _enter(self, state: BreakerState, now: float, lasts_s: float) -> None:
        self.state, self.since, self.until = state, now, now + lasts_s
        if state is not BreakerState.HALF_OPEN:
            self._gauge, self._claimed_until = 0, 0.0
