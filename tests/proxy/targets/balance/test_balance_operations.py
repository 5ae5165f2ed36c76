"""Random lists of operations under a made-up clock: whatever comes and goes, who is chosen may be chosen.

The list is made of the seed alone, so a failure is replayed by its seed.
"""

import random
from array import array
from collections.abc import Iterator
from typing import cast

import pytest
from balance_support import ENDPOINT, begun, figures

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind
from proxy.request.stage import stages_of
from proxy.targets.choose import Balancing, make_picks
from proxy.targets.instance import Instance
from proxy.targets.standing import Standing

SLOTS = 6
STEPS = 120
HASH = BalancePolicy.CONSISTENT_HASH


class Address:
    """A request from one of many addresses."""

    def __init__(self, rand: random.Random) -> None:
        self._rand = rand

    def client_address(self, _: int) -> str:
        """Return one of fifty."""
        return f"192.0.2.{self._rand.randrange(50)}"


class Play:
    """What is there, and what is done to it."""

    def __init__(self, seed: int) -> None:
        self.rand = random.Random(seed)
        self.now = 0.0
        self.figures = figures(SLOTS, self.rand.random)
        self.standing = Standing(self.figures.shares, self.rand.choice([0.0, 5.0]))
        self.balancing = Balancing(self.figures)
        self.by_slot: dict[int, tuple[Instance, Offer]] = {}
        self.generation = 0
        weights = {f"b{slot}": self.rand.choice([0.0, 0.5, 1.0, 3.0]) for slot in range(0, SLOTS, 2)}
        policy = self.rand.choice([None, *BalancePolicy])
        key = Key(KeyKind.ADDRESS) if policy is HASH else Key()
        own = Balance(policy=policy, key=key, weights=self.rand.choice([{}, weights]))
        self.balance = own if own.says_anything else None
        self.changed()

    def changed(self) -> None:
        """Make the route anew, as the gateway does when candidates are others."""
        offers = [offer for _, offer in self.by_slot.values()]
        self.exchange: Exchange = begun(offers, self.balance)
        self.exchange.fields = Address(self.rand)  # type: ignore[assignment]
        (self.stage,) = stages_of(make_picks(self.figures, self.balancing), self.exchange.route)
        self.tick()

    def tick(self) -> None:
        self.standing.tick(self.now, [instance for instance, _ in self.by_slot.values()])

    # ---- operations ----

    def join(self) -> None:
        slot = self.rand.randrange(SLOTS)
        self.generation += 1
        instance = Instance("billing", f"b{slot}", 4096 * self.generation + slot, self.now)
        cast("array[int]", self.figures.in_flight)[slot] = 0
        cast("array[float]", self.figures.latency_us)[slot] = 0.0
        self.by_slot[slot] = (instance, instance.offer(ENDPOINT))
        self.changed()

    def leave(self) -> None:
        if self.by_slot:
            del self.by_slot[self.rand.choice(list(self.by_slot))]
            self.changed()

    def pass_time(self) -> None:
        self.now += self.rand.choice([0.25, 0.25, 3.0])
        for instance, _ in self.by_slot.values():
            instance.reported_load = self.rand.choice([None, 0, 5000, 10_000, 65_534])
        self.tick()

    def measure(self) -> None:
        slot = self.rand.randrange(SLOTS)
        cast("array[int]", self.figures.in_flight)[slot] = self.rand.choice([0, 1, 7, 5000])
        cast("array[float]", self.figures.latency_us)[slot] = self.rand.choice([0.0, 1.0, 800.0, 3e7])

    def ramp(self) -> None:
        self.figures.shares.set_ramp(self.rand.randrange(SLOTS), self.rand.choice([0.0, 0.3, 1.0]))

    def choose(self) -> None:
        for _ in range(5):
            refused = self.stage(self.exchange)
            assert (refused is None) is bool(self.by_slot)
            if refused is None:
                self.judge(self.exchange.offer)

    def judge(self, chosen: Offer) -> None:
        offers = [offer for _, offer in self.by_slot.values()]
        assert chosen in offers
        given = self.balance.weights if self.balance else {}
        weights = {offer.slot: given.get(offer.instance.instance, 1.0) for offer in offers}
        assert weights[chosen.slot] or not any(weights.values())

    def holds(self) -> None:
        shares = self.figures.shares
        assert all(value >= 1 for value in shares.handicap)
        assert all(0 < shares.of(offer) <= 1 for _, offer in self.by_slot.values())
        assert shares.starting <= len(self.by_slot)
        assert len(self.exchange.route.balances or {}) <= 1

    def operations(self) -> Iterator[str]:
        names = ("join", "join", "leave", "pass_time", "measure", "measure", "ramp", "choose", "choose", "choose")
        for _ in range(STEPS):
            yield self.rand.choice(names)


@pytest.mark.parametrize("seed", range(150))
def test_each_choice_is_one_of_those_that_may_be_chosen(seed: int) -> None:
    play, done = Play(seed), []
    for name in play.operations():
        done.append(name)
        try:
            getattr(play, name)()
            play.holds()
        except Exception as error:
            raise AssertionError(f"seed {seed}, after {done[-8:]}: {error!r}") from error
    for slot in list(play.by_slot):
        del play.by_slot[slot]
    play.changed()
    for slot in range(SLOTS):
        play.figures.shares.set_ramp(slot, 1.0)
    assert play.figures.shares.is_even
    assert play.figures.shares.handicap == [1.0] * SLOTS
