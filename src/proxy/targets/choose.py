"""Pick, as a stage: which instance gets the request; and which of some gets what is no request at hand.

There are two stages, of which a route has one. `pick_offer` is the default, two at random; it looks for a plan only
while somebody gets less than its fair share. `balance` is for routes that go by something else. Plans are made in
`proxy.targets.balance`, which is loaded when the first one is needed.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from proxy.errors import NO_INSTANCE
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Balance, BalancePolicy, Key
from proxy.request.stage import Answer, Stage, for_routes
from proxy.targets.pick import Figures, make_pick_of_two

if TYPE_CHECKING:
    from proxy.targets.balance.plans import PlansOf

_NO_INSTANCE = Answer(NO_INSTANCE)
_TWO_CHOICES = Balance(policy=BalancePolicy.TWO_CHOICES)


class Balancing:
    """Chooses by plans. ``default``: what holds for a route that says nothing of its own."""

    def __init__(self, figures: Figures, default: Balance = _TWO_CHOICES) -> None:
        self.default = default
        self.plans_of: Callable[[Exchange], PlansOf] = _plans_of_route
        """Where the plans of a request's route are kept."""
        self._figures = figures
        self._pick_of_two = make_pick_of_two(figures)

    def balance_of(self, exchange: Exchange) -> Balance:
        """Return what holds for a request's route: what its own policy leaves open is as by default."""
        own, default = exchange.route.policy.balance, self.default
        if own is None:
            return default
        return replace(
            own,
            policy=own.policy or default.policy,
            key=default.key if own.key == Key() else own.key,
            load_factor=own.load_factor or default.load_factor,
        )

    def choose(self, exchange: Exchange) -> Offer:
        """Return one of the exchange's offers, of which there are several."""
        offer: Offer = self.plan(exchange).choose(exchange)
        return offer

    def plan(self, exchange: Exchange) -> Any:
        """Return the plan by which a request's offers are chosen from."""
        return self._plan_of(exchange, self.plans_of(exchange), self.balance_of, self._figures)

    def pick(self, offers: Sequence[Offer]) -> Offer | None:
        """Return one of offers for which there is no request at hand, by load: for another attempt, or for a copy."""
        if self._figures.shares.is_even or len(offers) < 2:
            return self._pick_of_two(offers)
        return self._pick_by_shares(offers, self._figures)

    @cached_property
    def _plan_of(self) -> Callable[..., Any]:
        from proxy.targets.balance.plans import plan_of

        return plan_of

    @cached_property
    def _pick_by_shares(self) -> Callable[..., Offer]:
        from proxy.targets.balance.weighted import pick_by_shares

        return pick_by_shares


def _plans_of_route(exchange: Exchange) -> "PlansOf":
    route = exchange.route
    if route.balances is None:
        route.balances = {}
    plans: PlansOf = route.balances
    return plans


def make_picks(figures: Figures, balancing: Balancing) -> tuple[Stage, Stage]:
    """Return the stages that choose among the candidates: for routes that go by the default of defaults, and others."""
    pick, shares, choose = make_pick_of_two(figures), figures.shares, balancing.choose
    is_usual = balancing.default.policy is BalancePolicy.TWO_CHOICES

    @for_routes(lambda route: route.policy.balance is None and is_usual)
    def pick_offer(exchange: Exchange) -> Answer | None:
        offers = exchange.offers
        if len(offers) == 1:
            exchange.offer = offers[0]
            return None
        if not shares.is_even and offers:
            exchange.offer = choose(exchange)
            return None
        offer = pick(offers)
        if offer is None:
            return _NO_INSTANCE
        exchange.offer = offer
        return None

    @for_routes(lambda route: route.policy.balance is not None or not is_usual)
    def balance(exchange: Exchange) -> Answer | None:
        offers = exchange.offers
        if not offers:
            return _NO_INSTANCE
        exchange.offer = choose(exchange) if len(offers) > 1 else offers[0]
        return None

    return pick_offer, balance
