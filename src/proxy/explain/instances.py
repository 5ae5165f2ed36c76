"""Who could have got the request, and why it was not them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import trio

from frames.frame import Method
from frames.template import template_shape
from proxy.overview_lists import why
from proxy.route.regions import NEIGHBOURS, OTHERS, OWN
from proxy.route.table import Route
from proxy.targets.health import CHOOSABLE

if TYPE_CHECKING:
    from proxy.app import Gateway
    from proxy.offer import Offer

TIERS: Final = {OWN: "own", NEIGHBOURS: "neighbour", OTHERS: "other"}
INSTANCES_MAX: Final = 200


def instances_of(
    gateway: "Gateway", route: Route, candidates: "Sequence[Offer]", version: str, picked: "Offer | None"
) -> list[dict[str, Any]]:
    """Return the instances of a route: who was picked, then the other candidates, then the rest. version: chosen."""
    key = (Method(route.method), template_shape(route.template), route.service)
    registered = gateway.registry.routes.get(key)
    everyone = registered.everyone if registered else route.offers
    rows = [_row(gateway, candidates, offer, version, picked) for offer in everyone[:INSTANCES_MAX]]
    order = {"picked": 0, "a candidate": 1}
    return sorted(rows, key=lambda row: order.get(row["because"], 2))


def _row(
    gateway: "Gateway", candidates: "Sequence[Offer]", offer: "Offer", version: str, picked: "Offer | None"
) -> dict[str, Any]:
    instance, wire = offer.instance, gateway.wire
    return {
        "instance": instance.instance,
        "version": offer.version,
        "region": offer.region,
        "tier": TIERS[gateway.configured.terms.regions.tier(offer.region)],
        "health": instance.health.value,
        "in_flight": wire.in_flight[offer.slot],
        "latency_us": round(wire.latency_us[offer.slot]),
        "because": _because(gateway, candidates, offer, version, picked),
    }


def _because(
    gateway: "Gateway", candidates: "Sequence[Offer]", offer: "Offer", version: str, picked: "Offer | None"
) -> str:
    instance = offer.instance
    if picked is not None and instance is picked.instance:
        return "picked"
    if any(each.instance is instance for each in candidates):
        return "a candidate"
    if instance.health not in CHOOSABLE:
        return why(instance, trio.current_time()) or instance.health.value
    if version and offer.version.partition("+")[0] != version.partition("+")[0]:
        return "another version"
    tier = gateway.configured.terms.regions.tier
    if candidates and tier(offer.region) > min(tier(each.region) for each in candidates):
        return "a nearer region has instances"
    if candidates and offer.is_degraded and not all(each.is_degraded for each in candidates):
        return "a healthy instance is there"
    return "the tenant is in another shard"
