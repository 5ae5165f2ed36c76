"""Placement: which instances have a tenant's data (stage). A map for each kind of service says so, tenant by tenant.

    aggregate_placement    where a tenant's aggregates are written
    projection_placement   where they are read
    runner_placement       who runs its jobs

A map sends a tenant to a shard, and a shard to instances, by the names that they tell in HELLO. It has a revision, and
is swapped whole: no request sees half of one. Of a shard's instances the nearest are chosen, as without placement; but
a tenant never gets another shard's instance, however near that is.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from proxy.errors import SHARD_MISSING, TENANT_MISSING
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Stage, for_routes

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.choice import Candidates, Choice
    from proxy.route.table import Route

SHARDS_REMEMBERED_MAX: Final = 4_096
"""Of one version of one route; those of maps that were swapped are among them."""

_NO_TENANT: Final = Answer(TENANT_MISSING)
_NO_MAP: Final = Answer(SHARD_MISSING, "Where tenants are is not known yet.")
_NO_SHARD: Final = Answer(SHARD_MISSING, "This tenant has no place yet.")
_NO_INSTANCE: Final = Answer(SHARD_MISSING)


class Shard(msgspec.Struct, frozen=True, eq=False):
    """Some instances, by the names that they tell in HELLO. Compared by identity."""

    name: str
    instances: frozenset[str]


class PlacementMap(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One kind's map. Compared by identity."""

    kind: str
    revision: int
    shards: Mapping[str, Shard]
    tenants: Mapping[bytes, Shard]
    default: Shard | None = None
    """Of the tenants that are not named; None: they have none."""
    origin: str = ""
    """Where it is from: a file's path."""

    def shard_of(self, tenant: bytes) -> Shard | None:
        """Return the shard that a tenant is in."""
        return self.tenants.get(tenant, self.default)

    def is_like(self, other: "PlacementMap") -> bool:
        """Whether both say the same, but for revision and origin."""
        return _content(self) == _content(other)


if TYPE_CHECKING:

    class PlacementSource(Protocol):
        """Where maps come from: files, or a store that several gateways share."""

        @property
        def maps(self) -> Mapping[str, PlacementMap]:
            """The maps that hold now, by kind. With a change, another mapping; never the same with other content."""
            ...

        def subscribe(self, changed: Callable[[PlacementMap], None]) -> None:
            """Have this called with each map that comes to hold, after it does."""
            ...


def make_place(source: "PlacementSource") -> Stage:
    """Return the stage. It is for after whatever chooses a version."""
    offers_of_tenant = make_offers_of_tenant(source)

    @for_routes(_is_placed)
    def place(exchange: Exchange) -> Answer | None:
        if not exchange.offers:
            return None  # nobody serves the version, wherever the tenant is: pick says so
        choice: Choice = exchange.route.choice
        found = offers_of_tenant(exchange, choice.candidates_of(exchange.offers))
        if isinstance(found, Answer):
            return found
        exchange.offers = found
        return None

    return place


def make_offers_of_tenant(
    source: "PlacementSource",
) -> "Callable[[Exchange, Candidates], tuple[Offer, ...] | Answer]":
    """Return the function that says which of some candidates have the tenant of a request: one at least, or why none.

    For the routes that have a placement: also a copy of a request goes to its tenant's shard only.
    """

    def offers_of_tenant(exchange: Exchange, candidates: "Candidates") -> "tuple[Offer, ...] | Answer":
        caller = exchange.caller
        if caller is None or not caller.tenant:
            return _NO_TENANT
        placement = source.maps.get(exchange.route.policy.placement)
        if placement is None:
            return _NO_MAP
        shard = placement.tenants.get(caller.tenant, placement.default)
        if shard is None:
            return _NO_SHARD
        offers = candidates.by_shard.get(shard)
        if offers is None:
            offers = _remember(candidates, shard, exchange.route.choice)
        return offers or _NO_INSTANCE

    return offers_of_tenant


def _is_placed(route: "Route") -> bool:
    return bool(route.policy.placement)


def _remember(candidates: "Candidates", shard: Shard, choice: "Choice") -> "tuple[Offer, ...]":
    """Find the nearest offers of a shard's instances: first the shard, then the region."""
    there = [offer for offer in candidates.everywhere if offer.instance.instance in shard.instances]
    offers = choice.regions.nearest(there)
    if len(candidates.by_shard) >= SHARDS_REMEMBERED_MAX:
        candidates.by_shard.clear()
    candidates.by_shard[shard] = offers
    return offers


def _content(placement: PlacementMap) -> tuple[object, ...]:
    return (
        {name: shard.instances for name, shard in placement.shards.items()},
        {tenant: shard.name for tenant, shard in placement.tenants.items()},
        placement.default and placement.default.name,
    )
