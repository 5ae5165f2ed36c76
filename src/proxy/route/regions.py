"""Regions: how near an instance is. Its region is what its own configuration says, never a name or a header field.

Three tiers: this gateway's own region, its neighbours, all others. The next tier is looked at only where the nearer has
no instance that may be chosen. Within a tier, degraded instances get requests only where no healthy one is: a near one
that is slow is still better than a far one, and whether it is too slow to be used at all is for its health to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.request.offer import Offer

OWN: Final = 0
NEIGHBOURS: Final = 1
OTHERS: Final = 2

PANIC_PART: Final = 0.5

_is_degraded = attrgetter("is_degraded")
_breaker = attrgetter("breaker")


class Regions:
    """The gateway's own region, and which are its neighbours."""

    __slots__ = ("_tiers", "own", "panic_part")

    def __init__(
        self,
        own: str = "local",
        neighbours: Mapping[str, Iterable[str]] | None = None,
        *,
        panic_part: float = PANIC_PART,
    ) -> None:
        """neighbours: of each region, of which only the own region's matter here; one file may serve all regions.

        panic_part: of a tier's instances, which part must be left by breakers for these to be heeded, 0 to 1.
        """
        self.own = own
        self.panic_part = panic_part
        self._tiers = dict.fromkeys((neighbours or {}).get(own, ()), NEIGHBOURS) | {own: OWN}

    def tier(self, region: str) -> int:
        """Return how near a region is: OWN, NEIGHBOURS or OTHERS."""
        return self._tiers.get(region, OTHERS)

    def nearest(self, offers: "Sequence[Offer]") -> "tuple[Offer, ...]":
        """Return the offers to choose among: those of the nearest tier, the healthy ones if there are any.

        Where a breaker is not closed, `panic` has more to say about it.
        """
        if any(map(_breaker, offers)):
            from proxy.route.panic import select  # what hardly any gateway needs in the first minute

            return select(offers, self.tier, self.panic_part)
        if len(offers) < 2:
            return tuple(offers)
        tiers = [self.tier(offer.region) for offer in offers]
        nearest = min(tiers)
        if max(tiers) != nearest:
            offers = [offer for offer, tier in zip(offers, tiers, strict=True) if tier == nearest]
        if not any(map(_is_degraded, offers)):
            return tuple(offers)
        return tuple(offer for offer in offers if not offer.is_degraded) or tuple(offers)

    def __repr__(self) -> str:
        """Return the tiers that have a name."""
        return f"<Regions own={self.own} neighbours={[name for name, tier in self._tiers.items() if tier]}>"
