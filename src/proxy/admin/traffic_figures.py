"""Figures of requests: by route, by instance, by turn of the loop, and of the processes that carry them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.admin.figure_rules import BY_KEY_NOW, Rule, alike, by_rule, highest, now

HEALTHS: Final = ("healthy", "degraded", "unhealthy", "draining")
"""From the best on. Told for every service, also at zero, so that an alert need not know about absent series."""


def worst_health(one: str, other: str) -> str:
    """Return the worse one of two; "" is nobody's."""
    return max(one, other, key=lambda health: HEALTHS.index(health) if health in HEALTHS else -1)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often what was measured was within each bound: a histogram as Prometheus has it."""

    within: Sequence[int]
    """How many were at most each bound of `proxy.admin.bounds`, and last how many there were."""
    total: float = 0.0
    """Their sum, in the unit of the bounds."""


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """What the wire counted for one route of one service."""

    method: str
    path: str  # the template
    statuses: Sequence[int]  # services' responses by status class: index 1 to 5, index 0 unused
    latency: Distribution | None = None  # from sending an attempt to its response; None: there was none
    shares: Mapping[str, float] = alike(dict)  # of a split that holds now, by version: 0 to 1
    service: str = ""
    total: Distribution | None = None  # from a request's first byte to the end of its answer
    gateway: Distribution | None = None  # the part of it that no service had the request
    reasons: Mapping[str, int] = field(default_factory=dict)  # answers of the gateway's own, by code
    in_flight: int = now()
    workers: int = now(1)  # that have it; 0: only some that have ended had

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it another one."""
        return self.path, self.method, self.service


@dataclass(frozen=True, slots=True)
class InstanceFigures:
    """One instance of a service, as the registry sees it, over all of its connections."""

    service: str
    health: str = by_rule(Rule(worst_health, is_kept=False))
    in_flight: int = now(...)
    version: str = ""
    instance: str = ""
    statuses: Sequence[int] = (0,) * 6  # its responses by status class
    latency: Distribution | None = None
    workers: int = now(1)  # as for a route

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another one."""
        return self.service, self.instance


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """The turns of the event loop. Distributions are None where nothing is measured."""

    turns: Distribution | None = None  # seconds that a turn took: to take in a batch, decide, and send
    away: Distribution | None = None  # seconds that other tasks kept the batch waiting
    batches: Distribution | None = None  # requests of a batch
    longest_turn_s: float = highest(0.0)
    longest_away_s: float = highest(0.0)
    tasks: int = now()  # of Trio's, that have not ended


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """What a process takes."""

    pid: int = 0
    cpu_s: float = 0.0
    resident_bytes: int = 0
    virtual_bytes: int = 0
    descriptors: int = 0
    descriptors_max: int = 0
    started_at: float = 0.0  # seconds since 1970


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker. slot: 0 to N-1, which stays when the worker is replaced; state: starting, serving and so on."""

    slot: str
    state: str
    process: ProcessFigures = ProcessFigures()
    open_connections: int = 0
    in_flight: int = 0

    @property
    def key(self) -> int:
        """What makes it another one."""
        return self.process.pid


@dataclass(frozen=True, slots=True)
class WorkforceFigures:
    """The workers. In one process it is one, which nobody replaces. What the supervisor knows, and workers do not."""

    wanted: int = now(1)
    workers: Sequence[WorkerFigures] = by_rule(BY_KEY_NOW, ())
    starts: Mapping[str, int] = field(default_factory=dict)  # by cause: start, crash, restart, upgrade
    upgrades: Mapping[str, int] = field(default_factory=dict)  # by outcome: done, refused
    silent: int = now()  # workers whose figures are not in these, or old


@dataclass(frozen=True, slots=True)
class OutputFigures:
    """What is written beside the traffic: log, access log, traces. By output, each: log, access_log, traces."""

    written: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)  # there was no room
    failed: Mapping[str, int] = field(default_factory=dict)  # could not be written, or sent
    waiting: Mapping[str, int] = now(dict)


@dataclass(frozen=True, slots=True)
class SeriesBounds:
    """How many routes and instances are told by name; those beyond are told together."""

    routes: int = alike(1_000)
    instances: int = alike(500)
