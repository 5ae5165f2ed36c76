"""Which plan a request needs, and its making."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Final, Protocol

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, BalancePolicy
from proxy.targets.balance.weighted import Weighted
from proxy.targets.pick import Figures

PLANS_MAX: Final = 256
"""Of one route: a plan for each version, and for each shard that is asked for."""

LOAD_FACTOR: Final = 1.25
"""Where nobody says anything: a quarter more than its share."""


class Plan(Protocol):
    """How one of the candidates is chosen that a plan was made for."""

    def choose(self, exchange: Exchange) -> Offer:
        """Return one of them."""
        ...


PlansOf = MutableMapping[int, tuple[Sequence[Offer], Plan]]
"""Of one route: for which candidates, and the plan; by the identity of those."""


def plan_of(
    exchange: Exchange,
    plans: PlansOf,
    balance_of: Callable[[Exchange], Balance],
    figures: Figures,
) -> Plan:
    """Return the plan for a request's candidates, of which there are some.

    plans: those of its route, which is made anew when its candidates are others or its policy is; balance_of: asked
    for the policy when a plan is made.
    """
    offers = exchange.offers
    kept = plans.get(id(offers))
    if kept is not None and kept[0] is offers:
        return kept[1]
    if len(plans) >= PLANS_MAX:
        plans.clear()
    plan = make_plan(exchange, offers, balance_of(exchange), figures)
    plans[id(offers)] = (offers, plan)
    return plan


def make_plan(exchange: Exchange, offers: Sequence[Offer], balance: Balance, figures: Figures) -> Plan:
    """Return a plan for these candidates of a request, and of others of its route. What is rare is loaded here."""
    given = balance.weights
    if balance.policy is BalancePolicy.LEAST_LOADED:
        from proxy.targets.balance.least_loaded import LeastLoaded

        return LeastLoaded(offers, given, figures)
    if balance.policy is BalancePolicy.ROUND_ROBIN:
        from proxy.targets.balance.round_robin import RoundRobin

        return RoundRobin(offers, given, figures)
    if balance.policy is BalancePolicy.CONSISTENT_HASH:
        from proxy.request.request_key import key_reader
        from proxy.targets.balance.consistent import ConsistentHash

        read_key = key_reader(balance.key, exchange.route.template)
        return ConsistentHash(offers, given, figures, read_key, balance.load_factor or LOAD_FACTOR)
    return Weighted(offers, given, figures)
