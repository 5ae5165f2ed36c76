"""Consistent hashing with bounded loads: who gets a key, and where it goes when there is no room."""

import random
from array import array
from math import ceil
from typing import cast

import pytest
from balance_support import begun, figures, offers

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind
from proxy.targets.balance.consistent import KEYLESS, MOVED
from proxy.targets.choose import Balancing
from proxy.targets.pick import Figures


class Header:
    """A request with one field."""

    value: bytes | None = None

    def named_field(self, _: int, name: bytes) -> bytes | None:
        """Return its value."""
        return self.value if name == b"x-user" else None


class Bench:
    """One route by consistent hashing."""

    def __init__(self, count: int, load_factor: float | None = None, **weights: float) -> None:
        key = Key(KeyKind.HEADER, "x-user")
        balance = Balance(policy=BalancePolicy.CONSISTENT_HASH, key=key, load_factor=load_factor, weights=weights)
        self.figures: Figures = figures(16, random.Random(5).random)
        self.exchange: Exchange = begun(offers(count), balance)
        self.header = Header()
        self.exchange.fields = self.header  # type: ignore[assignment]
        self.balancing = Balancing(self.figures)
        self.in_flight = cast("array[int]", self.figures.in_flight)

    def choose(self, key: bytes | None) -> Offer:
        self.header.value = key
        return self.balancing.choose(self.exchange)

    def own(self, key: bytes) -> int:
        self.header.value = key
        order = self.balancing.plan(self.exchange).ring.preference(key)
        return int(next(order))

    def order(self, key: bytes) -> list[int]:
        return [int(at) for at in self.balancing.plan(self.exchange).ring.preference(key)]


KEYS = [f"user-{number}".encode() for number in range(300)]


def test_a_key_always_gets_the_same_instance_and_keys_get_different_ones() -> None:
    bench = Bench(4)
    found = {key: bench.choose(key).slot for key in KEYS}
    assert all(bench.choose(key).slot == slot for key, slot in found.items())
    assert set(found.values()) == {0, 1, 2, 3}
    assert bench.figures.tally == {}


def test_without_a_key_one_of_two_is_drawn() -> None:
    bench = Bench(4)
    for value in (None, b""):
        assert {bench.choose(value).slot for _ in range(200)} == {0, 1, 2, 3}
    assert bench.figures.tally == {KEYLESS: 400}


def test_where_there_is_no_room_the_key_goes_to_the_next_and_comes_back() -> None:
    bench = Bench(4)
    for key in KEYS[:50]:
        first, second, third, _ = bench.order(key)
        bench.in_flight[first] = 10
        assert bench.choose(key).slot == second
        bench.in_flight[second] = 10
        assert bench.choose(key).slot == third
        bench.in_flight[first] = bench.in_flight[second] = 0
        assert bench.choose(key).slot == first
    assert bench.figures.tally[MOVED] == 100


def test_room_is_what_the_load_factor_says() -> None:
    bench = Bench(4, load_factor=1.5)
    (first, *others) = bench.order(b"acme")
    for each in others:
        bench.in_flight[each] = 4
    for held, has_room in ((6, True), (7, True), (8, False)):  # at 7: 1.5 x (19 + 1) / 4 = 7.5, rounded up 8
        bench.in_flight[first] = held
        assert (bench.choose(b"acme").slot == first) is has_room, held


@pytest.mark.parametrize("load_factor", [1.0, 1.25, 2.0])
@pytest.mark.parametrize("seed", range(20))
def test_nobody_ever_has_more_than_its_room(load_factor: float, seed: int) -> None:
    rand, bench = random.Random(seed), Bench(5, load_factor, b0=2.0)
    weights = [2.0, 1.0, 1.0, 1.0, 1.0]
    held: list[int] = []
    for _ in range(2000):
        if held and rand.random() < 0.45:
            bench.in_flight[held.pop(rand.randrange(len(held)))] -= 1
            continue
        key = KEYS[int(len(KEYS) * rand.random() ** 4)]  # a few keys are asked for by most
        slot = bench.choose(key).slot
        room = ceil(load_factor * (len(held) + 1) * weights[slot] / sum(weights) - 1e-9)
        assert bench.in_flight[slot] < room
        bench.in_flight[slot] += 1
        held.append(slot)


def test_who_has_just_come_has_less_room_and_keeps_its_keys() -> None:
    bench = Bench(4)
    key = next(key for key in KEYS if bench.own(key) == 2)
    bench.figures.shares.set_start(2, 0.1)
    assert bench.choose(key).slot == 2
    for slot in (0, 1, 3):
        bench.in_flight[slot] = 10
    bench.in_flight[2] = 5
    assert bench.choose(key).slot != 2
    bench.figures.shares.set_start(2, 1.0)
    assert bench.choose(key).slot == 2


def test_the_order_of_the_offers_does_not_matter() -> None:
    bench = Bench(5)
    found = {key: bench.choose(key).instance.instance for key in KEYS}
    bench.exchange.offers = tuple(reversed(offers(5)))
    assert {key: bench.choose(key).instance.instance for key in KEYS} == found


def test_when_an_instance_goes_only_its_keys_move() -> None:
    bench = Bench(5)
    before = {key: bench.choose(key).slot for key in KEYS}
    bench.exchange.offers = tuple(offer for offer in offers(5) if offer.slot != 3)
    after = {key: bench.choose(key).slot for key in KEYS}
    assert {slot for key, slot in before.items() if after[key] != slot} == {3}
