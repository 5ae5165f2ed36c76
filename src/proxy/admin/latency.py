"""The bucket rule of the wire's latency counts, and what can be told from them.

It is HdrHistogram's rule with a unit of 1 µs, two significant digits and at most 2^27 - 1 µs (134 s): up to 255 µs each
value has its own bucket, from there on each power of two is cut into 128, so that a bucket is narrower than 1 % of what
it holds. csrc/wire.h (wire_route_latency) counts by the same rule; change both or neither.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import mul
from typing import Final

COUNTS: Final = 2688
"""Entries of one route's counts: WIRE_LATENCY_COUNTS."""

VALUE_US_MAX: Final = (1 << 27) - 1
"""What is longer is counted in the last bucket."""

_HALF_BITS: Final = 7  # 128 buckets for each power of two
_HALF: Final = 1 << _HALF_BITS

BOUNDS_S: Final = (
    *(0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""The Prometheus buckets: from what a gateway and a fast service take together to the longest deadline."""


def index_of(value_us: int) -> int:
    """The bucket of a value, 0 to COUNTS - 1. A value above VALUE_US_MAX falls into the last."""
    value = min(value_us, VALUE_US_MAX)
    shift = max(value.bit_length() - _HALF_BITS - 1, 0)
    return (shift << _HALF_BITS) + (value >> shift)


def _shift_of(index: int) -> int:
    return max((index >> _HALF_BITS) - 1, 0)


def lower_bound_us(index: int) -> int:
    """The least value that falls into the bucket."""
    shift = _shift_of(index)
    return (index - (shift << _HALF_BITS)) << shift


def upper_bound_us(index: int) -> int:
    """The greatest value that falls into the bucket."""
    return lower_bound_us(index) + (1 << _shift_of(index)) - 1


_MIDPOINTS_US = [(lower_bound_us(index) + upper_bound_us(index)) / 2 for index in range(COUNTS)]
_UPPER_BOUNDS_US = [upper_bound_us(index) for index in range(COUNTS)]
_ENDS = [bisect_right(_UPPER_BOUNDS_US, round(bound * 1_000_000)) for bound in BOUNDS_S]


def cumulative(counts: Sequence[int]) -> list[int]:
    """
    How many values are at most each of BOUNDS_S, and last how many there are. A bucket that a bound cuts in two counts
    as above it: what is told as within a bound was within it, and only the last 1 % below the bound may be missing.
    """
    totals, begin, total = [], 0, 0
    for end in (*_ENDS, COUNTS):
        total += sum(counts[begin:end])
        totals.append(total)
        begin = end
    return totals


def sum_s(counts: Sequence[int]) -> float:
    """The sum of all values in seconds, taking each as the middle of its bucket: within 0.4 %, exact up to 255 µs."""
    total_us: float = sum(map(mul, counts, _MIDPOINTS_US))
    return total_us / 1_000_000
