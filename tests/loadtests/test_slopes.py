"""Robust slopes: what they are, that outliers do not move them, and that nothing is told of too little."""

import random

import pytest
from loadtests.verdict.slopes import middle, ratio_of, theil_sen, thinned


def test_the_slope_of_a_line_is_the_line() -> None:
    found = theil_sen([(float(x), 3.0 + 0.5 * x) for x in range(1_000)])
    assert found is not None
    assert found == pytest.approx((0.5, 0.5, 0.5))


def test_a_quarter_of_outliers_does_not_move_it() -> None:
    chance = random.Random(1)
    points = [(float(x), 2.0 * x if x % 4 else chance.uniform(0, 1e6)) for x in range(200)]
    found = theil_sen(points)
    assert found is not None
    assert found.value == pytest.approx(2.0, rel=0.05)


def test_the_interval_holds_the_slope_of_noise_nearly_always() -> None:
    chance = random.Random(7)
    hits = 0
    for _ in range(40):
        found = theil_sen([(float(x), 0.1 * x + chance.gauss(0, 3)) for x in range(60)])
        assert found is not None
        hits += found.low <= 0.1 <= found.high
    assert hits >= 34


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)] * 3, [(5.0, float(y)) for y in range(10)]])
def test_too_little_tells_nothing(points: list[tuple[float, float]]) -> None:
    assert theil_sen(points) is None


def test_many_points_become_medians_of_neighbours() -> None:
    points = [(float(x), 1_000.0 if x == 55 else 1.0) for x in range(100)]
    few = thinned(points, 10)
    assert len(few) == 10
    assert {y for _, y in few} == {1.0}
    assert thinned(points[:5], 10) == points[:5]


def test_a_ratio_is_that_of_the_middles_and_lies_in_its_interval() -> None:
    chance = random.Random(3)
    first = [chance.gauss(100, 5) for _ in range(20)]
    found = ratio_of(first, [1.15 * value for value in first])
    assert found is not None
    assert found.value == pytest.approx(1.15)
    assert 1.05 < found.low < 1.15 < found.high < 1.25
    assert found == ratio_of(first, [1.15 * value for value in first])  # what is drawn is seeded
    assert ratio_of(first[:3], first) is None
    assert ratio_of([0.0] * 8, first) is None


def test_the_middle_leaves_out_a_quarter_at_each_end() -> None:
    assert middle([1.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 1e9]) == pytest.approx(12.5)
    assert middle([7.0]) == 7.0
