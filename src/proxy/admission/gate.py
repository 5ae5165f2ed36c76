"""The gate: limits and line of the routes of one service for which the configuration says the same.

Who comes while there is a place, and nobody waits, goes on: that is all that most requests see of it, and it is two
comparisons (`proxy.admission.stages`). Everybody else is let in from the line, by `proxy.admission.admitting`.
"""

from collections.abc import Sequence
from typing import Final
from weakref import WeakSet

from proxy.admission.adaptive import AdaptiveLimit
from proxy.admission.line import Line
from proxy.admission.patience import Patience
from proxy.admission.priority import Priority
from proxy.admission.refusals import Tally
from proxy.request.route_policy import Concurrency

NO_LIMIT: Final = 1 << 32
START: Final = 40
"""The first limit of a service that nothing is known of."""


class ServiceLimit:
    """The limit of one service. group: its number at the wire. Where it is given, only times are learned."""

    __slots__ = ("__weakref__", "adaptive", "gates", "group", "service")

    def __init__(self, service: str, group: int, adaptive: AdaptiveLimit) -> None:
        self.service = service
        self.group = group
        self.adaptive = adaptive
        self.gates: WeakSet[Gate] = WeakSet()
        """Those that follow it."""

    def __repr__(self) -> str:
        """Whose it is, and what it is now."""
        return f"<ServiceLimit {self.service} {self.adaptive!r}>"


class Gate:
    """Limits and line. `is_open` while nobody waits; the two limits are above everything where there is none."""

    __slots__ = (
        "__weakref__",
        "group",
        "is_open",
        "line",
        "name",
        "patience",
        "policy",
        "priority",
        "route",
        "route_limit",
        "service",
        "service_limit",
        "tally",
        "times",
    )

    def __init__(self, policy: Concurrency, route: int, name: str, times: ServiceLimit, tally: Tally) -> None:
        """route, name: whose limit it is, 0 and empty where no route has one; times: the service's, and its limit."""
        self.policy = policy
        self.service = times.service
        self.group = times.group
        self.route = route
        self.name = name
        self.route_limit = NO_LIMIT if policy.route_max is None else policy.route_max
        self.times = times
        self.service_limit = NO_LIMIT
        self.line = Line(policy.waiting)
        self.patience = Patience(policy.wait_ms / 1000)
        self.priority = Priority[policy.priority.upper()]
        self.tally = tally
        self.is_open = True
        times.gates.add(self)
        self.follow()

    def __repr__(self) -> str:
        """Limits and line, on one line."""
        limits = [str(limit) for limit in (self.route_limit, self.service_limit) if limit != NO_LIMIT]
        return f"<Gate {self.service} {' and '.join(limits)} {self.line!r}>"

    def follow(self) -> None:
        """Take over what the service's limit is by now."""
        if self.policy.service_max is not None:
            self.service_limit = self.times.adaptive.limit

    def has_place(self, route_in_flight: Sequence[int], service_in_flight: Sequence[int]) -> bool:
        """Whether one more may go on now. The arrays are the wire's."""
        return service_in_flight[self.group] < self.service_limit and route_in_flight[self.route] < self.route_limit

    @property
    def latency_s(self) -> float:
        """What the service needs for an answer while it is not crowded; 0: not known."""
        return self.times.adaptive.base_us / 1e6
