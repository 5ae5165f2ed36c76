"""Elsewhere: which instances a request may go to that is sent again, by what is registered by then.

Its head is gone, so the stages that choose cannot be asked again. What they have found is kept where it was not the
route's own choice, and is looked for among the offers of now: the same instances, where a placement chose them; the
same versions, where the request or a split did.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.table import Route


def candidates(route: "Route", chosen: "Sequence[Offer] | None") -> "tuple[Offer, ...]":
    """Return the offers of now. chosen: those of then, where they were not the route's own."""
    if chosen is None:
        return _with_weight(route, route.offers)
    if route.policy.placement:
        names = {offer.instance.name for offer in chosen}
        return tuple(
            offer for candidates in route.choice.all for offer in candidates.everywhere if offer.instance.name in names
        )
    versions = {offer.version for offer in chosen}
    return tuple(offer for candidates in route.choice.all for offer in candidates.offers if offer.version in versions)


def farther(route: "Route", chosen: "Sequence[Offer] | None", asked: Collection[str]) -> "tuple[Offer, ...]":
    """Return the nearest of those that are no candidates while others are there: of other regions, or degraded.

    For who has asked all that are near. Who is bound to a place or a version stays there. asked: names of instances.
    """
    if chosen is not None or route.choice is None:
        return ()
    nearest: tuple[Offer, ...] = route.choice.regions.nearest(not_asked(route.choice.default.everywhere, asked))
    return _with_weight(route, nearest)


def _with_weight(route: "Route", offers: "tuple[Offer, ...]") -> "tuple[Offer, ...]":
    """Leave out those of weight 0, as long as there are others."""
    balance = route.policy.balance
    if balance is None or not balance.weights:
        return offers
    return tuple(offer for offer in offers if balance.weights.get(offer.instance.instance, 1.0)) or offers


def not_asked(offers: "Sequence[Offer]", asked: Collection[str]) -> "tuple[Offer, ...]":
    """Return the offers of instances that it was not sent to yet. asked: their names."""
    return tuple(offer for offer in offers if offer.instance.name not in asked)
