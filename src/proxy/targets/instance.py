"""One running process of a service, as the gateway knows it; and what is said about it to others."""

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from frames.frame import HealthStatus, Method
from frames.greeting import STREAMS, EndpointOffer, Hello
from frames.wire_values import slot_of
from proxy.breaker_state import BreakerState
from proxy.request.offer import Offer
from proxy.targets.health import Health

if TYPE_CHECKING:
    from proxy.pooled import Holder
    from proxy.targets.breaker import Breaker
    from proxy.targets.breakers import Move
    from proxy.targets.pool_values import Ring

RouteKey = tuple[Method, str, str]
"""What makes a route this one: the method, the path with its parameters unnamed, and the service that has it."""


class Instance(msgspec.Struct, eq=False):
    """One running process of a service. Times are seconds of one clock. Compared by identity."""

    service: str
    instance: str
    connection: int
    """By which it is asked; the last one that there was, where it is dormant."""
    connected_at: float
    version: str = ""
    region: str = ""
    said: Hello | None = None
    """Its last HELLO, with the list of endpoints and without the token."""
    endpoints: dict[RouteKey, EndpointOffer] = msgspec.field(default_factory=dict)
    health: Health = Health.HEALTHY
    last_heard: float = 0.0
    patience: float = 1.0
    """By what the thresholds of silence are multiplied, since it sends heartbeats slowly."""
    reported: HealthStatus = HealthStatus.HEALTHY
    reported_load: int | None = None
    """In 1/10,000 of its capacity; None when it does not know."""
    reported_in_flight: int = 0
    takes_streams: bool = False
    """It named the feature, and so do we."""
    credit_bytes: int = 0
    """What it may be sent on a new stream."""
    is_going: bool = False
    """It said GOAWAY, or was told so: it finishes what it has, and closes."""
    retired: dict[int, RouteKey] = msgspec.field(default_factory=dict)
    """Ids of endpoints that it has taken back: a request may be on its way to one."""
    gauges: dict[int, int] = msgspec.field(default_factory=dict)
    """By endpoint's id: what the wire counts its good answers by; 0 for none."""
    breaker: "Breaker | None" = None
    """Its own, unless that is closed."""
    breakers: "dict[int, Breaker]" = msgspec.field(default_factory=dict)
    """By gauge: those of its endpoints that are not closed."""
    ring: "Ring | None" = None
    """Its connections as the pool has them, where the gateway has dialled it."""
    others: tuple[int, ...] = ()
    """Its further connections, which were dialled."""
    is_dormant: bool = False
    """It has no connection, since nobody asked for long, and is dialled when somebody does."""
    past: Any = None
    """What was counted of its connections that are gone (`proxy.overview.times.Past`), where it may have others."""

    @property
    def name(self) -> str:
        """Service and instance, for people."""
        return f"{self.service}/{self.instance}"

    @property
    def holder(self) -> "Holder":
        """Service and instance, for machines."""
        return (self.service, self.instance)

    @property
    def connections(self) -> tuple[int, ...]:
        """All connections by which it can be asked."""
        return () if self.is_dormant else (self.connection, *self.others)

    @property
    def slot(self) -> int:
        """Index into the wire's flat arrays."""
        return slot_of(self.connection)

    def take(self, hello: Hello, patience: float, now: float) -> None:
        """Replace what it said before by this HELLO."""
        self.said = msgspec.structs.replace(hello, token=None)
        self.version, self.region = hello.version, hello.region
        self.takes_streams, self.credit_bytes = STREAMS in hello.features, hello.credit_bytes
        before = self.endpoints
        self.endpoints = keyed(hello)
        if before:
            kept = {endpoint.id for endpoint in hello.listed}
            self.retired |= {each.id: key for key, each in before.items() if each.id not in kept}
        self.patience, self.last_heard = patience, now

    def given_ids(self) -> dict[int, RouteKey]:
        """Return to which endpoint each id was given, ever since it connected."""
        return self.retired | {endpoint.id: key for key, endpoint in self.endpoints.items()}

    def breakers_of(self, gauge: int) -> "tuple[Breaker, ...]":
        """Return the breakers that are not closed: its own, and that of the endpoint with this gauge."""
        if self.breaker is None and not self.breakers:
            return ()
        own = self.breakers.get(gauge)
        return tuple(breaker for breaker in (self.breaker, own) if breaker is not None)

    def offer(self, endpoint: EndpointOffer, connection: int = 0) -> Offer:
        """Return the endpoint as something that a request can be sent to. connection: in place of the first."""
        gauge = self.gauges.get(endpoint.id, 0)
        breakers = self.breakers_of(gauge)
        return Offer(
            slot=slot_of(connection or self.connection),
            connection=connection or self.connection,
            endpoint_id=endpoint.id,
            deadline_ms=endpoint.deadline_ms,
            idempotent=endpoint.idempotent,
            streams=endpoint.streams and self.takes_streams,
            upgrades=endpoint.upgrades if self.takes_streams else (),
            instance=self,
            declared=endpoint,
            version=self.version,
            region=self.region,
            is_degraded=self.health is Health.DEGRADED,
            gauge=gauge,
            breaker=max((breaker.state for breaker in breakers), default=BreakerState.CLOSED),
            breakers=breakers,
        )

    def __repr__(self) -> str:
        """Identity, state and counts on one line."""
        load = "unknown" if self.reported_load is None else f"{self.reported_load / 100:g}%"
        going = " going" if self.is_going else " dormant" if self.is_dormant else ""
        return (
            f"<Instance {self.name} {self.version} {self.region} connection={self.connection}"
            f" {self.health.value}{going} endpoints={len(self.endpoints)} in_flight={self.reported_in_flight}"
            f" load={load}>"
        )


def keyed(hello: Hello) -> dict[RouteKey, EndpointOffer]:
    """Return the endpoints of a HELLO by the routes that they are."""
    return {(*endpoint.shape, hello.service): endpoint for endpoint in hello.listed}


class Transition(msgspec.Struct, frozen=True):
    """An instance is in another state of health than before."""

    instance: Instance
    before: Health
    after: Health


class RegisteredRoute(msgspec.Struct, frozen=True, eq=False):
    """One method and path, and where its requests may go now. Compared by identity: an unchanged route is the same
    object.

    path: the template as its first instance wrote it. offers: of all instances that may be chosen, the healthy and the
    degraded ones; may be empty. registered: how many instances offer it, in whatever health. service: whose it is.
    everyone: the offers of all of those, for what is declared of it and for the versions that there are.
    """

    method: Method
    path: str
    offers: tuple[Offer, ...]
    registered: int
    service: str = ""
    everyone: tuple[Offer, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """What one thing that happened changed, and what is to be done now. False when it is nothing.

    added, removed, changed: keys of routes, by which the snapshot is to be made again. replaced: connections to be
    sent GOAWAY `replaced`. lost: connections that were silent for too long, to be closed. moves: of breakers.
    """

    added: tuple[RouteKey, ...] = ()
    removed: tuple[RouteKey, ...] = ()
    changed: tuple[RouteKey, ...] = ()
    transitions: tuple[Transition, ...] = ()
    replaced: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    moves: "tuple[Move, ...]" = ()

    @property
    def is_routes(self) -> bool:
        """Whether the routes are others than before."""
        return bool(self.added or self.removed or self.changed)

    @property
    def notes(self) -> tuple[tuple[int, str], ...]:
        """What an operator should know of it: level and text of log lines."""
        return tuple((_LEVELS[move.after], f"{move.instance.name} is {move.after.value}") for move in self.transitions)

    def __bool__(self) -> bool:
        """Whether anything changed, or is to be done."""
        return self != NO_CHANGE


NO_CHANGE = Change()

_LEVELS = {
    Health.HEALTHY: logging.INFO,
    Health.DEGRADED: logging.WARNING,
    Health.UNHEALTHY: logging.WARNING,
    Health.DRAINING: logging.INFO,
    Health.REMOVED: logging.WARNING,
}


class RegistryStatistics(msgspec.Struct, frozen=True):
    """A snapshot of counts. instances: by health, now; routes: now. The others only ever rise."""

    instances: dict[str, int]
    routes: int
    hellos: int
    heartbeats: int
    replacements: int
    removals: int
    silences: int
