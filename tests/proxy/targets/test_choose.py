"""Pick as a stage: one of the exchange's offers, by the wire's figures of now; and another one for a second attempt."""

from array import array
from typing import cast

import pytest
from balance_support import begun, figures, offers

from proxy.errors import NO_INSTANCE
from proxy.exchange import Exchange
from proxy.offer import Offer
from proxy.route.choice import Choice
from proxy.route.regions import Regions
from proxy.route_policy import Balance, BalancePolicy, RoutePolicy
from proxy.stage import Answer, Stage, stages_of
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


# ---- another one ----


@pytest.mark.parametrize("policy", list(BalancePolicy))
def test_another_is_one_that_was_not_tried(policy: BalancePolicy) -> None:
    exchange, balancing = begun(offers(3), Balance(policy=policy)), Balancing(figures(8))
    tried = {exchange.offers[0].instance}
    seen = set()
    for _ in range(100):
        offer = balancing.another(exchange, tried)
        assert offer is not None
        seen.add(offer.slot)
    assert seen == {1, 2}
    tried.add(exchange.offers[2].instance)
    assert balancing.another(exchange, tried) is exchange.offers[1]
    tried.add(exchange.offers[1].instance)
    assert balancing.another(exchange, tried) is None


def far(offer: Offer, region: str) -> Offer:
    offer.instance.region = region
    return offer.instance.offer(offer.declared)


def test_where_the_near_ones_were_tried_another_is_farther_away() -> None:
    near, middle, remote = (far(offers(1)[0], "local"),), far(offers(1, 1)[0], "eu-2"), far(offers(1, 2)[0], "us-1")
    exchange, balancing = begun(near), Balancing(figures(8))
    regions = Regions("local", {"local": ["eu-2"]})
    choice = Choice((*near, middle, remote), regions, RoutePolicy())
    exchange.route.choice, exchange.offers = choice, choice.default.offers
    assert exchange.offers == near
    tried = {near[0].instance}
    assert balancing.another(exchange, tried) is middle
    tried.add(middle.instance)
    assert balancing.another(exchange, tried) is remote
    tried.add(remote.instance)
    assert balancing.another(exchange, tried) is None


def test_a_tenant_never_leaves_its_shard() -> None:
    near, remote = (far(offers(1)[0], "local"),), far(offers(1, 2)[0], "us-1")
    exchange, balancing = begun(near), Balancing(figures(8))
    exchange.route.policy = RoutePolicy(placement="aggregate_placement")
    choice = Choice((*near, remote), Regions(), RoutePolicy())
    exchange.route.choice, exchange.offers = choice, choice.default.offers
    assert balancing.another(exchange, {near[0].instance}) is None
