"""The choice of one instance: which one, how often, and that none is starved."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from frames.greeting import EndpointOffer
from proxy.offer import Offer
from proxy.targets.instance import Instance
from proxy.targets.pick import pick

ENDPOINT = EndpointOffer(id=5, method="GET", path="/invoices")


def offers(count: int) -> tuple[Offer, ...]:
    return tuple(
        Instance("billing", f"b{slot}", 4096 * 3 + slot, connected_at=0.0).offer(ENDPOINT) for slot in range(count)
    )


def shares(chosen: Counter[int], count: int) -> list[float]:
    """How often each was chosen, in its fair share."""
    return [chosen[slot] * count / chosen.total() for slot in range(count)]


def draw(count: int, in_flight: Sequence[int], latency_us: Sequence[float], times: int = 4000) -> list[float]:
    rand, candidates = random.Random(7).random, offers(count)
    chosen: Counter[int] = Counter()
    for _ in range(times):
        offer = pick(candidates, in_flight, latency_us, rand)
        assert offer is not None
        chosen[offer.slot] += 1
    return shares(chosen, count)


def no_rand() -> float:
    raise AssertionError("no number is needed for fewer than two")


def test_of_none_none_is_chosen() -> None:
    assert pick((), [], [], no_rand) is None


def test_of_one_that_one_is_chosen_without_a_look_at_its_load() -> None:
    (one,) = offers(1)
    assert pick((one,), [], [], no_rand) is one


@pytest.mark.parametrize("rand", [0.0, 0.5, math.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("count", [2, 3, 7, 4096])
def test_every_number_that_a_generator_can_give_chooses_one(count: int, rand: float) -> None:
    assert pick(offers(count), [0] * count, [0.0] * count, lambda: rand) is not None


@pytest.mark.parametrize("count", [2, 3, 10])
@pytest.mark.parametrize("latency_us", [0.0, 500.0])
def test_equals_are_chosen_equally(count: int, latency_us: float) -> None:
    assert draw(count, [2] * count, [latency_us] * count) == pytest.approx([1] * count, abs=0.15)


def test_one_with_more_in_flight_is_chosen_rarely() -> None:
    assert draw(2, [1, 0], [500.0, 500.0])[0] == pytest.approx(1 / 32, abs=0.03)


def test_a_slow_one_is_chosen_rarely_but_is_looked_at() -> None:
    assert draw(2, [0, 0], [5000.0, 500.0])[0] == pytest.approx(1 / 32, abs=0.03)


def test_a_slow_one_with_nothing_to_do_wins_over_a_fast_one_with_a_queue() -> None:
    assert draw(2, [0, 19], [5000.0, 500.0])[0] > 1.9


def test_what_is_within_the_noise_counts_as_equal() -> None:
    assert draw(2, [0, 0], [700.0, 500.0]) == pytest.approx([1, 1], abs=0.1)


def test_one_that_was_not_measured_gets_its_share_and_no_more() -> None:
    assert draw(5, [0] * 5, [0.0, 500.0, 500.0, 500.0, 500.0]) == pytest.approx([1] * 5, abs=0.15)
    assert draw(2, [1, 0], [0.0, 500.0])[0] < 0.1


def test_the_worst_of_many_is_chosen_only_for_being_looked_at() -> None:
    assert draw(10, [0] * 10, [9000.0] + [500.0] * 9)[0] == pytest.approx(1 / 32, abs=0.04)


# A model of services: requests come at random, take a random time, and are measured as the wire does.

AVERAGE_S = 10.0
"""The time constant of the wire's moving average."""


def simulate(
    mean_ms: Sequence[float], rate: float, seconds: float, first_us: Sequence[float] = (), seed: int = 11
) -> list[float]:
    """Return the shares of each in the second half of the time. first_us: averages to begin with, 0 unless given."""
    rand, count = random.Random(seed), len(mean_ms)
    candidates, in_flight = offers(count), [0] * count
    latency_us, measured_at = list(first_us) or [0.0] * count, [0.0] * count
    answers: list[tuple[float, int, float]] = []
    chosen: Counter[int] = Counter()
    now = 0.0
    while now < seconds:
        now += rand.expovariate(rate)
        while answers and answers[0][0] <= now:
            at, slot, took_us = heapq.heappop(answers)
            in_flight[slot] -= 1
            passed = at - measured_at[slot]
            part = passed / (passed + AVERAGE_S) if latency_us[slot] else 1.0
            latency_us[slot] += (took_us - latency_us[slot]) * part
            measured_at[slot] = at
        offer = pick(candidates, in_flight, latency_us, rand.random)
        assert offer is not None
        in_flight[offer.slot] += 1
        took_s = rand.expovariate(1000 / mean_ms[offer.slot])
        heapq.heappush(answers, (now + took_s, offer.slot, took_s * 1e6))
        if now > seconds / 2:
            chosen[offer.slot] += 1
    return shares(chosen, count)


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
