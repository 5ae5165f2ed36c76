"""When a second attempt is made, and how often: by plain counts, and at random."""

import random

import pytest

from proxy.admin.latency import COUNTS, index_of, upper_bound_us
from proxy.attempts.hedge import BURST, REFRESH_S, SAMPLES_MIN, HedgeDelay, HedgeRate, percentile


def counted(*values_us: int) -> list[int]:
    counts = [0] * COUNTS
    for value in values_us:
        counts[index_of(value)] += 1
    return counts


def added(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize(
    ("share", "index"), [(0.0, 3), (0.1, 3), (0.5, 3), (0.51, 5), (0.9, 5), (0.91, 7), (0.99, 7), (1.0, 7)]
)
def test_a_percentile_is_the_bucket_up_to_which_there_is_that_share(share: float, index: int) -> None:
    counts = [0] * 10
    counts[3], counts[5], counts[7] = 5, 4, 1
    assert percentile(counts, 10, share) == index


def test_the_delay_is_learned_once_there_is_enough() -> None:
    delay = HedgeDelay(5, upper_bound_us)
    few = counted(*[2_000] * (SAMPLES_MIN - 1))
    delay.look(few, 0.0)
    assert delay.delay_ms == 0
    delay.look(added(few, counted(2_000)), 1.0)
    assert delay.delay_ms == 3  # 2 ms, at the upper end of its bucket, and no part of a millisecond too early


def test_the_slow_part_is_what_is_hedged() -> None:
    delay = HedgeDelay(5, upper_bound_us)
    delay.look(counted(*[1_000] * 950, *[80_000] * 50), 0.0)
    assert delay.delay_ms == 1 + 1
    delay = HedgeDelay(5, upper_bound_us)
    delay.look(counted(*[1_000] * 900, *[80_000] * 100), 0.0)
    assert 80 <= delay.delay_ms <= 81


def test_what_was_learned_holds_until_there_is_enough_that_is_new() -> None:
    delay = HedgeDelay(10, upper_bound_us)
    first = counted(*[1_000] * SAMPLES_MIN)
    delay.look(first, 0.0)
    before = delay.delay_ms
    slow = added(first, counted(*[50_000] * (SAMPLES_MIN - 1)))
    delay.look(slow, 1.0)
    assert delay.delay_ms == before
    delay.look(added(slow, counted(50_000)), 2.0)
    assert 50 <= delay.delay_ms <= 51


def test_counts_that_were_begun_anew_are_taken_as_they_are() -> None:
    delay = HedgeDelay(10, upper_bound_us)
    delay.look(counted(*[50_000] * 1_000), 0.0)
    delay.look(counted(*[1_000] * SAMPLES_MIN), 1.0)
    assert delay.delay_ms == 2


def test_it_is_looked_at_once_a_second() -> None:
    delay = HedgeDelay(10, upper_bound_us)
    assert delay.due <= 0.0
    delay.look([0] * COUNTS, 5.0)
    assert not (delay.due <= 5.0 + REFRESH_S / 2)
    assert delay.due <= 5.0 + REFRESH_S


def test_a_fast_service_is_hedged_after_a_millisecond_at_the_earliest() -> None:
    delay = HedgeDelay(10, upper_bound_us)
    delay.look(counted(*[50] * SAMPLES_MIN), 0.0)
    assert delay.delay_ms == 1


def test_no_more_than_the_part_is_hedged_whatever_comes() -> None:
    rand = random.Random(3)
    for percent in (0.5, 1, 5, 20, 100):
        rate, requests, hedges = HedgeRate(percent), 0, 0
        for _ in range(20_000):
            if rand.random() < 0.7:
                rate.saw()
                requests += 1
            elif rate.take():
                hedges += 1
            assert hedges <= requests * percent / 100 + BURST


def test_after_a_quiet_time_a_few_may_be_made_in_a_row() -> None:
    rate = HedgeRate(5)
    assert rate.take()
    assert not rate.take()
    for _ in range(10_000):
        rate.saw()
    assert [rate.take() for _ in range(11)] == [True] * 10 + [False]
