"""Counts by bucket, put together in C, against the rule written down plainly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames._native import ffi
from frames.latency_sums import COARSE, FINE, LatencySums, count_of, upper_bound_us

RULES = (FINE, COARSE)
VALUE_MAX = 2**27 - 1
BOUNDS = (250, 500, 1_000, 25_000, 1_000_000, 30_000_000)


def index_of(value: int, half_bits: int) -> int:
    """The bucket of a value: each of 2^(half_bits + 1) at first, then 2^half_bits for each doubling."""
    value = min(value, VALUE_MAX)
    doubling = max(value.bit_length() - half_bits - 1, 0)
    return (doubling << half_bits) + (value >> doubling)


def counts_of(values: list[int], half_bits: int) -> object:
    counts = [0] * count_of(half_bits)
    for value in values:
        counts[index_of(value, half_bits)] += 1
    return ffi.new("uint64_t[]", counts)


def test_there_are_as_many_buckets_as_the_wire_has() -> None:
    assert (count_of(FINE), count_of(COARSE)) == (2688, 384)


@pytest.mark.parametrize("half_bits", RULES)
def test_each_bucket_ends_where_the_next_begins(half_bits: int) -> None:
    for index in range(count_of(half_bits) - 1):
        assert index_of(upper_bound_us(index, half_bits), half_bits) == index
        assert index_of(upper_bound_us(index, half_bits) + 1, half_bits) == index + 1
    assert upper_bound_us(count_of(half_bits) - 1, half_bits) == VALUE_MAX


@pytest.mark.parametrize("half_bits", RULES)
def test_of_nothing(half_bits: int) -> None:
    assert LatencySums(BOUNDS, half_bits).of(counts_of([], half_bits)) == ([0] * (len(BOUNDS) + 1), 0.0)


@pytest.mark.parametrize("half_bits", RULES)
def test_without_bounds_there_is_the_count(half_bits: int) -> None:
    assert LatencySums((), half_bits).of(counts_of([1, 2, 3], half_bits)) == ([3], 6.0)


@pytest.mark.parametrize("half_bits", RULES)
@settings(max_examples=200, derandomize=True, deadline=None)
@given(values=st.lists(st.integers(0, 60_000_000) | st.sampled_from(BOUNDS), max_size=50))
def test_what_is_told_as_within_a_bound_was_within_it(half_bits: int, values: list[int]) -> None:
    within, sum_us = LatencySums(BOUNDS, half_bits).of(counts_of(values, half_bits))
    assert within == sorted(within)
    assert within[-1] == len(values)
    width = 1 / (1 << half_bits)
    for bound, told in zip(BOUNDS, within, strict=False):
        assert sum(value <= bound * (1 - width) for value in values) <= told <= sum(value <= bound for value in values)
    assert sum_us == pytest.approx(sum(values), rel=width / 2)


def test_large_counts_are_whole() -> None:
    counts = [0] * count_of(FINE)
    counts[100] = 2**60
    within, sum_us = LatencySums((50, 200)).of(ffi.new("uint64_t[]", counts))
    assert within == [0, 2**60, 2**60]
    assert sum_us == pytest.approx(100 * 2.0**60)
