"""The terms of routes: what the configuration says about them, and how a route is made by it."""

from collections.abc import Sequence

import msgspec

from proxy.offer import Offer
from proxy.route.hosts import HostRules
from proxy.route.table import Route
from proxy.snapshot import Limits
from proxy.stage import Stage, stages_of, without_odd
from proxy.targets.instance import RegisteredRoute


class Terms(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What holds for all routes, until the configuration is another. stages: those after match, in their order."""

    stages: Sequence[Stage]
    limits: Limits
    hosts: HostRules

    def route(self, index: int, registered: RegisteredRoute) -> Route:
        """Return the route for what is registered. index: of the wire's counters."""
        offers = registered.offers
        route = Route(
            index=index,
            method=registered.method,
            template=registered.path,
            offers=offers,
            service=registered.service,
            deadline_ms=_deadline_ms(offers, self.limits),
            streams=any(offer.streams for offer in offers),
        )
        route.stages = stages_of(self.stages, route)
        route.usual_stages = without_odd(route.stages)
        return route


def _deadline_ms(offers: Sequence[Offer], limits: Limits) -> int:
    """Return what the services say, the strictest first, or the default; never more than the edge allows."""
    said = [offer.deadline_ms for offer in offers if offer.deadline_ms is not None]
    return min([*said, limits.deadline_ms_max]) if said else limits.deadline_ms
