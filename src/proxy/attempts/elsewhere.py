"""Elsewhere: which instances a request may go to that is sent again, by what is registered by then.

Its head is gone, so the stages that choose cannot be asked again. What they have found is kept where it was not the
route's own choice, and is looked for among the offers of now: the same instances, where a placement chose them; the
same versions, where the request or a split did.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.offer import Offer
    from proxy.route.table import Route


def candidates(route: "Route", chosen: "Sequence[Offer] | None") -> "tuple[Offer, ...]":
    """Return the offers of now. chosen: those of then, where they were not the route's own."""
    if chosen is None:
        return route.offers
    if route.policy.placement:
        names = {offer.instance.name for offer in chosen}
        return tuple(
            offer for candidates in route.choice.all for offer in candidates.everywhere if offer.instance.name in names
        )
    versions = {offer.version for offer in chosen}
    return tuple(offer for candidates in route.choice.all for offer in candidates.offers if offer.version in versions)


def less_loaded(offers: "Sequence[Offer]", in_flight: Sequence[int], rand: Callable[[], float]) -> "Offer | None":
    """Return the one of two drawn at random that has fewer requests in flight; None of none."""
    if len(offers) < 2:
        return offers[0] if offers else None
    first = int(rand() * len(offers))
    second = (first + 1 + int(rand() * (len(offers) - 1))) % len(offers)
    one, other = offers[first], offers[second]
    return other if in_flight[other.slot] < in_flight[one.slot] else one


def not_asked(offers: "Sequence[Offer]", asked: Collection[str]) -> "tuple[Offer, ...]":
    """Return the offers of instances that it was not sent to yet. asked: their names."""
    return tuple(offer for offer in offers if offer.instance.name not in asked)
