"""Candidates where breakers are not all closed: who is left, who is to be probed, and when breakers are not heeded.

Who is open or half-open is no candidate, as long as enough others are left in its region's tier. Where they are fewer
than that part of the tier, all of them are used again (panic): those that are left would be overloaded, and breakers
that open everywhere say more about what the instances depend on than about the instances. A tier of which nobody is
left is passed over for the next one, if somebody is left there.

What is degraded is judged among those that are left, as where all breakers are closed.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from proxy.breaker_state import BreakerState, Recovering

if TYPE_CHECKING:
    from proxy.request.offer import Offer


def select(offers: "Sequence[Offer]", tier_of: Callable[[str], int], panic_part: float) -> Recovering:
    """Return the offers to choose among, of which at least one has a breaker that is not closed.

    tier_of: how near a region is; panic_part: of a tier's instances, which part must be left, 0 to 1. With 0, breakers
    are heeded as long as anybody is left.
    """
    tiers: dict[int, list[Offer]] = {}
    for offer in offers:
        tiers.setdefault(tier_of(offer.region), []).append(offer)
    nearest = min(tiers)
    chosen = next((tier for tier in sorted(tiers) if any(map(_is_left, tiers[tier]))), nearest)
    left = [offer for offer in tiers[chosen] if _is_left(offer)]
    is_panic = not left or len(left) < panic_part * len(tiers[chosen])
    candidates = tiers[chosen] if is_panic else left
    well = [offer for offer in candidates if not offer.is_degraded]
    probing = tuple(
        offer
        for tier in sorted(tiers)
        if tier <= chosen
        for offer in tiers[tier]
        if offer.breaker is BreakerState.HALF_OPEN
    )
    return Recovering(well or candidates, probing=probing, is_panic=is_panic)


def _is_left(offer: "Offer") -> bool:
    return offer.breaker < BreakerState.HALF_OPEN
