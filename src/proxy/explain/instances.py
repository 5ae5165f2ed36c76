"""Who could have got the request, and why it was not them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import trio

from frames.frame import Method
from frames.template import template_shape
from proxy.overview.breaker_words import why_out
from proxy.overview.lists import why
from proxy.route.regions import NEIGHBOURS, OTHERS, OWN, Regions
from proxy.route.table import Route
from proxy.targets.health import CHOOSABLE

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway
    from proxy.request.offer import Offer

TIERS: Final = {OWN: "own", NEIGHBOURS: "neighbour", OTHERS: "other"}
INSTANCES_MAX: Final = 200


def instances_of(
    gateway: "Gateway", route: Route, candidates: "Sequence[Offer]", version: str, picked: "Offer | None"
) -> list[dict[str, Any]]:
    """Return the instances of a route: who was picked, then the other candidates, then the rest. version: chosen."""
    key = (Method(route.method), template_shape(route.template), route.service)
    registered = gateway.registry.routes.get(key)
    everyone = registered.everyone if registered else route.offers
    judge = _Judge(gateway.configured.terms.regions, candidates, version, picked)
    judged = sorted(((judge.because(offer), offer) for offer in everyone), key=lambda one: _order(one[0]))
    return [_row(gateway, offer, because) for because, offer in judged[:INSTANCES_MAX]]


def _order(because: str) -> int:
    return 0 if because == "picked" else 1 if because.startswith("a candidate") else 2


def _row(gateway: "Gateway", offer: "Offer", because: str) -> dict[str, Any]:
    instance, wire = offer.instance, gateway.wire
    return {
        "instance": instance.instance,
        "version": offer.version,
        "region": offer.region,
        "tier": TIERS[gateway.configured.terms.regions.tier(offer.region)],
        "health": instance.health.value,
        "in_flight": wire.in_flight[offer.slot],
        "latency_us": round(wire.latency_us[offer.slot]),
        "load_percent": None if instance.reported_load is None else instance.reported_load / 100,
        "share": round(gateway.configured.figures.shares.of(offer), 3),
        "because": because,
    }


class _Judge:
    """Says why somebody was chosen, or not."""

    def __init__(self, regions: Regions, candidates: "Sequence[Offer]", version: str, picked: "Offer | None") -> None:
        self._regions = regions
        self._picked = picked.instance if picked else None
        self._version = version.partition("+")[0]
        self._candidates = {id(each.instance) for each in candidates}
        self._is_panic = getattr(candidates, "is_panic", False)
        self._nearest = min((regions.tier(each.region) for each in candidates), default=None)
        self._is_healthy_there = any(not each.is_degraded for each in candidates)

    def because(self, offer: "Offer") -> str:
        instance = offer.instance
        if instance is self._picked:
            return "picked"
        if id(instance) in self._candidates:
            return "a candidate, since too few others are left" if self._is_panic else "a candidate"
        if instance.health not in CHOOSABLE:
            return why(instance, trio.current_time()) or instance.health.value
        if self._version and offer.version.partition("+")[0] != self._version:
            return "another version"
        if self._nearest is not None and self._regions.tier(offer.region) > self._nearest:
            return "a nearer region has instances"
        out = why_out(offer.breakers, trio.current_time())
        if out:
            return out
        if offer.is_degraded and self._is_healthy_there:
            return "a healthy instance is there"
        return "the tenant is in another shard"
