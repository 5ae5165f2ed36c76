"""How one of several instances is chosen, in words: by which policy, and what it looks at."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from proxy.explain.told import Line
from proxy.request.offer import Offer
from proxy.request.policy_words import key_text, weights_text
from proxy.request.route_policy import Balance, BalancePolicy

if TYPE_CHECKING:
    from proxy.explain.words import View

SHARES_MAX: Final = 8
_HOW: Final = {
    BalancePolicy.TWO_CHOICES: "two at random, the less loaded of them by requests in flight x time x reported load",
    BalancePolicy.LEAST_LOADED: "the one with the fewest requests in flight",
    BalancePolicy.ROUND_ROBIN: "one after the other",
    BalancePolicy.CONSISTENT_HASH: "by consistent hashing",
}


def instance(view: "View") -> Iterator[Line]:
    """Tell who would get it, and why."""
    exchange, count = view.exchange, len(view.exchange.offers)
    name = exchange.offer.instance.instance
    if count == 1:
        yield Line(f"{name}, the only candidate")
        return
    balance = view.balancing.balance_of(exchange)
    yield Line(f"{name}, of {count} candidates: {_how(balance)}", _origin(view))
    if balance.policy is BalancePolicy.CONSISTENT_HASH:
        yield Line(_keyed(view, balance))
    if balance.weights:
        yield Line(weights_text(balance.weights), view.origins.policy(exchange.route, "balance"))
    yield from _shares(view, exchange.offers)


def _how(balance: Balance) -> str:
    how = _HOW[balance.policy or BalancePolicy.TWO_CHOICES]
    return how + key_text(balance.key) if balance.policy is BalancePolicy.CONSISTENT_HASH else how


def _origin(view: "View") -> str:
    own = view.exchange.route.policy.balance
    by_rule = own is not None and own.policy is not None
    setting = view.origins.setting("balancing.policy")
    return view.origins.policy(view.exchange.route, "balance") if by_rule else setting


def _keyed(view: "View", balance: Balance) -> str:
    """Tell whose key it is: the plan is made for this explanation, so that nothing is counted."""
    standing = view.balancing.plan(view.exchange).standing(view.exchange)
    if standing is None:
        return f"there is no key{key_text(balance.key)}, so two at random"
    shown = standing.key.decode("utf-8", "replace")[:64]
    room = f"{standing.in_flight} in flight, room for {standing.room}"
    if standing.in_flight < standing.room:
        return f"{shown} belongs to {standing.own}, which has room: {room}"
    return f"{shown} belongs to {standing.own}, which has none ({room}), so the next on the ring that has"


def _shares(view: "View", offers: tuple[Offer, ...]) -> Iterator[Line]:
    """Tell who gets less than its fair share for a while."""
    shares = view.configured.figures.shares
    uneven = [(offer.instance.instance, shares.of(offer)) for offer in offers if shares.of(offer) < 1]
    if uneven:
        shown = ", ".join(f"{name} {share:.0%}" for name, share in uneven[:SHARES_MAX])
        more = f" and {len(uneven) - SHARES_MAX} more" if len(uneven) > SHARES_MAX else ""
        yield Line(
            f"for a while, of a fair share: {shown}{more}: new, or back from a breaker",
            view.origins.setting("balancing.slow_start"),
        )
