"""Pick as a stage: one of the exchange's offers, by the wire's figures of now."""

from array import array
from collections import Counter
from typing import cast

import pytest
from balance_support import begun, figures, offers

from proxy.errors import NO_INSTANCE
from proxy.request.exchange import Exchange
from proxy.request.route_policy import Balance, BalancePolicy
from proxy.request.stage import Answer, Stage, stages_of
from proxy.targets.choose import Balancing, make_picks
from proxy.targets.pick import Figures

ROUND_ROBIN = Balance(policy=BalancePolicy.ROUND_ROBIN)


def stage_of(given: Figures, exchange: Exchange, default: Balance | None = None) -> Stage:
    """Return the one stage that the exchange's route has."""
    balancing = Balancing(given, default) if default else Balancing(given)
    (stage,) = stages_of(make_picks(given, balancing), exchange.route)
    return stage


def some(count: int, balance: Balance | None = None) -> tuple[Exchange, Figures, Stage]:
    exchange, given = begun(offers(count), balance), figures(8)
    return exchange, given, stage_of(given, exchange)


@pytest.mark.parametrize("balance", [None, ROUND_ROBIN])
def test_no_offer(balance: Balance | None) -> None:
    exchange, given, stage = some(0, balance)
    for share in (1.0, 0.5):
        given.shares.set_start(3, share)
        answer = stage(exchange)
        assert isinstance(answer, Answer)
        assert answer.reason is NO_INSTANCE


@pytest.mark.parametrize("balance", [None, ROUND_ROBIN])
def test_the_only_offer(balance: Balance | None) -> None:
    exchange, _, stage = some(1, balance)
    assert stage(exchange) is None
    assert exchange.offer is exchange.offers[0]
    assert exchange.route.balances is None, "no plan is needed for it"


def test_the_less_loaded_of_two_by_the_figures_of_now() -> None:
    given = figures(8, lambda: 0.4)
    exchange = begun(offers(2))
    stage, in_flight = stage_of(given, exchange), cast("array[int]", given.in_flight)
    in_flight[0] = 5
    assert stage(exchange) is None
    assert exchange.offer is exchange.offers[1]
    in_flight[0], in_flight[1] = 0, 5
    assert stage(exchange) is None
    assert exchange.offer is exchange.offers[0]
    assert exchange.route.balances is None


def chosen_of(exchange: Exchange, stage: Stage, times: int = 200) -> list[int]:
    slots = []
    for _ in range(times):
        assert stage(exchange) is None
        slots.append(exchange.offer.slot)
    return slots


def test_chance_decides_between_equals() -> None:
    exchange, _, stage = some(2)
    assert set(chosen_of(exchange, stage)) == {0, 1}


def test_who_has_less_than_its_share_gets_less_as_long_as_that_is_so() -> None:
    exchange, given, stage = some(2)
    given.shares.set_start(1, 0.1)
    assert chosen_of(exchange, stage, 1000).count(1) == pytest.approx(1000 / 11, abs=50)
    given.shares.set_start(1, 1.0)
    assert chosen_of(exchange, stage, 1000).count(1) == pytest.approx(500, abs=100)


def test_a_route_with_a_policy_of_its_own_goes_by_that() -> None:
    exchange, _, stage = some(3, ROUND_ROBIN)
    slots = chosen_of(exchange, stage, 9)
    assert slots == slots[:3] * 3
    assert set(slots) == {0, 1, 2}


def test_a_route_without_one_goes_by_the_default() -> None:
    exchange, given = begun(offers(3)), figures(8)
    slots = chosen_of(exchange, stage_of(given, exchange, ROUND_ROBIN), 9)
    assert slots == slots[:3] * 3


def test_what_a_route_leaves_open_is_as_by_default() -> None:
    balancing = Balancing(figures(1), Balance(policy=BalancePolicy.LEAST_LOADED, load_factor=2.0))
    own = Balance(weights={"b0": 2.0})
    merged = Balance(policy=BalancePolicy.LEAST_LOADED, load_factor=2.0, weights={"b0": 2.0})
    assert balancing.balance_of(begun(offers(2), own)) == merged
    assert balancing.balance_of(begun(offers(2))) == balancing.default


def test_plans_are_kept_as_long_as_the_offers_are_the_same() -> None:
    exchange, given = begun(offers(2), ROUND_ROBIN), figures(8)
    balancing = Balancing(given)
    plan = balancing.plan(exchange)
    assert balancing.plan(exchange) is plan
    exchange.offers = offers(2)
    other = balancing.plan(exchange)
    assert other is not plan
    exchange.offers = exchange.route.offers
    assert balancing.plan(exchange) is plan


def test_plans_of_one_route_are_bounded() -> None:
    exchange, balancing = begun(offers(2), ROUND_ROBIN), Balancing(figures(8))
    for _ in range(1000):
        exchange.offers = offers(2)
        balancing.plan(exchange)
    assert len(exchange.route.balances) <= 256


# ---- without a request at hand ----


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_one_of_some_offers_is_picked_by_load_and_share(share: float) -> None:
    given = figures(8)
    balancing, some_offers = Balancing(given), offers(3)
    given.shares.set_start(1, share)
    assert balancing.pick(()) is None
    assert balancing.pick(some_offers[:1]) is some_offers[0]
    found = Counter(offer.slot for _ in range(3000) if (offer := balancing.pick(some_offers)))
    part = share / (2 + share)
    assert found[1] / 3000 == pytest.approx(part, abs=0.05)
    in_flight = cast("array[int]", given.in_flight)
    in_flight[0] = in_flight[2] = 9
    found = Counter(offer.slot for _ in range(3000) if (offer := balancing.pick(some_offers)))
    assert found[1] / 3000 > 1.4 * part, "who has nothing to do gets more than its share"
