"""What the gateway tells about itself: figures for metrics, instances and routes for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from frames.frame import Method
from frames.wire import Wire
from proxy import __version__
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, RouteFigures, TlsFigures
from proxy.admin.state import AdminState
from proxy.edge.express import ExpressLane
from proxy.edge.forwarded import Doubt
from proxy.edge.secured import Secured
from proxy.edge.task.lane import TaskLane
from proxy.errors import ReasonCounts
from proxy.policy.limits import BytesInFlight
from proxy.route.table import Route
from proxy.targets.health import Health
from proxy.targets.registry import Registry


class Overview:
    """Reads the parts; changes none of them."""

    def __init__(
        self,
        wire: Wire,
        lane: ExpressLane,
        registry: Registry,
        counts: ReasonCounts,
        tasks: TaskLane,
        bytes_in_flight: BytesInFlight,
        doubts: Mapping[Doubt, int],
        secured: Secured | None = None,
    ) -> None:
        """Look at these parts. ``is_draining`` is set by whoever drains."""
        self.is_draining = False
        self._wire = wire
        self._lane = lane
        self._registry = registry
        self._counts = counts
        self._tasks = tasks
        self._bytes_in_flight = bytes_in_flight
        self._doubts = doubts
        self._secured = secured

    def admin_state(self) -> AdminState:
        """Return what the admin pages ask."""
        return AdminState(ready=self.not_ready, figures=self.figures, services=self.services, routes=self.routes)

    def not_ready(self) -> list[str]:
        """Return why the gateway is not ready, one sentence each; empty when it is."""
        reasons = []
        if self.is_draining:
            reasons.append("The gateway is shutting down.")
        if not any(instance.health in _SERVING for instance in self._registry.instances):
            reasons.append("No service that could be asked has registered.")
        return reasons

    def figures(self) -> Figures:
        """Return the numbers of now."""
        return Figures(
            version=__version__,
            ready=not self.not_ready(),
            routes=[
                RouteFigures(
                    method=Method(route.method).name,
                    path=route.template,
                    statuses=self._wire.route_statuses(route.index),
                    latency=self._wire.route_latency(route.index) or None,
                )
                for route in self._routes()
            ],
            reasons=dict(self._counts),
            wire=self._wire.counters(),
            instances=[
                InstanceFigures(instance.service, instance.health.value, self._wire.in_flight[instance.slot])
                for instance in self._registry.instances
            ],
            bodies=BodyFigures(
                streams=self._tasks.in_progress,
                held_bytes=self._bytes_in_flight.held,
                held_bytes_peak=self._bytes_in_flight.peak,
                refused=self._bytes_in_flight.refused,
            ),
            tls=self._tls_figures(),
            doubts={doubt.value: count for doubt, count in self._doubts.items()},
        )

    def _tls_figures(self) -> TlsFigures:
        if self._secured is None:
            return TlsFigures()
        certificates, edge = self._secured
        return TlsFigures(
            handshakes=edge.handshakes,
            resumed=edge.resumed,
            sessions=edge.sessions_now,
            failures={cause.value: count for cause, count in edge.failures.items()},
            reloads=certificates.reloads,
            bad_reloads=certificates.bad_reloads,
            certificate_seconds_left=certificates.seconds_left(),
        )

    def services(self) -> Sequence[Any]:
        """Return the instances, as operators look at them."""
        return [
            {
                "service": instance.service,
                "version": instance.version,
                "instance": instance.instance,
                "region": instance.region,
                "peer": self._wire.peer(instance.connection),
                "health": instance.health.value,
                "in_flight": self._wire.in_flight[instance.slot],
                "latency_us": round(self._wire.latency_us[instance.slot]),
                "unsent_bytes": self._wire.unsent[instance.slot],
                "endpoints": len(instance.endpoints),
            }
            for instance in self._registry.instances
        ]

    def routes(self) -> Sequence[Any]:
        """Return the routes and who offers them."""
        return [
            {
                "method": Method(route.method).name,
                "path": route.template,
                "deadline_ms": route.deadline_ms,
                "instances": [f"{offer.instance.service}/{offer.instance.instance}" for offer in route.offers],
            }
            for route in self._routes()
        ]

    def _routes(self) -> list[Route]:
        """Return the routes in the order in which people look for them."""
        return sorted(self._lane.snapshot.routes, key=lambda route: (route.template, route.method))


_SERVING = (Health.HEALTHY, Health.DEGRADED)
