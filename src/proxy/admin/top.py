"""What `/top` tells: the figures of now, computed from two samples. `penstock top` and the operator page show it.

Rates are per second, over the window between the samples. What is a list has its most telling row first. A percentile
is None where nothing came in the window.
"""

from typing import Final

import msgspec

ROWS: Final = 50
ROWS_MAX: Final = 500
"""Routes, and instances, of one answer."""


class Percentiles(msgspec.Struct, frozen=True):
    """Microseconds, as exactly as histograms tell: within 1 %."""

    p50_us: int | None
    p90_us: int | None
    p99_us: int | None
    p999_us: int | None


NO_PERCENTILES: Final = Percentiles(None, None, None, None)


class Requests(msgspec.Struct, frozen=True):
    """All of them. rates: by status class, answers of the gateway itself included; refused_rate: of those alone.

    error_ratio: the part that was answered with 5xx, 0 to 1; None where nothing was answered. took: at services and in
    the gateway together; gateway: what of it was spent in the gateway.
    """

    rate: float
    in_flight: int
    rates: dict[str, float]
    refused_rate: float
    error_ratio: float | None
    took: Percentiles
    gateway: Percentiles
    total: int


class Flow(msgspec.Struct, frozen=True):
    """Connections, and bytes per second at the edge. opened_rate: of clients."""

    clients: int
    opened_rate: float
    services: int
    streams: int
    bytes_in_rate: float
    bytes_out_rate: float


class Extra(msgspec.Struct, frozen=True):
    """What resilience did, per second; waiting: requests that wait to be sent again, or for a place, now."""

    retry_rate: float
    hedge_rate: float
    shed_rate: float
    rate_limited_rate: float
    waiting: int


class TopRoute(msgspec.Struct, frozen=True):
    """One route, summed up over workers."""

    method: str
    path: str
    service: str
    rate: float
    error_rate: float  # 5xx, and refusals
    in_flight: int
    p50_us: int | None
    p99_us: int | None
    gateway_p99_us: int | None


class TopInstance(msgspec.Struct, frozen=True):
    """One instance. workers: how many of them it is connected to; health: the worst that one of them sees."""

    service: str
    instance: str
    version: str
    region: str
    health: str
    why: str
    breaker: str
    workers: int
    connections: int
    in_flight: int
    latency_us: int
    load_percent: float | None
    connected_s: float
    rate: float | None  # None: nobody counts it
    error_rate: float | None


class TopBreaker(msgspec.Struct, frozen=True):
    """Breakers that are not closed. scope: of instances, or of endpoints."""

    service: str
    scope: str
    state: str
    count: int


class TopPool(msgspec.Struct, frozen=True):
    """Connections to services that the gateway dials."""

    connections: int
    waiting: int
    dormant: int
    hit_rate: float
    miss_rate: float
    failure_rate: float
    eviction_rates: dict[str, float]


class TopRefusal(msgspec.Struct, frozen=True):
    """What the gateway answered itself, or what an exchange ended by, by reason."""

    reason: str
    status: int
    rate: float
    total: int


class TopWorker(msgspec.Struct, frozen=True):
    """One worker process. cpu: processors that it used, 1 for one of them all the time; turn: of its event loop."""

    worker: str
    pid: int
    up_s: float
    rate: float
    in_flight: int
    clients: int
    cpu: float
    rss_bytes: int
    turn_p99_us: int | None


class Top(msgspec.Struct, frozen=True):
    """The answer. routes_now, instances_now: how many there are, of which the lists show the most telling ones."""

    gateway: str
    version: str
    revision: int
    at: float  # seconds since 1970
    window_s: float
    ready: bool
    reasons: list[str]  # why it is not
    requests: Requests
    flow: Flow
    extra: Extra
    routes: list[TopRoute]
    routes_now: int
    instances: list[TopInstance]
    instances_now: dict[str, int]  # by health
    breakers: list[TopBreaker]
    pool: TopPool | None  # None where nobody is dialled
    refusals: list[TopRefusal]
    workers: list[TopWorker]
