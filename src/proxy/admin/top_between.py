"""Two samples become figures of now. Plain functions of plain values: no clock, no I/O."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from proxy.admin.latency import upper_bound_us
from proxy.admin.percentiles import added, coarse_bound_us, percentile_us, risen
from proxy.admin.top import (
    NO_PERCENTILES,
    ROWS,
    Extra,
    Flow,
    Percentiles,
    Requests,
    Top,
    TopBreaker,
    TopPool,
    TopRefusal,
    TopRoute,
    TopWorker,
)
from proxy.admin.top_instances import instance_rows
from proxy.admin.top_sample import RouteSample, Times, TopSample, WorkerSample
from proxy.errors import REASONS

CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
_NO_STATUSES: Final = (0, 0, 0, 0)


class Wanted(NamedTuple):
    """Which rows are wanted. service: by its exact name, empty for all."""

    service: str = ""
    limit: int = ROWS


class Step(NamedTuple):
    """A worker, and what it was like before: itself at zero, where it has begun in between."""

    before: WorkerSample
    after: WorkerSample

    @property
    def seconds(self) -> float:
        """How long that was."""
        return max(self.after.at_s - self.before.at_s, 0.001)

    def rate(self, name: str) -> float:
        """Return how much a total rose per second. A name that nobody knows is 0."""
        return max(0, self.after.totals.get(name, 0) - self.before.totals.get(name, 0)) / self.seconds


def top_between(
    before: TopSample, after: TopSample, wanted: Wanted, *, ready: bool, reasons: Sequence[str], at: float
) -> Top:
    """Return the figures of the time between two samples. at: seconds since 1970, of the later one."""
    steps = list(_steps(before, after))
    sums = _route_sums(steps)
    routes = _routes(sums)
    refusals = _refusals(steps)
    instances, by_health = instance_rows(
        [(step.before.instances, step.after.instances, step.seconds) for step in steps], wanted.service
    )
    shown = [route for route in routes if wanted.service in ("", route.service)]
    return Top(
        gateway=after.gateway,
        version=after.version,
        revision=after.revision,
        at=at,
        window_s=round(max((step.seconds for step in steps), default=0.0), 3),
        ready=ready,
        reasons=list(reasons),
        requests=_requests(steps, sums.values(), refusals),
        flow=_flow(steps),
        extra=_extra(steps),
        routes=shown[: wanted.limit],
        routes_now=max((step.after.routes_now for step in steps), default=0),
        instances=instances[: wanted.limit],
        instances_now=by_health,
        breakers=_breakers(steps),
        pool=_pool(steps),
        refusals=refusals,
        workers=[_worker(step) for step in steps],
    )


def _steps(before: TopSample, after: TopSample) -> Iterable[Step]:
    known = {(each.worker, each.pid): each for each in before.workers}
    for each in after.workers:
        yield Step(known.get((each.worker, each.pid)) or _at_zero(each), each)


def _at_zero(worker: WorkerSample) -> WorkerSample:
    return WorkerSample(
        worker=worker.worker,
        pid=worker.pid,
        at_s=worker.started_at_s,
        started_at_s=worker.started_at_s,
        cpu_s=0.0,
        rss_bytes=0,
        totals={},
        now={},
        reasons={},
        routes=[],
        routes_now=0,
        instances=[],
    )


# ---- routes, and all requests ----


class _RouteSum:
    """A route, as its workers' samples are added up."""

    def __init__(self) -> None:
        self.rate = self.error_rate = 0.0
        self.in_flight = 0
        self.times: Times = {}
        self.gateway_times: Times = {}

    def add(self, before: RouteSample | None, after: RouteSample, seconds: float) -> None:
        old = before or RouteSample(after.method, after.path, after.service, 0, _NO_STATUSES)
        answered = sum(after.statuses) - sum(old.statuses)
        if answered < 0 or after.refused < old.refused:  # the route came back, and its counts began anew
            return self.add(None, after, seconds)
        refused = after.refused - old.refused
        self.rate += (answered + refused) / seconds
        self.error_rate += (after.statuses[3] - old.statuses[3] + after.failed - old.failed) / seconds
        self.in_flight += after.in_flight
        added(self.times, _risen(old.times, after.times, is_new=before is None))
        added(self.gateway_times, _risen(old.gateway_times, after.gateway_times, is_new=before is None))
        return None


def _risen(before: Mapping[int, int] | None, after: Mapping[int, int] | None, *, is_new: bool) -> Mapping[int, int]:
    """Return the times in between. Those that were not told before would be those of its whole life: none are told."""
    if after is None or after is before or (before is None and not is_new):
        return {}
    return risen(before or {}, after)


RouteKey = tuple[str, str, str]


def _route_sums(steps: Sequence[Step]) -> dict[RouteKey, _RouteSum]:
    sums: dict[RouteKey, _RouteSum] = defaultdict(_RouteSum)
    for step in steps:
        known = {(each.method, each.path, each.service): each for each in step.before.routes}
        for each in step.after.routes:
            key = (each.method, each.path, each.service)
            sums[key].add(known.get(key), each, step.seconds)
    return sums


def _routes(sums: Mapping[RouteKey, _RouteSum]) -> list[TopRoute]:
    """Return all that were ever asked, the busiest first."""
    rows = [
        TopRoute(
            *key,
            rate=_rounded(each.rate),
            error_rate=_rounded(each.error_rate),
            in_flight=each.in_flight,
            p50_us=percentile_us(each.times, 50),
            p99_us=percentile_us(each.times, 99),
            gateway_p99_us=percentile_us(each.gateway_times, 99, coarse_bound_us),
        )
        for key, each in sums.items()
    ]
    rows.sort(key=lambda row: (-row.rate, -row.in_flight, row.path, row.method, row.service))
    return rows


def _requests(steps: Sequence[Step], sums: Iterable[_RouteSum], refusals: Sequence[TopRefusal]) -> Requests:
    times: Times = {}
    gateway_times: Times = {}
    for each in sums:
        added(times, each.times)
        added(gateway_times, each.gateway_times)
    rates = dict.fromkeys(CLASSES, 0.0)
    for step in steps:
        for name in CLASSES:
            rates[name] += step.rate(f"responses_{name}")
        rates["5xx"] = max(0.0, rates["5xx"] - step.rate("sent_again_answered"))  # no client has got these
    refused_rate = sum((refusal.rate for refusal in refusals if refusal.status >= 100), 0.0)
    for refusal in refusals:
        name = f"{refusal.status // 100}xx"
        if name in rates:
            rates[name] += refusal.rate
    answered = sum(rates.values())
    return Requests(
        rate=_rounded(sum(step.rate("requests") for step in steps)),
        in_flight=_now(steps, "exchanges"),
        rates={name: _rounded(rate) for name, rate in rates.items()},
        refused_rate=_rounded(refused_rate),
        error_ratio=rates["5xx"] / answered if answered else None,
        took=_percentiles(times),
        gateway=_percentiles(gateway_times, coarse_bound_us),
        total=sum(step.after.totals.get("requests", 0) for step in steps),
    )


def _percentiles(counts: Mapping[int, int], bound_of: Callable[[int], int] = upper_bound_us) -> Percentiles:
    if not counts:
        return NO_PERCENTILES
    return Percentiles(*(percentile_us(counts, percent, bound_of) for percent in (50, 90, 99, 99.9)))


# ---- the rest ----


def _refusals(steps: Sequence[Step]) -> list[TopRefusal]:
    """Return the reasons that were ever given, those that are given now first."""
    rates: defaultdict[str, float] = defaultdict(float)
    totals = Counter[str]()
    for step in steps:
        for code, count in step.after.reasons.items():
            totals[code] += count
            rates[code] += max(0, count - step.before.reasons.get(code, 0)) / step.seconds
    rows = [
        TopRefusal(code, REASONS[code].status if code in REASONS else 0, _rounded(rates[code]), total)
        for code, total in totals.items()
        if total
    ]
    return sorted(rows, key=lambda row: (-row.rate, -row.total, row.reason))


def _flow(steps: Sequence[Step]) -> Flow:
    return Flow(
        clients=_now(steps, "clients"),
        opened_rate=_rate(steps, "clients_opened"),
        services=_now(steps, "services"),
        streams=_now(steps, "streams"),
        bytes_in_rate=_rate(steps, "bytes_in"),
        bytes_out_rate=_rate(steps, "bytes_out"),
    )


def _extra(steps: Sequence[Step]) -> Extra:
    return Extra(
        retry_rate=_rate(steps, "retries"),
        hedge_rate=_rate(steps, "hedges"),
        shed_rate=_rate(steps, "shed"),
        rate_limited_rate=_rate(steps, "rate_limited"),
        waiting=_now(steps, "waiting"),
    )


def _breakers(steps: Sequence[Step]) -> list[TopBreaker]:
    counts = Counter[tuple[str, str, str]]()
    for step in steps:
        for service, scope, state, count in step.after.breakers:
            counts[service, scope, state] += count
    return [TopBreaker(*key, count) for key, count in sorted(counts.items()) if count]


def _pool(steps: Sequence[Step]) -> TopPool | None:
    if not any("pool_connections" in step.after.now for step in steps):
        return None
    evictions: defaultdict[str, float] = defaultdict(float)
    for step in steps:
        for cause, count in step.after.evictions.items():
            evictions[cause] += max(0, count - step.before.evictions.get(cause, 0)) / step.seconds
    return TopPool(
        connections=_now(steps, "pool_connections"),
        waiting=_now(steps, "pool_waiting"),
        dormant=_now(steps, "pool_dormant"),
        hit_rate=_rate(steps, "pool_hits"),
        miss_rate=_rate(steps, "pool_misses"),
        failure_rate=_rate(steps, "pool_failures"),
        eviction_rates={cause: _rounded(rate) for cause, rate in sorted(evictions.items())},
    )


def _worker(step: Step) -> TopWorker:
    before, after = step
    return TopWorker(
        worker=after.worker,
        pid=after.pid,
        up_s=round(max(0.0, after.at_s - after.started_at_s), 1),
        rate=_rounded(step.rate("requests")),
        in_flight=int(after.now.get("exchanges", 0)),
        clients=int(after.now.get("clients", 0)),
        cpu=round(max(0.0, after.cpu_s - before.cpu_s) / step.seconds, 3),
        rss_bytes=after.rss_bytes,
        turn_p99_us=None
        if after.turns is None
        else percentile_us(risen(before.turns or {}, after.turns), 99, coarse_bound_us),
    )


def _now(steps: Iterable[Step], name: str) -> int:
    return int(sum(step.after.now.get(name, 0) for step in steps))


def _rate(steps: Iterable[Step], name: str) -> float:
    return _rounded(sum(step.rate(name) for step in steps))


def _rounded(rate: float) -> float:
    return round(rate, 2)
