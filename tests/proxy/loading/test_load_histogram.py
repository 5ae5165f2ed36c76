"""Latencies are counted by HdrHistogram's rule."""

import random

import pytest
from hdrh.histogram import HdrHistogram

from proxy.loading.histogram import Histogram, index_of, upper_us

HOUR_US = 3_600_000_000


def test_buckets_are_those_of_hdrhistogram() -> None:
    theirs = HdrHistogram(1, HOUR_US, 3)
    draw = random.Random(7)
    values = [*range(1, 5_000), *(int(2 ** draw.uniform(0, 31.7)) for _ in range(20_000))]
    for value in values:
        assert upper_us(index_of(value)) == theirs.get_highest_equivalent_value(value)


def test_percentiles_are_those_of_the_sorted_values() -> None:
    draw = random.Random(11)
    values = sorted(int(draw.expovariate(1 / 3_000)) for _ in range(10_001))
    histogram = Histogram.of(values)
    for percent in (0.0, 1, 25, 50, 90, 99, 99.9, 99.99, 100):
        wanted = values[max(0, -(-len(values) * percent // 100).__trunc__() - 1)] if percent else values[0]
        assert wanted <= histogram.percentile_us(percent) <= wanted * 1.001 + 1
    assert histogram.percentile_us(100) == values[-1]
    assert (histogram.count, histogram.min_us, histogram.max_us) == (len(values), values[0], values[-1])
    assert histogram.mean_us == pytest.approx(sum(values) / len(values))


def test_two_merged_are_one() -> None:
    one, other = Histogram.of([5, 70_000]), Histogram.of([1, 5, 9_000_000])
    one.merge(other)
    one.merge(Histogram())
    whole = Histogram.of([5, 70_000, 1, 5, 9_000_000])
    assert one.to_plain() == whole.to_plain()
    empty = Histogram()
    empty.merge(whole)
    assert empty.to_plain() == whole.to_plain()


def test_it_is_the_same_after_json() -> None:
    histogram = Histogram.of([0, 3, 2_047, 2_048, 123_456, 60_000_000])
    assert Histogram.from_plain(histogram.to_plain()).to_plain() == histogram.to_plain()


def test_nothing_was_counted() -> None:
    histogram = Histogram()
    assert (histogram.percentile_us(99), histogram.mean_us, list(histogram.buckets())) == (0, 0.0, [])


def test_what_is_below_zero_counts_as_zero() -> None:
    assert list(Histogram.of([-5]).buckets()) == [(0, 1)]
