"""Percentiles of what was counted by the buckets of `proxy.admin.latency`."""

from collections.abc import Callable, Mapping
from typing import Final

from proxy.admin.latency import upper_bound_us

_COARSE_HALF_BITS: Final = 4  # 16 buckets for each power of two


def coarse_bound_us(index: int) -> int:
    """Return the greatest value that falls into a bucket of the wire's coarser rule, narrower than 7 % of it."""
    doubling = max((index >> _COARSE_HALF_BITS) - 1, 0)
    return ((index - (doubling << _COARSE_HALF_BITS) + 1) << doubling) - 1


def percentile_us(
    counts: Mapping[int, int], percent: float, bound_of: Callable[[int], int] = upper_bound_us
) -> int | None:
    """Return what so many percent of the values are at most, as exactly as buckets tell: the upper bound of one.

    None where there are no values. bound_of: the upper bound of a bucket.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted, seen = total * percent / 100, 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= wanted:
            return bound_of(index)
    return bound_of(max(counts))


def risen(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Return what was counted in between. Where anything fell, the counts began anew: all of them are new."""
    grown = {index: count - before.get(index, 0) for index, count in after.items()}
    if any(count < 0 for count in grown.values()) or any(index not in after for index in before):
        return dict(after)
    return {index: count for index, count in grown.items() if count}


def added(one: dict[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """Add counts to others, in place, and return them."""
    for index, count in other.items():
        one[index] = one.get(index, 0) + count
    return one
