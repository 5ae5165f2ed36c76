"""Outliers: who fails more, or is slower, than those beside it. Plain functions and counts; no clock.

The window of outcomes is counted in requests and not in seconds, so what is decided does not depend on how many come.
It has an end in time too: what failed a minute ago, when hardly anybody asks, says nothing of now.

Good answers are not told one by one: who counts them says how many there were since the last failure.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

WINDOW_S: Final = 60.0
"""How old an outcome may be."""

TIMES_AS_BAD: Final = 2.0
"""As the others, at least, is who fails more than they: where all fail alike, it is not the instance."""

SLOW_US: Final = 100_000
"""What is faster than this is not slow, whatever others do."""

PEERS_MIN: Final = 2
"""Others that there must be to be compared with, for being slow: of two, nobody knows which is usual."""


class Window:
    """The last outcomes of one endpoint of one instance: failures by their place in the row of all outcomes."""

    __slots__ = ("_bad", "_count", "_size", "_start")

    def __init__(self, size: int, good: int = 0) -> None:
        """size: how many outcomes it holds. good: those that there were before the first failure."""
        self._size = size
        self._count = min(good, size)
        self._start = 0
        self._bad: deque[tuple[int, float]] = deque()

    def failed(self, good: int, now: float) -> None:
        """Take in good outcomes, and one that failed behind them."""
        self.forget(now)
        self._count += min(good, self._size)
        self._bad.append((self._count, now))
        self._count += 1
        self._drop_before(self._count - self._size)

    def forget(self, now: float) -> None:
        """Forget what is too old. The good ones before a failure that is forgotten are as old at least."""
        while self._bad and self._bad[0][1] <= now - WINDOW_S:
            self._start = self._bad.popleft()[0] + 1

    def __len__(self) -> int:
        """How many outcomes it has."""
        return min(self._count - self._start, self._size)

    @property
    def failures(self) -> int:
        """How many of them failed."""
        return len(self._bad)

    def failed_part(self, good_since: int = 0) -> float:
        """Return which part of them failed, 0 to 1. good_since: those behind the last failure."""
        if good_since:
            size = min(len(self) + good_since, self._size)
            first = self._count + good_since - size
            return sum(place >= first for place, _ in self._bad) / size
        return len(self._bad) / len(self) if len(self) else 0.0

    def _drop_before(self, first: int) -> None:
        while self._bad and self._bad[0][0] < first:
            self._bad.popleft()

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Window {self.failures} of {len(self)} failed>"


def is_worse(part: float, others: Sequence[float]) -> bool:
    """Whether who fails in this part of the cases is worse than others at the same thing; with nobody beside it, no."""
    return bool(others) and part >= TIMES_AS_BAD * sum(others) / len(others)


def is_slow(latency_us: float, others: Sequence[float], factor: float) -> bool:
    """Whether who takes this long is slow beside the others: so many times their median. factor 0: nobody is.

    Averages of 0 mean that nothing was measured yet, and are not compared.
    """
    known = [each for each in others if each]
    if not factor or len(known) < PEERS_MIN:
        return False
    return latency_us > SLOW_US and latency_us > factor * _median(known)


def _median(numbers: Sequence[float]) -> float:
    """Return what half of them are below; of an even number of them, the middle between the two."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
