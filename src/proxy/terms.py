"""The terms of routes: what the configuration says about them, and how a route is made by it."""

from collections.abc import Sequence

import msgspec

from proxy.route.choice import Choice
from proxy.route.hosts import HostRules
from proxy.route.regions import Regions
from proxy.route.rules import Policies
from proxy.route.table import Route
from proxy.snapshot import Limits
from proxy.stage import Stage, stages_of, without_flags, without_odd
from proxy.targets.instance import RegisteredRoute


class Terms(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What holds for all routes, until the configuration is another. stages: those after match, in their order."""

    stages: Sequence[Stage]
    limits: Limits
    hosts: HostRules
    regions: Regions
    policies: Policies

    def route(self, index: int, registered: RegisteredRoute) -> Route:
        """Return the route for what is registered. index: of the wire's counters."""
        service, method, template = registered.service, registered.method, registered.path
        policy = self.policies.policy_of(service, method, template, registered.everyone)
        choice = Choice(registered.offers, self.regions, policy, _versions(registered))
        route = Route(
            index=index,
            method=method,
            template=template,
            service=service,
            offers=choice.default.offers,
            deadline_ms=min(policy.deadline_ms or self.limits.deadline_ms, self.limits.deadline_ms_max),
            policy=policy,
            choice=choice,
            streams=any(offer.streams for offer in registered.everyone),
        )
        route.stages = stages_of(self.stages, route)
        route.usual_stages, route.plain_stages = without_odd(route.stages), without_flags(route.stages)
        return route


def _versions(registered: RegisteredRoute) -> set[str]:
    """Return the versions that there are, where those that may be chosen do not tell."""
    versions = {offer.version for offer in registered.everyone}
    return versions if len(versions) > 1 or not registered.offers else set()
