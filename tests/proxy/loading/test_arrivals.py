"""When requests are due."""

from itertools import pairwise

import pytest

from proxy.loading.arrivals import Arrivals


def test_even_ones_have_the_same_gap() -> None:
    assert list(Arrivals(4, 1.5).offsets_us()) == [0, 250_000, 500_000, 750_000, 1_000_000, 1_250_000]


def test_parts_of_a_load_come_between_each_other() -> None:
    parts = [list(Arrivals(2, 1.0, begin_s=begin).offsets_us()) for begin in (0.0, 0.25)]
    assert sorted(offset for part in parts for offset in part) == list(Arrivals(4, 1.0).offsets_us())


def test_no_rounding_adds_up() -> None:
    offsets = list(Arrivals(3, 1_000).offsets_us())
    assert len(offsets) == 3_000
    assert offsets[-1] == pytest.approx(999_666_666, abs=2)


def test_those_by_chance_have_the_rate_in_the_mean_and_are_within_the_time() -> None:
    offsets = list(Arrivals(1_000, 20, "poisson", seed=3).offsets_us())
    assert offsets == sorted(offsets)
    assert offsets[-1] < 20_000_000
    assert len(offsets) == pytest.approx(20_000, rel=0.05)
    gaps = [later - earlier for earlier, later in pairwise(offsets)]
    assert sum(gap > 1_000 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)  # 1/e, as it must be


def test_chance_is_the_same_for_the_same_seed() -> None:
    one, same, other = (list(Arrivals(50, 2, "poisson", seed).offsets_us()) for seed in (1, 1, 2))
    assert one == same != other
