"""The terms of routes: what the configuration says about them, and how a route is made by it."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from frames.frame import Method
from frames.template import template_shape
from frames.wire_values import SendHow
from proxy.request.snapshot import Limits
from proxy.request.stage import Stage, stages_of, without_flags, without_odd
from proxy.route.choice import Choice
from proxy.route.hosts import HostRules
from proxy.route.regions import Regions
from proxy.route.rules import Policies
from proxy.route.table import Route
from proxy.targets.instance import RegisteredRoute, RouteKey

if TYPE_CHECKING:
    from proxy.attempts.profiles import Profile
    from proxy.fanout.plan import FanOutPlan

Registered = Mapping[RouteKey, RegisteredRoute]


class Terms(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What holds for all routes, until the configuration is another. stages: those after match, in their order."""

    stages: Sequence[Stage]
    limits: Limits
    hosts: HostRules
    regions: Regions
    policies: Policies
    profiles: "Mapping[str, Profile] | None" = None
    """Retry profiles, where there are more than those that always are."""

    fanouts: "Mapping[RouteKey, FanOutPlan]" = {}
    """Routes that ask several. They are there whether or not anybody has registered them."""

    @property
    def reserved(self) -> Mapping[tuple[Method, str], str]:
        """Whose methods and paths those are."""
        return {key[:2]: key[2] for key in self.fanouts}

    def with_fanouts(self, registered: Registered) -> Registered:
        """Return what is registered, and the routes that only the configuration knows."""
        if not self.fanouts:
            return registered
        own = {
            key: RegisteredRoute(plan.method, plan.path, (), 0, plan.service)
            for key, plan in self.fanouts.items()
            if key not in registered
        }
        return ChainMap(cast("dict[RouteKey, RegisteredRoute]", registered), own)  # neither is changed

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
        if self.fanouts:
            route.fanout = self.fanouts.get((Method(method), template_shape(template), service))
        self._plan(route, registered)
        route.stages = stages_of(self.stages, route)
        route.usual_stages, route.plain_stages = without_odd(route.stages), without_flags(route.stages)
        return route

    def _plan(self, route: Route, registered: RegisteredRoute) -> None:
        """Settle how its requests are sent again."""
        from proxy.attempts.profiles import BUILT_IN, plan_of  # loaded with the first route

        is_idempotent = bool(registered.everyone) and all(offer.idempotent for offer in registered.everyone)
        plan = plan_of(
            route.method, is_idempotent=is_idempotent, name=route.policy.retries, profiles=self.profiles or BUILT_IN
        )
        route.plan, route.how, route.attempt_ms = plan, plan.how, plan.attempt_ms
        if route.policy.cache is not None or route.policy.idempotency is not None:
            route.how |= SendHow.TELL


def _versions(registered: RegisteredRoute) -> set[str]:
    """Return the versions that there are, where those that may be chosen do not tell."""
    versions = {offer.version for offer in registered.everyone}
    return versions if len(versions) > 1 or not registered.offers else set()
