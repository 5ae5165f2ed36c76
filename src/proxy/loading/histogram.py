"""Latencies, counted by HdrHistogram's rule with a unit of 1 µs and three significant digits.

Up to 2,047 µs each value has a bucket of its own; from there on each power of two is cut into 1,024, so that a bucket
is narrower than 0.1 % of what it holds. Only buckets that hold something take memory.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

_HALF_BITS: Final = 10


def index_of(value_us: int) -> int:
    """Return the bucket of a value; what is below zero counts as zero."""
    value = max(value_us, 0)
    shift = max(value.bit_length() - _HALF_BITS - 1, 0)
    return (shift << _HALF_BITS) + (value >> shift)


def upper_us(index: int) -> int:
    """Return the greatest value that falls into the bucket."""
    shift = max((index >> _HALF_BITS) - 1, 0)
    return ((index - (shift << _HALF_BITS) + 1) << shift) - 1


class Histogram:
    """How many values there were of each size, in microseconds."""

    __slots__ = ("_counts", "count", "max_us", "min_us", "sum_us")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts: dict[int, int] = {}
        self.count = 0
        self.sum_us = 0
        self.min_us = 0
        self.max_us = 0

    def __repr__(self) -> str:
        """Count and extremes on one line."""
        return f"<Histogram count={self.count} min={self.min_us} max={self.max_us}>"

    def record(self, value_us: int) -> None:
        """Count a value. This is run for each request."""
        if value_us < 0:
            value_us = 0
        shift = value_us.bit_length() - _HALF_BITS - 1
        index = (shift << _HALF_BITS) + (value_us >> shift) if shift > 0 else value_us
        counts = self._counts
        counts[index] = counts.get(index, 0) + 1
        if not self.count or value_us < self.min_us:
            self.min_us = value_us
        if value_us > self.max_us:
            self.max_us = value_us
        self.count += 1
        self.sum_us += value_us

    def merge(self, other: "Histogram") -> None:
        """Take in what another one has counted."""
        if not other.count:
            return
        for index, count in other._counts.items():
            self._counts[index] = self._counts.get(index, 0) + count
        self.min_us = min(self.min_us, other.min_us) if self.count else other.min_us
        self.max_us = max(self.max_us, other.max_us)
        self.count += other.count
        self.sum_us += other.sum_us

    @property
    def mean_us(self) -> float:
        """The mean; 0 where nothing was counted."""
        return self.sum_us / self.count if self.count else 0.0

    def percentile_us(self, percent: float) -> int:
        """Return the value that so many percent of all values do not exceed, to 0.1 %; 0 where nothing was counted."""
        wanted = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for index in sorted(self._counts):
            seen += self._counts[index]
            if seen >= wanted:
                return min(upper_us(index), self.max_us)
        return self.max_us

    def buckets(self) -> Iterator[tuple[int, int]]:
        """Yield the greatest value of each bucket that holds something, and how many it holds, upwards."""
        for index in sorted(self._counts):
            yield upper_us(index), self._counts[index]

    def to_plain(self) -> dict[str, object]:
        """Return it as plain values, for JSON; `from_plain` reads them."""
        return {
            "count": self.count,
            "sum_us": self.sum_us,
            "min_us": self.min_us,
            "max_us": self.max_us,
            "buckets": [list(bucket) for bucket in self.buckets()],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Histogram":
        """Return the histogram that `to_plain` has told of."""
        histogram = cls()
        histogram._counts = {index_of(upper): count for upper, count in plain["buckets"]}
        histogram.count, histogram.sum_us = plain["count"], plain["sum_us"]
        histogram.min_us, histogram.max_us = plain["min_us"], plain["max_us"]
        return histogram

    @classmethod
    def of(cls, values_us: Iterable[int]) -> "Histogram":
        """Return a histogram of these values."""
        histogram = cls()
        for value in values_us:
            histogram.record(value)
        return histogram
