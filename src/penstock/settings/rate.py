"""How often something may be asked: ``100/s by tenant burst 20``, in settings, rules and what services declare.

    100/s                   100 requests a second
    10/m by address         for each client address
    5/s by route, principal for each combination of the two
    100/10s burst 20        over ten seconds, at most 20 of them at once

A limit lets through so many requests at once (the burst), and after that as many as the rate refills: over any time at
most ``burst + rate * time``. Without ``burst``, those of one period may come at once, but at most 10,000: nobody who
writes ``1000000/d`` wants the requests of a day in one second, and who does can say so.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from .types import BadValueError, TextKind

PERIOD_MS_MAX: Final = 31 * 86_400_000
REQUESTS_PER_SECOND_MAX: Final = 1_000_000
"""What is told apart by nanoseconds with an error below a thousandth."""
BURST_MAX: Final = 1_000_000
BURST_DEFAULT_MAX: Final = 10_000

_QUOTED: Final = 'in a list, put a limit of two keys in brackets and quotes: ["5/s by route, principal"]'
_UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"(?P<requests>[^\s/]+)/(?P<period>[^\s/]+)(?:\s+by\s+(?P<keys>.+?))?(?:\s+burst\s+(?P<burst>\S+))?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_PERIOD = re.compile(r"([0-9]{0,7})([a-zA-Z]*)")


class RateKey(Enum):
    """By what requests are counted together."""

    ROUTE = "route"
    TENANT = "tenant"
    PRINCIPAL = "principal"
    ADDRESS = "address"


_KEY_NAMES: Final = frozenset(key.value for key in RateKey)


class RateLimit(msgspec.Struct, frozen=True):
    """requests: how many, in period_ms milliseconds, for each value of the keys; burst: how many at once, 1 or more."""

    requests: int
    period_ms: int
    burst: int
    keys: tuple[RateKey, ...] = (RateKey.ROUTE,)

    def __str__(self) -> str:
        """Return the text that says so, with what is by default left out, but for the keys."""
        by = f" by {', '.join(key.value for key in self.keys)}" if self.keys else ""
        burst = f" burst {self.burst}" if self.burst != default_burst(self.requests) else ""
        return f"{self.requests}/{_period_text(self.period_ms)}{by}{burst}"


def default_burst(requests: int) -> int:
    """Return how many requests may come at once where nothing is said."""
    return min(requests, BURST_DEFAULT_MAX)


class RateText(TextKind[RateLimit]):
    """A rate limit. keys: those that may be named; default: where none is named; empty: all are counted as one."""

    label = "rate limit"
    example = "100/s by tenant burst 20"

    def __init__(
        self, keys: Sequence[RateKey] = tuple(RateKey), default: tuple[RateKey, ...] = (RateKey.ROUTE,)
    ) -> None:
        self._keys = {key.value: key for key in keys}
        self._default = default
        if RateKey.TENANT not in keys:
            self.example = "100/s by address burst 20"

    def parse_text(self, text: str) -> RateLimit:
        """Read one limit. Keys are kept in their fixed order: how they are written makes no other limit."""
        form = _FORM.fullmatch(text)
        if text in _KEY_NAMES:
            raise BadValueError(f"{text!r} is no rate limit, but a key", _QUOTED)
        if form is None:
            raise BadValueError(f"{text!r} is no rate limit", f"write how many in which time, like {self.example}")
        requests = _number(form["requests"], "number of requests")
        period_ms = _period(form["period"], form["requests"])
        if requests * 1_000 > REQUESTS_PER_SECOND_MAX * period_ms:
            raise BadValueError(f"{text!r} is more often than can be told apart", "write at most 1000000/s")
        burst = default_burst(requests) if form["burst"] is None else _number(form["burst"], "burst")
        if burst > BURST_MAX:
            raise BadValueError(f"a burst of {burst} is above {BURST_MAX}", f"write burst {BURST_MAX} or less")
        return RateLimit(requests, period_ms, burst, self._keys_of(form["keys"]))

    def _keys_of(self, text: str | None) -> tuple[RateKey, ...]:
        if text is None:
            return self._default
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in self._keys:
                raise BadValueError(
                    f"{name!r} is nothing that is counted by here", f"write by {' or by '.join(self._keys)}"
                )
            if names.count(name) > 1:
                raise BadValueError(f"{name!r} is there twice", "name each key once")
        return tuple(key for name, key in self._keys.items() if name in names)


RATE_LIMIT: Final = RateText()
"""A limit of a route, in rules and in what services declare."""

ADMIT_LIMIT: Final = RateText((RateKey.ROUTE, RateKey.ADDRESS), default=())
"""A limit that holds before anybody is known; without a key it is the whole gateway's."""


def parse_rate_limit(text: str) -> RateLimit:
    """Return the limit of a text, or raise `BadValueError`."""
    return RATE_LIMIT.parse(text)


def _number(text: str, label: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise BadValueError(f"{text!r} is no {label}", "write a whole number from 1 to 999999999")
    return int(text)


def _period(text: str, requests: str) -> int:
    form = _PERIOD.fullmatch(text)
    unit = _UNITS.get(form[2]) if form else None
    if form is None or unit is None:
        raise BadValueError(f"{text!r} is no period ({', '.join(_UNITS)})", f"write {requests}/s, /m, /h or /d")
    period_ms = int(form[1] or 1) * unit
    if not 0 < period_ms <= PERIOD_MS_MAX:
        raise BadValueError(f"the period {text!r} is not between 1s and 31d", f"write {requests}/s, /m, /h or /d")
    return period_ms


def _period_text(period_ms: int) -> str:
    unit, scale = next((name, scale) for name, scale in reversed(_UNITS.items()) if period_ms % scale == 0)
    count = period_ms // scale
    return unit if count == 1 else f"{count}{unit}"
