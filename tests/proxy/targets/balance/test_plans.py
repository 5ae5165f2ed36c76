"""Weights, turns and the fewest in flight: what each plan chooses."""

import random
from array import array
from collections import Counter
from typing import cast

import pytest
from balance_support import begun, figures, offers

from proxy.request.route_policy import Balance, BalancePolicy
from proxy.targets.choose import Balancing
from proxy.targets.pick import Figures

P = BalancePolicy
BY_LOT = [P.TWO_CHOICES, P.LEAST_LOADED, P.ROUND_ROBIN]


def chosen(given: Figures, balance: Balance, count: int, times: int = 6000) -> Counter[int]:
    exchange, balancing = begun(offers(count), balance), Balancing(given)
    return Counter(balancing.choose(exchange).slot for _ in range(times))


def parts(found: Counter[int]) -> list[float]:
    return [found[slot] / found.total() for slot in range(max(found) + 1)]


@pytest.mark.parametrize("policy", BY_LOT)
def test_each_gets_what_its_weight_says(policy: BalancePolicy) -> None:
    found = chosen(figures(4), Balance(policy=policy, weights={"b0": 3.0, "b2": 0.5}), 3)
    assert parts(found) == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5], abs=0.03)


@pytest.mark.parametrize("policy", BY_LOT)
def test_who_has_no_weight_gets_nothing_while_there_is_another(policy: BalancePolicy) -> None:
    assert set(chosen(figures(4), Balance(policy=policy, weights={"b1": 0.0}), 3)) == {0, 2}
    assert set(chosen(figures(4), Balance(policy=policy, weights={"b0": 0.0, "b1": 0.0}), 3)) == {2}
    assert set(chosen(figures(4), Balance(policy=policy, weights={"b0": 0.0, "b1": 0.0}), 2)) == {0, 1}


@pytest.mark.parametrize("policy", BY_LOT)
def test_shares_count_beside_weights_and_end(policy: BalancePolicy) -> None:
    given, balance = figures(4), Balance(policy=policy, weights={"b0": 2.0})
    exchange, balancing = begun(offers(2), balance), Balancing(given)
    for share, expected in ((0.25, 1 / 3), (0.5, 0.5), (1.0, 2 / 3)):
        given.shares.set_start(0, share)
        found = Counter(balancing.choose(exchange).slot for _ in range(6000))
        assert found[0] / 6000 == pytest.approx(expected, abs=0.04)


def test_turns_come_as_evenly_as_weights_allow() -> None:
    exchange = begun(offers(3), Balance(policy=P.ROUND_ROBIN, weights={"b0": 2.0}))
    balancing = Balancing(figures(4))
    slots = [balancing.choose(exchange).slot for _ in range(400)]
    assert all(Counter(slots[at : at + 4])[0] == 2 for at in range(8, 392)), "two of any four turns"


def test_turns_begin_at_random() -> None:
    rand = random.Random(4).random
    begin = begun(offers(3), Balance(policy=P.ROUND_ROBIN))
    first = {Balancing(figures(4, rand)).choose(begin).slot for _ in range(60)}
    assert first == {0, 1, 2}


def test_the_fewest_in_flight_wins_for_its_weight() -> None:
    given = figures(4)
    in_flight = cast("array[int]", given.in_flight)
    in_flight[:] = array("I", [4, 3, 5, 0])
    assert set(chosen(given, Balance(policy=P.LEAST_LOADED), 3)) == {1}
    assert set(chosen(given, Balance(policy=P.LEAST_LOADED, weights={"b2": 2.0}), 3)) == {2}
    in_flight[1] = 4
    assert set(chosen(given, Balance(policy=P.LEAST_LOADED), 2)) == {0, 1}


def test_of_twice_the_weight_twice_as_many_in_flight_is_as_loaded() -> None:
    given, balance = figures(4), Balance(weights={"b0": 2.0})
    in_flight, latency_us = cast("array[int]", given.in_flight), cast("array[float]", given.latency_us)
    latency_us[:] = array("f", [500.0] * 4)
    in_flight[:] = array("I", [8, 4, 0, 0])
    assert parts(chosen(given, balance, 2))[0] == pytest.approx(2 / 3, abs=0.05)
    in_flight[0] = 30
    assert parts(chosen(given, balance, 2))[0] == pytest.approx(1 / 3, abs=0.05), "half of what it had"
    in_flight[0] = 8
    in_flight[1] = 30
    assert parts(chosen(given, balance, 2))[0] > 0.9
    in_flight[1], latency_us[1] = 4, 5000.0
    assert parts(chosen(given, balance, 2))[0] > 0.9
    latency_us[1], given.shares.handicap[1] = 500.0, 10.0
    assert parts(chosen(given, balance, 2))[0] > 0.9


def test_who_has_just_come_gets_little_also_while_all_others_are_slow() -> None:
    given = figures(4)
    latency_us = cast("array[float]", given.latency_us)
    latency_us[:] = array("f", [50_000.0, 50_000.0, 500.0, 0.0])
    given.shares.set_start(2, 0.1)
    assert parts(chosen(given, Balance(), 3))[2] < 0.2


def test_those_who_have_come_together_share_alike_and_a_weight_is_no_matter_of_moments() -> None:
    given, exchange = figures(4), begun(offers(3))
    balancing = Balancing(given)
    for slot, share in ((0, 0.50), (1, 0.49), (2, 0.48)):
        given.shares.set_start(slot, share)
    found = Counter(balancing.choose(exchange).slot for _ in range(6000))
    assert parts(found) == pytest.approx([1 / 3] * 3, abs=0.03)
    given.shares.set_start(2, 0.25)
    found = Counter(balancing.choose(exchange).slot for _ in range(6000))
    assert found[2] / 6000 == pytest.approx(0.25 / 1.24, abs=0.03)
    weighted = chosen(figures(4), Balance(weights={"b0": 1.08}), 2, times=40_000)
    assert weighted[0] / 40_000 == pytest.approx(1.08 / 2.08, abs=0.012)
