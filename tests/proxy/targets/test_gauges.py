"""Numbers of endpoints: nobody has two, no number is two endpoints', and what was given back rests."""

import random

import pytest

from frames.endpoint import EndpointOffer
from frames.frame import Method
from proxy.targets.gauges import Gauges
from proxy.targets.instance import Instance


def instance(name: str, *ids: int) -> Instance:
    made = Instance("billing", name, 0, 0.0)
    offer_all(made, *ids)
    return made


def offer_all(made: Instance, *ids: int) -> None:
    made.endpoints = {
        (Method.GET, f"/{number}", "billing"): EndpointOffer(id=number, method="GET", path=f"/{number}")
        for number in ids
    }


def test_each_endpoint_has_a_number_from_1_on_and_it_is_known_whose_it_is() -> None:
    gauges, one, two = Gauges(), instance("b1", 1, 2), instance("b2", 1)
    gauges.hold(one)
    gauges.hold(two)
    assert one.gauges == {1: 1, 2: 2}
    assert two.gauges == {1: 3}
    owner = gauges.owner(2)
    assert owner is not None
    assert (owner.instance, owner.key) == (one, (Method.GET, "/2", "billing"))
    assert gauges.owner(0) is None
    assert gauges.owner(4) is None


def test_another_hello_keeps_the_numbers_of_what_is_still_there() -> None:
    gauges, one = Gauges(), instance("b1", 1, 2)
    gauges.hold(one)
    offer_all(one, 2, 3)
    gauges.hold(one)
    assert one.gauges == {2: 2, 3: 3}
    assert gauges.owner(1) is None


def test_a_number_rests_before_it_is_given_again_and_then_counts_from_zero() -> None:
    reset: list[int] = []
    gauges, one = Gauges(rest_s=60, reset=reset.append), instance("b1", 1)
    gauges.hold(one)
    gauges.tick(100.0)
    gauges.release(one)
    two, three = instance("b2", 1), instance("b3", 1)
    gauges.tick(159.9)
    gauges.hold(two)
    assert two.gauges == {1: 2}
    gauges.tick(160.0)
    gauges.hold(three)
    assert three.gauges == {1: 1}
    assert reset == [1, 2, 1]


def test_who_comes_when_all_are_taken_has_none() -> None:
    gauges, one = Gauges(2), instance("b1", 1, 2, 3)
    gauges.hold(one)
    assert one.gauges == {1: 1, 2: 2, 3: 0}
    assert gauges.missing == 1
    gauges.release(one)
    assert len(gauges) == 0
    again = instance("b2", 1)
    gauges.hold(again)
    assert again.gauges == {1: 0}, "both rest"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_no_number_is_of_two(seed: int) -> None:
    rand = random.Random(seed)
    gauges, there, now = Gauges(8, rest_s=5.0), [instance(f"b{number}") for number in range(4)], 0.0
    left: dict[int, float] = {}
    for _ in range(300):
        now += rand.random() * 3
        gauges.tick(now)
        one = rand.choice(there)
        before = {gauge for each in there for gauge in each.gauges.values() if gauge}
        if rand.random() < 0.3:
            gauges.release(one)
        else:
            offer_all(one, *rand.sample(range(1, 6), rand.randrange(5)))
            gauges.hold(one)
        held = [gauge for each in there for gauge in each.gauges.values() if gauge]
        assert len(held) == len(set(held)) == len(gauges)
        assert all(gauges.owner(gauge) is not None for gauge in held)
        for gauge in set(held) - before:
            assert now - left.pop(gauge, -10.0) >= 5.0
        left |= dict.fromkeys(before - set(held), now)
