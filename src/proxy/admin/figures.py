"""The numbers of one moment, as plain values: taken in the event loop's thread, made into metrics in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """What the wire counted for one route. Both sequences are copies: the wire goes on counting."""

    method: str
    path: str  # the template
    statuses: Sequence[int]  # services' responses by status class: index 1 to 5, index 0 unused
    latency: Sequence[int] | None = None  # wire_route_latency's counts (WIRE_LATENCY_COUNTS), None for none


@dataclass(frozen=True, slots=True)
class InstanceFigures:
    """One instance of a service, as the registry sees it."""

    service: str
    health: str  # healthy, degraded, unhealthy, draining
    in_flight: int


@dataclass(frozen=True, slots=True)
class BodyFigures:
    """What moves that is too long, or too odd, for the batch."""

    streams: int = 0  # exchanges now
    held_bytes: int = 0
    held_bytes_peak: int = 0
    refused: int = 0  # how often bytes did not fit


@dataclass(frozen=True, slots=True)
class TlsFigures:
    """Clients that speak TLS. All zero where the edge does not listen for it."""

    handshakes: int = 0  # finished, those that resumed a session included
    resumed: int = 0
    sessions: int = 0  # now
    failures: Mapping[str, int] = field(default_factory=dict)  # connections that ended because of TLS, by cause
    reloads: int = 0  # of certificates
    bad_reloads: int = 0
    certificate_seconds_left: float | None = None  # of the first to run out; None for no certificate


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that /metrics tells."""

    version: str
    ready: bool
    routes: Sequence[RouteFigures]  # in an order that does not change: what is over the bound is told as one
    reasons: Mapping[str, int]  # how often each reason was given, by code
    wire: Mapping[str, int]  # the fields of wire_counters (csrc/wire.h), by name
    instances: Sequence[InstanceFigures]
    bodies: BodyFigures = BodyFigures()
    tls: TlsFigures = field(default_factory=TlsFigures)
    doubts: Mapping[str, int] = field(default_factory=dict)  # trusted proxies that were not believed, by cause
