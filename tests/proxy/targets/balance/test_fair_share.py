"""No instance that is as good as the others gets less than half of its fair share over time: for many seeds."""

from collections import Counter
from collections.abc import Callable

import pytest
from balance_support import Model, begun, shares_of

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, BalancePolicy, Key, KeyKind
from proxy.request.stage import stages_of
from proxy.targets.choose import Balancing, make_picks

SEEDS = range(60)
COUNT = 4
FAIR = 0.5
REQUESTS = 3000


class Keys:
    """Requests of many tenants, one after the other."""

    def __init__(self, model: Model) -> None:
        self._rand = model.rand

    def client_address(self, _: int) -> str:
        """Return an address: of few or of many, each as often."""
        return f"10.0.{self._rand.randrange(256)}.{self._rand.randrange(256)}"


def chooser(model: Model, policy: BalancePolicy) -> Callable[[], Offer]:
    """Return what chooses as the gateway does."""
    key = Key(KeyKind.ADDRESS) if policy is BalancePolicy.CONSISTENT_HASH else Key()
    balance = None if policy is BalancePolicy.TWO_CHOICES else Balance(policy=policy, key=key)
    exchange: Exchange = begun(model.offers, balance)
    exchange.fields = Keys(model)  # type: ignore[assignment]
    (stage,) = stages_of(make_picks(model.figures, Balancing(model.figures)), exchange.route)

    def choose() -> Offer:
        assert stage(exchange) is None
        return exchange.offer

    return choose


@pytest.mark.parametrize("rate", [20, 500, 3000])
@pytest.mark.parametrize("policy", list(BalancePolicy))
def test_equals_get_their_shares(policy: BalancePolicy, rate: int) -> None:
    least = min(_least_share(policy, rate, seed) for seed in SEEDS)
    assert least > FAIR, f"{policy}: {least:.2f} of its fair share"


def _least_share(policy: BalancePolicy, rate: int, seed: int) -> float:
    model = Model([1.0] * COUNT, seed)
    return min(shares_of(model.run(chooser(model, policy), rate, REQUESTS / rate), COUNT))


@pytest.mark.parametrize("policy", list(BalancePolicy))
def test_who_was_slow_once_gets_its_share_again(policy: BalancePolicy) -> None:
    for seed in range(8):
        model = Model([30.0] + [1.0] * (COUNT - 1), seed)
        choose = chooser(model, policy)
        model.run(choose, 100, 10)
        model.mean_ms = [1.0] * COUNT
        model.run(choose, 100, 40)  # in which it is looked at, and its average follows
        assert shares_of(model.run(choose, 100, 20), COUNT)[0] > FAIR, seed


@pytest.mark.parametrize("policy", list(BalancePolicy))
def test_who_has_just_come_gets_its_share_once_it_is_warm(policy: BalancePolicy) -> None:
    for seed in range(20):
        model = Model([1.0] * COUNT, seed)
        shares, choose = model.figures.shares, chooser(model, policy)
        chosen: Counter[int] = Counter()
        for step in range(1, 11):
            shares.set_start(2, step / 10)
            chosen += model.run(choose, 300, 1)
        if policy is not BalancePolicy.CONSISTENT_HASH:  # where no key moves for it while there is room
            assert 0.3 < shares_of(chosen, COUNT)[2] < 0.9, seed
        assert shares.is_even
        assert shares_of(model.run(choose, 300, 10), COUNT)[2] > FAIR, seed


def test_reported_loads_that_differ_by_chance_starve_nobody() -> None:
    for seed in SEEDS:
        model = Model([1.0] * COUNT, seed)
        choose, handicap = chooser(model, BalancePolicy.TWO_CHOICES), model.figures.shares.handicap
        chosen: Counter[int] = Counter()
        for _ in range(40):  # heartbeats
            handicap[:] = [1 + model.rand.random() for _ in range(COUNT)]
            chosen += model.run(choose, 100, 1)
        assert min(shares_of(chosen, COUNT)) > FAIR, seed
