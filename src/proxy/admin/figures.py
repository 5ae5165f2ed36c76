"""The numbers of one moment, as plain values: taken in the event loop's thread, made into metrics in another.

Each field says how the figures of several workers become those of all (`proxy.admin.figure_rules`); one that says
nothing is a total that only rises. All of them can be sent as msgpack (`proxy.admin.merging`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.admin.breaker_figures import BreakerFigures
from proxy.admin.figure_rules import WIRE, alike, by_rule, each, highest, lowest, now
from proxy.admin.traffic_figures import InstanceFigures as InstanceFigures
from proxy.admin.traffic_figures import LoopFigures, OutputFigures, SeriesBounds, WorkforceFigures
from proxy.admin.traffic_figures import RouteFigures as RouteFigures


@dataclass(frozen=True, slots=True)
class BodyFigures:
    """What moves that is too long, or too odd, for the batch."""

    streams: int = now()  # exchanges
    held_bytes: int = now()
    held_bytes_peak: int = highest()
    refused: int = 0  # how often bytes did not fit


@dataclass(frozen=True, slots=True)
class TlsFigures:
    """Clients that speak TLS. All zero where the edge does not listen for it."""

    handshakes: int = 0  # finished, those that resumed a session included
    resumed: int = 0
    sessions: int = now()
    failures: Mapping[str, int] = field(default_factory=dict)  # connections that ended because of TLS, by cause
    reloads: int = 0  # of certificates
    bad_reloads: int = 0
    certificate_seconds_left: float | None = lowest(None)  # of the first to run out; None for no certificate


@dataclass(frozen=True, slots=True)
class RateFigures:
    """Rate limits. refused: by scope and limit; keys: held now; crowded: newcomers counted together."""

    refused: Mapping[tuple[str, str], int] = field(default_factory=dict)
    keys: int = now()
    crowded: int = 0
    failures: int = 0  # of the store


@dataclass(frozen=True, slots=True)
class IssuerFigures:
    """The keys of one issuer. age_s: since they were last seen; None: never."""

    name: str
    keys: int = alike(...)
    age_s: float | None = alike(...)
    is_stale: bool = alike(...)
    fetches: int = 0
    failures: int = 0

    @property
    def key(self) -> str:
        """What makes it another one."""
        return self.name


@dataclass(frozen=True, slots=True)
class IdentityFigures:
    """Who asks. known: callers that are remembered now; refused: credentials, by cause; keys_missing: answers 503."""

    known: int = now()
    refused: Mapping[str, int] = field(default_factory=dict)
    keys_missing: int = 0
    issuers: Sequence[IssuerFigures] = each()


@dataclass(frozen=True, slots=True)
class RegistryFigures:
    """What services said of themselves. routes: now; the others only rise. faults: services turned away, by cause.

    slim: HELLOs that said a digest in place of their list; lists_asked: digests that were not known.
    silences: times that an instance was heard of no more for as long as three heartbeats take.
    """

    routes: int = alike()
    hellos: int = 0
    heartbeats: int = 0
    replacements: int = 0
    removals: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    slim: int = 0
    lists_asked: int = 0
    silences: int = 0


@dataclass(frozen=True, slots=True)
class DialledFigures:
    """Services that the gateway dials. addresses, connections, dormant, waiting: now; the others only rise."""

    addresses: int = alike()
    connections: int = now()
    reached: int = 0
    failures: int = 0
    dormant: int = now()  # instances without a connection, dialled when they are asked
    waiting: int = now()  # requests
    hits: int = 0  # requests that found a connection
    misses: int = 0  # that found none with room
    served: int = 0  # of those, that were given one in the end
    evictions: Mapping[str, int] = field(default_factory=dict)  # connections given up by the gateway, by cause
    refusals: Mapping[str, int] = field(default_factory=dict)  # requests that waited in vain, by why


@dataclass(frozen=True, slots=True)
class CallFigures:
    """What the gateway asks services by itself. copies: of requests, for mirrors, by what became of them."""

    in_flight: int = now()  # calls of services
    refused: int = 0
    copies: Mapping[str, int] = field(default_factory=dict)
    answered: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by a service; by caller and callee
    not_answered: Mapping[tuple[str, str], int] = field(default_factory=dict)  # but by the gateway, likewise


@dataclass(frozen=True, slots=True)
class FanOutFigures:
    """Routes that ask several, and the page that shows every instance. requests: by route's name and outcome."""

    in_flight: int = now()
    legs_in_flight: int = now()
    kept_bytes: int = now()  # of answers that may be given again
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    legs: Mapping[str, int] = field(default_factory=dict)  # that are over, by what became of them


@dataclass(frozen=True, slots=True)
class BalanceFigures:
    """How instances are chosen. starting: instances, now; the others are requests by consistent hashing."""

    starting: int = alike()
    moved: int = 0
    keyless: int = 0


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Limits and line of some routes. The limits are None for none."""

    route_max: int | None = now(None)
    service_max: int | None = now(None)
    in_flight: int = now()
    waiting: int = now()


@dataclass(frozen=True, slots=True)
class AdmissionFigures:
    """Who goes on. gates: now, by service and route; waited: by service, how many were let in, and after how many s.

    refused: by service and cause; shed: by what the gateway was short of, and shares: how much of that may be, 0 to 1;
    delay_s: how late it came to its work, now; holds: how often accepting was held.
    """

    gates: Mapping[tuple[str, str], GateFigures] = now(dict)
    waited: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    refused: Mapping[tuple[str, str], int] = field(default_factory=dict)
    shed: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, float] = alike(dict)
    delay_s: float = alike(0.0)
    holds: int = 0


@dataclass(frozen=True, slots=True)
class RetryFigures:
    """Requests sent again. sent: by what happened before; limited: by the limit that forbade it; left: by service."""

    waiting: int = now()
    sent: Mapping[str, int] = field(default_factory=dict)
    limited: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, float] = now(dict)


@dataclass(frozen=True, slots=True)
class HedgeFigures:
    """Second attempts beside first ones. made: by what became of them; not_made: by the limit that forbade it."""

    in_flight: int = now()
    made: Mapping[str, int] = field(default_factory=dict)
    not_made: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """The response cache. waiting: requests, for the answer to another; the others are about answers and bytes now.

    requests: by what became of them; not_kept: answers, by why; refreshes: by whether they brought a good answer.
    """

    waiting: int = now()
    answers: int = now()
    byte_count: int = now()
    evicted: int = 0
    invalidated: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)
    not_kept: Mapping[str, int] = field(default_factory=dict)
    refreshes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Idempotency-Keys. known, in_flight, byte_count: now; requests: by what became of them."""

    known: int = now()
    in_flight: int = now()
    byte_count: int = now()
    evicted: int = 0
    failures: int = 0  # of the store
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReloadFigures:
    """Settings read again. applied_at: seconds since 1970, None for never."""

    applied: int = 0
    refused: int = 0
    applied_at: float | None = highest(None)
    revision: int = highest(1)


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that /metrics tells."""

    version: str
    ready: bool = alike(...)
    routes: Sequence[RouteFigures] = each(...)
    reasons: Mapping[str, int] = field(default_factory=dict)  # how often each reason was given, by code
    wire: Mapping[str, int] = by_rule(WIRE, dict)  # the fields of wire_counters (csrc/wire_values.h), by name
    instances: Sequence[InstanceFigures] = each()
    bodies: BodyFigures = BodyFigures()
    tls: TlsFigures = field(default_factory=TlsFigures)
    doubts: Mapping[str, int] = field(default_factory=dict)  # trusted proxies that were not believed, by cause
    balance: BalanceFigures = BalanceFigures()
    rates: RateFigures = field(default_factory=RateFigures)
    identity: IdentityFigures = field(default_factory=IdentityFigures)
    registry: RegistryFigures = field(default_factory=RegistryFigures)
    dialled: DialledFigures = field(default_factory=DialledFigures)
    calls: CallFigures = field(default_factory=CallFigures)
    fanouts: FanOutFigures = field(default_factory=FanOutFigures)
    retries: RetryFigures = field(default_factory=RetryFigures)
    hedges: HedgeFigures = field(default_factory=HedgeFigures)
    breakers: BreakerFigures = field(default_factory=BreakerFigures)
    admission: AdmissionFigures = field(default_factory=AdmissionFigures)
    reloads: ReloadFigures = field(default_factory=ReloadFigures)
    cache: CacheFigures = field(default_factory=CacheFigures)
    keys: KeyFigures = field(default_factory=KeyFigures)
    injected: Mapping[tuple[str, str], int] = field(default_factory=dict)  # faults on purpose, by service and kind
    revision: str = ""  # of the source, of which this is built
    loop: LoopFigures = field(default_factory=LoopFigures)
    workforce: WorkforceFigures = field(default_factory=WorkforceFigures)
    outputs: OutputFigures = field(default_factory=OutputFigures)
    bounds: SeriesBounds = field(default_factory=SeriesBounds)
