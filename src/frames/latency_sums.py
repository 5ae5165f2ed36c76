"""What the wire counted by bucket, put together: how many values are within each of a few bounds, and their sum.

Contract of the C side: csrc/latency_sums.h. A thousand routes have millions of buckets, too many to be looked at in
Python while requests wait.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from frames._native import ffi, lib

FINE: Final = 7
"""Of the rule with two significant digits: 2^7 buckets for each doubling."""

COARSE: Final = 4
"""Of the rule with one significant digit."""

_VALUE_BITS: Final = 27
"""What is longer than 2^27 - 1 microseconds is counted in the last bucket."""


class Times(Enum):
    """What the wire counts times of, and by which rule: fine or coarse."""

    ROUTE_LATENCY = "wire_route_latency"
    """By route, fine: from sending an attempt to its response."""
    ROUTE_TOTALS = "wire_route_totals"
    """By route, fine: the whole time at the edge."""
    ROUTE_GATEWAY = "wire_route_gateway"
    """By route, coarse: the part of it that no service had the request."""
    INSTANCE_LATENCY = "wire_instance_latency"
    """By framed connection, coarse."""


def count_of(half_bits: int) -> int:
    """Return how many buckets a rule has."""
    return (_VALUE_BITS - half_bits + 1) << half_bits


def upper_bound_us(index: int, half_bits: int) -> int:
    """Return the greatest value that falls into a bucket."""
    doubling = max((index >> half_bits) - 1, 0)
    return ((index - (doubling << half_bits) + 1) << doubling) - 1


class LatencySums:
    """Puts counts of one rule together for a row of bounds.

    A bucket that a bound cuts in two counts as above it: what is told as within a bound was within it, and only the
    last 1 % below the bound may be missing (6 % by the coarse rule).
    """

    def __init__(self, bounds_us: Sequence[int], half_bits: int = FINE) -> None:
        """bounds_us: rising; half_bits: FINE or COARSE."""
        self._count, self._half_bits = count_of(half_bits), half_bits
        uppers = [upper_bound_us(index, half_bits) for index in range(self._count)]
        self._ends = ffi.new("uint32_t[]", [bisect_right(uppers, bound) for bound in bounds_us])
        self._bounds = len(bounds_us)
        self._totals = ffi.new("uint64_t[]", self._bounds + 1)

    def of(self, counts: Any) -> tuple[list[int], float]:
        """Return how many values are within each bound, and last how many there are; and their sum in microseconds.

        counts: a ``uint64_t *`` of as many buckets as the rule has. The sum takes each value as the middle of its
        bucket, and so is within 0.4 % (3 % by the coarse rule).
        """
        sum_us = lib.latency_sums(counts, self._count, self._half_bits, self._ends, self._bounds, self._totals)
        return ffi.unpack(self._totals, self._bounds + 1), sum_us
