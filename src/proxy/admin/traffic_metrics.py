"""Figures of requests, of the loop and of processes as samples: `proxy.admin.traffic_names`, in its order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from proxy.admin import traffic_names as names
from proxy.admin.exposition import Distributions, Exposition, Samples
from proxy.admin.metric_name import MetricName
from proxy.admin.traffic_figures import (
    Distribution,
    InstanceFigures,
    LoopFigures,
    OutputFigures,
    ProcessFigures,
    RouteFigures,
    WorkerFigures,
    WorkforceFigures,
)

REFUSALS_MAX: Final = 10_000
"""Series of refusals by route and reason: each is there once it has happened. Beyond, the reason is told as `other`."""

STATES: Final = ("starting", "holding", "serving", "draining")
"""Told always, also at zero."""

_CLASSES: Final = tuple((number, f"{number}xx") for number in range(2, 6))  # 1xx is never a final response


def routes_text(page: Exposition, routes: Sequence[RouteFigures]) -> Iterator[str]:
    """Yield what is told of each route."""
    keys = [(each.path, each.method, each.service) for each in routes]
    both = list(zip(keys, routes, strict=True))
    yield from page.plain(names.REQUESTS, _by_class((key, each.statuses) for key, each in both))
    yield from page.histogram(names.DURATION, _there((key, each.total) for key, each in both))
    yield from page.histogram(names.SERVICE_DURATION, _there((key, each.latency) for key, each in both))
    yield from page.histogram(names.GATEWAY_DURATION, _there((key, each.gateway) for key, each in both))
    yield from page.plain(names.ROUTE_REFUSALS, _refusals(both))
    yield from page.plain(names.ROUTE_IN_FLIGHT, ((key, each.in_flight) for key, each in both))


def instances_text(page: Exposition, instances: Sequence[InstanceFigures]) -> Iterator[str]:
    """Yield what is told of each instance."""
    both = [((each.service, each.instance), each) for each in instances]
    yield from page.plain(names.INSTANCE_REQUESTS, _by_class((key, each.statuses) for key, each in both))
    yield from page.histogram(names.INSTANCE_DURATION, _there((key, each.latency) for key, each in both))
    yield from page.plain(names.INSTANCE_IN_FLIGHT, ((key, each.in_flight) for key, each in both))


def loop_text(page: Exposition, loop: LoopFigures) -> Iterator[str]:
    """Yield how batches go."""
    yield from page.histogram(names.TURNS, _there([((), loop.turns)]))
    yield from page.plain(names.LONGEST_TURN, [((), loop.longest_turn_s)])
    yield from page.histogram(names.AWAY, _there([((), loop.away)]))
    yield from page.plain(names.LONGEST_AWAY, [((), loop.longest_away_s)])
    yield from page.histogram(names.BATCHES, _there([((), loop.batches)]))
    yield from page.plain(names.TASKS, [((), loop.tasks)])


def workers_text(page: Exposition, workforce: WorkforceFigures) -> Iterator[str]:
    """Yield how the worker processes are."""
    counts = dict.fromkeys(STATES, 0)
    for worker in workforce.workers:
        counts[worker.state] = counts.get(worker.state, 0) + 1
    yield from page.plain(names.WORKERS, (((state,), count) for state, count in counts.items()))
    yield from page.plain(names.WORKERS_WANTED, [((), workforce.wanted)])
    yield from page.plain(names.WORKERS_SILENT, [((), workforce.silent)])
    yield from page.plain(names.WORKER_STARTS, (((cause,), count) for cause, count in workforce.starts.items()))
    yield from page.plain(names.UPGRADES, (((outcome,), count) for outcome, count in workforce.upgrades.items()))
    for name, of in _OF_WORKER:
        yield from page.plain(name, _by_slot(workforce.workers, of))


def outputs_text(page: Exposition, outputs: OutputFigures) -> Iterator[str]:
    """Yield what became of what is written beside the traffic."""
    for name, counts in (
        (names.WRITTEN, outputs.written),
        (names.DROPPED, outputs.dropped),
        (names.FAILED, outputs.failed),
        (names.PENDING, outputs.waiting),
    ):
        yield from page.plain(name, (((output,), count) for output, count in counts.items()))


def process_text(page: Exposition, process: ProcessFigures) -> Iterator[str]:
    """Yield what the process takes that answers."""
    values = (
        *(process.cpu_s, process.resident_bytes, process.virtual_bytes),
        *(process.descriptors, process.descriptors_max, process.started_at),
    )
    for name, value in zip(names.OF_PROCESS, values, strict=True):
        yield from page.plain(name, [((), value)])


_OF_WORKER: Final[tuple[tuple[MetricName, Callable[[WorkerFigures], float]], ...]] = (
    (names.WORKER_CPU, lambda worker: worker.process.cpu_s),
    (names.WORKER_MEMORY, lambda worker: worker.process.resident_bytes),
    (names.WORKER_DESCRIPTORS, lambda worker: worker.process.descriptors),
    (names.WORKER_DESCRIPTORS_MAX, lambda worker: worker.process.descriptors_max),
    (names.WORKER_STARTED, lambda worker: worker.process.started_at),
    (names.WORKER_CONNECTIONS, lambda worker: worker.open_connections),
    (names.WORKER_IN_FLIGHT, lambda worker: worker.in_flight),
)


def _by_slot(workers: Iterable[WorkerFigures], of: Callable[[WorkerFigures], float]) -> Samples:
    """Of a slot: while one worker replaces another, it is the newer one's."""
    newest: dict[str, WorkerFigures] = {}
    for worker in workers:
        known = newest.get(worker.slot)
        if known is None or known.process.started_at <= worker.process.started_at:
            newest[worker.slot] = worker
    return [((slot,), of(worker)) for slot, worker in newest.items()]


def _by_class(counted: Iterable[tuple[tuple[str, ...], Sequence[int]]]) -> Samples:
    return (((*key, text), statuses[number]) for key, statuses in counted for number, text in _CLASSES)


def _there(found: Iterable[tuple[tuple[str, ...], Distribution | None]]) -> Distributions:
    return ((key, each) for key, each in found if each is not None)


def _refusals(routes: Iterable[tuple[tuple[str, str, str], RouteFigures]]) -> Iterator[tuple[tuple[str, ...], float]]:
    left = REFUSALS_MAX
    for key, route in routes:
        told = [(reason, count) for reason, count in route.reasons.items() if count]
        if len(told) > left:
            told = [("other", sum(count for _, count in told))]
        left -= min(left, len(told))
        yield from (((*key, reason), count) for reason, count in told)
