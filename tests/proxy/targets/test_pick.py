"""The choice of one instance: which one, how often, and that none is starved."""

import math
import random
from array import array
from collections import Counter
from collections.abc import Sequence

import pytest
from balance_support import Model, figures, offers, shares_of

from proxy.targets.pick import Figures, make_pick_of_two
from proxy.targets.shares import Shares


def draw(
    count: int,
    in_flight: Sequence[int],
    latency_us: Sequence[float],
    handicap: Sequence[float] = (),
    times: int = 4000,
) -> list[float]:
    shares = Shares(count)
    shares.handicap[: len(handicap)] = handicap
    pick = make_pick_of_two(Figures(in_flight, latency_us, shares, Counter(), random.Random(7).random))
    candidates, chosen = offers(count), Counter[int]()
    for _ in range(times):
        offer = pick(candidates)
        assert offer is not None
        chosen[offer.slot] += 1
    return shares_of(chosen, count)


def no_rand() -> float:
    raise AssertionError("no number is needed for fewer than two")


def test_of_none_none_is_chosen() -> None:
    assert make_pick_of_two(figures(1, no_rand))(()) is None


def test_of_one_that_one_is_chosen_without_a_look_at_its_load() -> None:
    (one,) = offers(1)
    assert make_pick_of_two(Figures([], [], Shares(0), Counter(), no_rand))((one,)) is one


@pytest.mark.parametrize("rand", [0.0, 0.5, math.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("count", [2, 3, 7, 4096])
def test_every_number_that_a_generator_can_give_chooses_one(count: int, rand: float) -> None:
    assert make_pick_of_two(figures(count, lambda: rand))(offers(count)) is not None


@pytest.mark.parametrize("count", [2, 3, 10])
@pytest.mark.parametrize("latency_us", [0.0, 500.0])
def test_equals_are_chosen_equally(count: int, latency_us: float) -> None:
    assert draw(count, [2] * count, [latency_us] * count) == pytest.approx([1] * count, abs=0.15)


def test_one_with_more_in_flight_is_chosen_rarely() -> None:
    assert draw(2, [1, 0], [500.0, 500.0])[0] == pytest.approx(1 / 32, abs=0.03)


def test_a_slow_one_is_chosen_rarely_but_is_looked_at() -> None:
    assert draw(2, [0, 0], [5000.0, 500.0])[0] == pytest.approx(1 / 32, abs=0.03)


@pytest.mark.parametrize(("times", "share"), [(1.5, 1.0), (2, 0.56), (3, 0.25), (5, 0.09), (20, 1 / 32)])
def test_the_farther_behind_an_average_is_the_less_it_is_taken_for_chance(times: float, share: float) -> None:
    assert draw(2, [0, 0], [500.0 * times, 500.0])[0] == pytest.approx(share, abs=0.06)
    assert draw(2, [1, 0], [500.0 * times, 500.0])[0] == pytest.approx(1 / 32, abs=0.03)


def test_a_slow_one_with_nothing_to_do_wins_over_a_fast_one_with_a_queue() -> None:
    assert draw(2, [0, 19], [5000.0, 500.0])[0] > 1.9


def test_what_is_within_the_noise_counts_as_equal() -> None:
    assert draw(2, [0, 0], [700.0, 500.0]) == pytest.approx([1, 1], abs=0.1)


def test_one_that_reports_load_is_chosen_less_where_the_rest_is_equal() -> None:
    assert draw(2, [0, 0], [500.0, 500.0], [2.0, 1.0])[0] == pytest.approx((1.5 / 2) ** 2, abs=0.08)
    assert draw(2, [1, 0], [500.0, 500.0], [2.0, 1.0])[0] == pytest.approx(1 / 32, abs=0.03)
    assert draw(2, [0, 0], [500.0, 500.0], [1.4, 1.0]) == pytest.approx([1, 1], abs=0.1)
    assert draw(2, [0, 3], [500.0, 500.0], [2.0, 1.0])[0] > 1.0


def test_one_that_was_not_measured_gets_its_share_and_no_more() -> None:
    assert draw(5, [0] * 5, [0.0, 500.0, 500.0, 500.0, 500.0]) == pytest.approx([1] * 5, abs=0.15)
    assert draw(2, [1, 0], [0.0, 500.0])[0] < 0.1


def test_the_worst_of_many_is_chosen_only_for_being_looked_at() -> None:
    assert draw(10, [0] * 10, [9000.0] + [500.0] * 9)[0] == pytest.approx(1 / 32, abs=0.04)


# A model of services.


def simulate(
    mean_ms: Sequence[float], rate: float, seconds: float, first_us: Sequence[float] = (), seed: int = 11
) -> list[float]:
    """Return the shares of each in the second half of the time. first_us: averages to begin with, 0 unless given."""
    model = Model(mean_ms, seed)
    latency_us = model.figures.latency_us
    assert isinstance(latency_us, array)
    for slot, average_us in enumerate(first_us):
        latency_us[slot] = average_us
    pick = make_pick_of_two(model.figures)

    def choose() -> object:
        return pick(model.offers)

    model.run(choose, rate, seconds / 2)  # type: ignore[arg-type]
    return shares_of(model.run(choose, rate, seconds / 2), len(mean_ms))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "rate", "seconds"), [(2, 2, 1500), (2, 200, 40), (5, 20, 400), (5, 500, 30), (10, 500, 60)]
)
@pytest.mark.parametrize("seed", range(3))
def test_who_is_as_good_as_the_others_gets_at_least_half_of_its_share(
    count: int, rate: float, seconds: float, seed: int
) -> None:
    assert min(simulate([1.0] * count, rate, seconds, seed=seed)) > 0.5


@pytest.mark.parametrize(("rate", "seconds"), [(20, 400), (500, 60)])
def test_who_was_slow_once_and_is_as_good_now_comes_back(rate: float, seconds: float) -> None:
    first_us = [20_000.0, 1000.0, 1000.0, 1000.0, 1000.0]
    assert simulate([1.0] * 5, rate, seconds, first_us)[0] > 0.5


def test_who_is_new_among_measured_ones_gets_its_share() -> None:
    assert simulate([1.0] * 5, 3000, 8, [0.0, 1000.0, 1000.0, 1000.0, 1000.0])[0] > 0.5


def test_who_is_slow_gets_less_in_proportion() -> None:
    slow, *fast = simulate([10.0, 1.0, 1.0, 1.0, 1.0], 500, 40)
    assert slow < 0.1
    assert min(fast) > 1.1
