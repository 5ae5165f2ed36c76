"""Hedge: when a second attempt is made beside one that has not failed, and how often. The brain, without I/O or clock.

Of many alike requests a few take far longer than the others, for no fault of theirs: a pause, a queue, a lost packet.
A second attempt at another instance, made at the moment at which only `extra` of all requests are still without an
answer, cuts that tail, and costs about that much more load (Dean and Barroso, The Tail at Scale, 2013).

When that moment is follows from the route's own figures. When they were learned while all was well, and all is slow
now, every request would be hedged: so hedges are counted, too, and are never more than `extra` of the requests.
"""

from collections.abc import Callable, Sequence
from typing import Final

REFRESH_S: Final = 1.0
SAMPLES_MIN: Final = 100
"""Below, a percentile says nothing; what is missing is waited for, however long that takes."""
BURST: Final = 10.0
"""Hedges that may be made in a row, where few were made before: those of one slow moment."""


class HedgeRate:
    """At most a part of the requests is hedged: each puts that part of a token in, a hedge takes a whole one."""

    __slots__ = ("_part", "_tokens")

    def __init__(self, percent: float) -> None:
        """percent: of the requests, 0 to 100."""
        self._part = percent / 100
        self._tokens = 1.0

    def saw(self, count: int = 1) -> None:
        """Take in that there were requests."""
        self._tokens = min(BURST, self._tokens + count * self._part)

    def take(self) -> bool:
        """Take a token for one hedge; False: there is none."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class HedgeDelay:
    """After how many milliseconds a request of a route is hedged, by the counts of the route's times to respond."""

    __slots__ = ("_before", "_bound_us", "_share", "delay_ms", "due")

    def __init__(self, percent: float, bound_us: Callable[[int], int]) -> None:
        """percent: of the requests that are to be hedged; bound_us: the greatest value that a bucket counts."""
        self._share = 1 - percent / 100
        self._bound_us = bound_us
        self._before: Sequence[int] = ()
        self.due = 0.0
        """When it is time to look at the counts again."""
        self.delay_ms = 0
        """0: not known yet, so that none is hedged."""

    def look(self, counts: Sequence[int], now: float) -> None:
        """Learn from counts that only ever rise; what was learned holds until there is enough that is new."""
        self.due = now + REFRESH_S
        new = _since(counts, self._before)
        total = sum(new)
        if total < SAMPLES_MIN:
            return
        self._before = counts
        self.delay_ms = max(1, -(-self._bound_us(percentile(new, total, self._share)) // 1_000))


def percentile(counts: Sequence[int], total: int, share: float) -> int:
    """Return the first bucket up to which there is at least this share of all values. total: their sum, above 0."""
    wanted, so_far = share * total, 0
    for index, count in enumerate(counts):
        so_far += count
        if count and so_far >= wanted:
            return index
    return len(counts) - 1


def _since(counts: Sequence[int], before: Sequence[int]) -> Sequence[int]:
    """Return what was counted since; all of it, where the counts were begun anew."""
    if not before:
        return counts
    new = [now - then for now, then in zip(counts, before, strict=True)]
    return counts if min(new, default=0) < 0 else new
