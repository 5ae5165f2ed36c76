"""A sample of one gateway for `/top`: what it is computed from, taken while somebody looks.

Ten thousand routes may be there, and a histogram is 2,688 numbers, so what did not change since the last sample is
taken from that, and the histograms of no more than TIMES_MAX routes are told.
"""

import os
import time
from collections.abc import Iterable
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from frames.frame import Method
from proxy import __version__
from proxy.admin.top_sample import InstanceSample, RouteSample, Times, TopSample, WorkerSample, sparse
from proxy.edge.secured import Secured
from proxy.errors import REASONS
from proxy.overview.breaker_words import instance_text
from proxy.overview.figures import figures_of
from proxy.overview.lists import in_flight_of, in_slices, why
from proxy.request.failure import FailureKind
from proxy.route.table import Route
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.admin.figures import Figures
    from proxy.gateway.app import Gateway

TIMES_MAX: Final = 1_000
INSTANCES_MAX: Final = 2_000
_FAILED: Final = 500

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class _Counted(NamedTuple):
    """The counts of a route, as they were last. times, gateway_times: as in a `RouteSample`."""

    route: Route
    statuses: tuple[int, ...]
    refused: int = 0
    failed: int = 0
    times: Times | None = None
    gateway_times: Times | None = None

    @property
    def total(self) -> int:
        return sum(self.statuses) + self.refused


class Sampler:
    """Takes the samples of one gateway."""

    def __init__(self, gateway: "Gateway", secured: Secured | None) -> None:
        """Look at this gateway."""
        self._gateway = gateway
        self._secured = secured
        self._last: dict[int, _Counted] = {}
        self._started_at_s = started_at_s()

    async def sample(self) -> TopSample:
        """Return the counters of now; the traffic goes on in between."""
        gateway = self._gateway
        snapshot = gateway.lane.snapshot
        counted = await in_slices(self._counted, snapshot.routes)
        busiest = nlargest(TIMES_MAX, [each for each in counted if each.total], key=lambda each: each.total)
        timed = {each.route.index: each for each in await in_slices(self._timed, busiest)}
        self._last = timed
        routes = await in_slices(lambda each: self._route(timed.get(each.route.index, each)), counted)
        instances = await in_slices(self._instance, islice(gateway.registry.instances, INSTANCES_MAX))
        figures = await figures_of(gateway, (), self._secured, is_ready=True)
        worker = WorkerSample(
            worker=gateway.worker_id,
            pid=os.getpid(),
            at_s=time.monotonic(),
            started_at_s=self._started_at_s,
            cpu_s=time.process_time(),
            rss_bytes=resident_bytes(),
            totals=_totals(figures) | _responses(counted),
            now=_now(figures),
            reasons={code: count for code, count in figures.reasons.items() if count},
            routes=[route for route in routes if route.in_flight or sum(route.statuses) or route.refused],
            routes_now=len(routes),
            instances=instances,
            breakers=[(*key, count) for key, count in figures.breakers.states.items()],
            evictions=dict(figures.dialled.evictions),
            turns=sparse(gateway.wire.turns().turn_us) if gateway.wire.settings.measures else None,
        )
        return TopSample(gateway.name, __version__, figures.reloads.revision, [worker])

    def _counted(self, route: Route) -> _Counted:
        reasons = self._gateway.counts.of_route(route.index)
        failed = sum(count for code, count in reasons.items() if REASONS[code].status >= _FAILED)
        return _Counted(route, self._gateway.wire.route_statuses(route.index), sum(reasons.values()), failed)

    def _timed(self, counted: _Counted) -> _Counted:
        last = self._last.get(counted.route.index)
        if last is not None and last[1:4] == counted[1:4] and last.route.template == counted.route.template:
            return last
        wire, index = self._gateway.wire, counted.route.index
        if not wire.settings.measures:
            return counted._replace(times=sparse(wire.route_latency(index)))
        return counted._replace(times=sparse(wire.route_totals(index)), gateway_times=sparse(wire.route_gateway(index)))

    def _route(self, counted: _Counted) -> RouteSample:
        route, statuses = counted.route, counted.statuses
        return RouteSample(
            method=Method(route.method).name,
            path=route.template,
            service=route.service,
            in_flight=self._gateway.wire.route_in_flight[route.index],
            statuses=(statuses[2], statuses[3], statuses[4], statuses[5]),
            refused=counted.refused,
            failed=counted.failed,
            times=counted.times if counted.total else {},
            gateway_times=counted.gateway_times,
        )

    def _instance(self, instance: Instance) -> InstanceSample:
        wire, slot, now = self._gateway.wire, instance.slot, trio.current_time()
        return InstanceSample(
            service=instance.service,
            instance=instance.instance,
            version=instance.version,
            region=instance.region,
            health=instance.health.value,
            why=why(instance, now),
            breaker=instance_text(instance, now),
            in_flight=in_flight_of(wire, instance),
            latency_us=round(wire.latency_us[slot]),
            load_percent=None if instance.reported_load is None else instance.reported_load / 100,
            connections=len(instance.connections),
            connected_s=round(max(0.0, now - instance.connected_at), 1),
            statuses=self._statuses(instance) if wire.settings.measures else None,
        )

    def _statuses(self, instance: Instance) -> tuple[int, int, int, int]:
        counted = [self._gateway.wire.instance_statuses(connection) for connection in instance.connections]
        two, three, four, five = (sum(each[number] for each in counted if each) for number in range(2, 6))
        return two, three, four, five


def _responses(counted: Iterable[_Counted]) -> dict[str, int]:
    """Return how many responses of services had each status class."""
    sums = [0] * 6
    for each in counted:
        for number in range(2, 6):
            sums[number] += each.statuses[number]
    return {f"responses_{number}xx": sums[number] for number in range(2, 6)}


def _totals(figures: "Figures") -> dict[str, int]:
    wire, dialled = figures.wire, figures.dialled
    return {
        "requests": wire["requests"],
        "clients_opened": wire["edge_accepted"],
        "bytes_in": wire["edge_bytes_in"],
        "bytes_out": wire["edge_bytes_out"],
        "retries": sum(figures.retries.sent.values()),
        "sent_again_answered": figures.retries.sent.get(FailureKind.ANSWERED.value, 0),
        "hedges": sum(figures.hedges.made.values()),
        "shed": sum(figures.admission.shed.values()),
        "rate_limited": sum(figures.rates.refused.values()),
        "pool_hits": dialled.hits,
        "pool_misses": dialled.misses,
        "pool_failures": dialled.failures,
    }


def _now(figures: "Figures") -> dict[str, float]:
    wire, dialled = figures.wire, figures.dialled
    now = {
        "exchanges": wire["exchanges_now"],
        "clients": wire["edge_open_now"],
        "services": wire["framed_open_now"],
        "streams": figures.bodies.streams,
        "waiting": figures.retries.waiting + sum(gate.waiting for gate in figures.admission.gates.values()),
    }
    if dialled.addresses:
        now |= {
            "pool_connections": dialled.connections,
            "pool_waiting": dialled.waiting,
            "pool_dormant": dialled.dormant,
        }
    return {name: float(value) for name, value in now.items()}


def resident_bytes() -> int:
    """Return how much memory of this process is resident; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def started_at_s() -> float:
    """Return when this process was started, on the monotonic clock; where the system does not tell, now."""
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return now
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return now - max(0.0, age_s)
