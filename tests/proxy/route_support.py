"""Offers, routes and exchanges for the stages that choose among versions, regions and shards."""

from collections.abc import Iterable, Mapping
from typing import cast

from request_fields import Fields

from frames.endpoint import EndpointOffer
from frames.frame import Method
from frames.wire_values import HEAD_HAS_MORE, SERVICE_VERSION_FIELD
from proxy.request.caller import Caller, Identity
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import RoutePolicy
from proxy.request.snapshot import Snapshot
from proxy.route.choice import Choice
from proxy.route.regions import Regions
from proxy.route.table import Route
from proxy.targets.instance import Instance

NO_SNAPSHOT = cast(Snapshot, None)  # none of these stages looks at it


def offer(
    name: str,
    version: str = "1.4.0",
    region: str = "local",
    *,
    is_degraded: bool = False,
    declared: EndpointOffer = EndpointOffer(id=1, method="GET", path="/invoices"),  # noqa: B008 - it never changes
) -> Offer:
    return Offer(
        slot=0,
        connection=0,
        endpoint_id=1,
        deadline_ms=None,
        idempotent=False,
        streams=False,
        instance=Instance("billing", name, 0, 0.0),
        version=version,
        region=region,
        is_degraded=is_degraded,
        declared=declared,
    )


def versions(*texts: str) -> tuple[Offer, ...]:
    """One healthy offer of each version, named by it."""
    return tuple(offer(f"b-{text}", text) for text in texts)


def names(offers: Iterable[Offer]) -> str:
    return " ".join(offer.instance.instance for offer in offers)


def route(
    offers: tuple[Offer, ...],
    policy: RoutePolicy | None = None,
    regions: Regions | None = None,
    registered: Iterable[str] = (),
) -> Route:
    policy = policy or RoutePolicy()
    choice = Choice(offers, regions or Regions(), policy, registered)
    return Route(0, Method.GET, "/invoices", choice.default.offers, policy=policy, choice=choice)


def begun(
    at: Route,
    fields: Mapping[bytes, bytes] | None = None,
    *,
    tenant: bytes = b"",
    principal: str = "",
    flags: int = 0,
    path: bytes = b"/invoices",
) -> Exchange:
    """An exchange that was matched, by a caller of whom identify has found this out."""
    exchange = Exchange(Fields(fields), NO_SNAPSHOT)
    flags |= HEAD_HAS_MORE if SERVICE_VERSION_FIELD in (fields or {}) else 0
    exchange.begin(1, Method.GET, flags, path, NO_SNAPSHOT)
    identity = Identity(principal=principal, claims={}) if principal else None
    exchange.caller = Caller(tenant=tenant, identity=identity) if tenant or identity else None
    exchange.route, exchange.offers = at, at.offers
    return exchange
