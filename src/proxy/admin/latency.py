"""The bucket rule of the wire's latency counts. What is told from them: `frames.latency_sums`.

It is HdrHistogram's rule with a unit of 1 µs, two significant digits and at most 2^27 - 1 µs (134 s): up to 255 µs each
value has its own bucket, from there on each power of two is cut into 128, so that a bucket is narrower than 1 % of what
it holds. csrc/wire.h (wire_route_latency) counts by the same rule; change both or neither.
"""

from typing import Final

COUNTS: Final = 2688
"""Entries of one route's counts: WIRE_LATENCY_COUNTS."""

VALUE_US_MAX: Final = (1 << 27) - 1
"""What is longer is counted in the last bucket."""

_HALF_BITS: Final = 7  # 128 buckets for each power of two
_HALF: Final = 1 << _HALF_BITS


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
