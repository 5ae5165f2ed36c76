"""What `/top` is computed from: the counters of one moment, of one worker or of several.

All that is called a total only ever rises while its worker lives, so that two samples tell what was in between
(`top_between`). Samples of several workers are put side by side, never added up: a worker that is replaced begins at
zero, and a sum would fall.

Everything here goes through msgpack, from the workers to whoever merges them.
"""

from collections.abc import Iterable
from itertools import compress
from typing import Final

import msgspec

from proxy.admin.latency import COUNTS

Times = dict[int, int]
"""How often each bucket of `proxy.admin.latency` was met; buckets at zero are left out."""

_BUCKETS: Final = range(COUNTS)  # the coarser rule has fewer


class RouteSample(msgspec.Struct, frozen=True):
    """One route. statuses: totals of services' responses by status class, 2 to 5; refused: of what ended otherwise, by
    a reason; failed: of those that are answered 5xx.

    times: how long requests took, in µs; None where they are not told, since there are too many routes.
    gateway_times: the part of it that was spent in the gateway, by the coarser rule of the wire.
    """

    method: str
    path: str
    service: str
    in_flight: int
    statuses: tuple[int, int, int, int]
    refused: int = 0
    failed: int = 0
    times: Times | None = None
    gateway_times: Times | None = None


class InstanceSample(msgspec.Struct, frozen=True):
    """One instance, as one worker sees it. statuses: as of a route, or None where nobody counts them."""

    service: str
    instance: str
    version: str
    region: str
    health: str
    why: str
    breaker: str  # in words; empty where all are closed
    in_flight: int
    latency_us: int  # 0: nothing was measured yet
    load_percent: float | None
    connections: int
    connected_s: float
    statuses: tuple[int, int, int, int] | None = None


class WorkerSample(msgspec.Struct, frozen=True):
    """One worker, or the only process. at_s: of the machine's monotonic clock, which its processes share.

    totals: what only rises, by name; now: what does not; reasons: totals of refusals, by code; routes_now: how many
    routes there are, also those that were never asked, which are not among routes.
    """

    worker: str
    pid: int
    at_s: float
    started_at_s: float
    cpu_s: float
    rss_bytes: int
    totals: dict[str, int]
    now: dict[str, float]
    reasons: dict[str, int]
    routes: list[RouteSample]
    routes_now: int
    instances: list[InstanceSample]
    breakers: list[tuple[str, str, str, int]] = []  # that are not closed: service, scope, state, how many
    evictions: dict[str, int] = {}  # totals of connections that the pool gave up, by cause
    turns: Times | None = None  # how long batches took, likewise; None where nobody measures them


class TopSample(msgspec.Struct, frozen=True):
    """One moment. gateway, version: as the gateway calls itself; revision: of its settings."""

    gateway: str
    version: str
    revision: int
    workers: list[WorkerSample]


def merged_samples(samples: Iterable[TopSample]) -> TopSample:
    """Return one sample of all workers, from one of each. At least one is needed."""
    first, *others = samples
    workers = [*first.workers, *(worker for other in others for worker in other.workers)]
    revision = min([first.revision, *(other.revision for other in others)])  # the settings that all of them have
    name = first.gateway.removesuffix(f"-{first.workers[0].worker}") if first.workers else first.gateway
    return msgspec.structs.replace(first, gateway=name, revision=revision, workers=workers)


def sparse(counts: "tuple[int, ...]") -> Times:
    """Return the buckets that are not at zero. counts: at most COUNTS numbers."""
    return dict(zip(compress(_BUCKETS, counts), filter(None, counts), strict=True))
