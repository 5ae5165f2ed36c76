import re
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.admin.latency import COUNTS, VALUE_US_MAX, index_of, lower_bound_us, upper_bound_us

ORACLE = HdrHistogram(1, 2**27 - 1, 2)
EDGES = sorted({max(0, (1 << power) + step) for power in range(27) for step in (-1, 0, 1)})


def test_there_are_as_many_counts_as_the_oracle_and_the_wire_have() -> None:
    header = (Path(__file__).parents[3] / "csrc" / "wire_values.h").read_text()
    assert ORACLE.counts_len == COUNTS
    assert re.search(r"WIRE_LATENCY_COUNTS = (\d+)", header)[1] == str(COUNTS)  # type: ignore[index]


@pytest.mark.parametrize("value", [*EDGES, VALUE_US_MAX])
def test_the_rule_is_that_of_hdrhistogram_at_every_edge(value: int) -> None:
    index = index_of(value)
    assert index == ORACLE._counts_index_for(value)
    assert lower_bound_us(index) == ORACLE.get_lowest_equivalent_value(value)
    assert upper_bound_us(index) == ORACLE.get_highest_equivalent_value(value)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.integers(0, VALUE_US_MAX))
def test_the_rule_is_that_of_hdrhistogram(value: int) -> None:
    index = index_of(value)
    assert index == ORACLE._counts_index_for(value)
    assert lower_bound_us(index) <= value <= upper_bound_us(index)
    assert upper_bound_us(index) - lower_bound_us(index) <= value / 100


def test_the_buckets_lie_side_by_side() -> None:
    assert lower_bound_us(0) == 0
    for index in range(1, COUNTS):
        assert lower_bound_us(index) == upper_bound_us(index - 1) + 1
    assert upper_bound_us(COUNTS - 1) == VALUE_US_MAX


@pytest.mark.parametrize("value", [VALUE_US_MAX + 1, 2**32, 2**63])
def test_what_is_longer_falls_into_the_last_bucket(value: int) -> None:
    assert index_of(value) == COUNTS - 1
