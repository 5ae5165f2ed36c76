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


def write_routes(page: Exposition, routes: Sequence[RouteFigures]) -> None:
    """Write what is told of each route."""
    keys = [(each.path, each.method, each.service) for each in routes]
    both = list(zip(keys, routes, strict=True))
    page.add(names.REQUESTS, _by_class((key, each.statuses) for key, each in both))
    page.add_histogram(names.DURATION, _there((key, each.total) for key, each in both))
    page.add_histogram(names.SERVICE_DURATION, _there((key, each.latency) for key, each in both))
    page.add_histogram(names.GATEWAY_DURATION, _there((key, each.gateway) for key, each in both))
    page.add(names.ROUTE_REFUSALS, _refusals(both))
    page.add(names.ROUTE_IN_FLIGHT, ((key, each.in_flight) for key, each in both))


def write_instances(page: Exposition, instances: Sequence[InstanceFigures]) -> None:
    """Write what is told of each instance."""
    both = [((each.service, each.instance), each) for each in instances]
    page.add(names.INSTANCE_REQUESTS, _by_class((key, each.statuses) for key, each in both))
    page.add_histogram(names.INSTANCE_DURATION, _there((key, each.latency) for key, each in both))
    page.add(names.INSTANCE_IN_FLIGHT, ((key, each.in_flight) for key, each in both))


def write_loop(page: Exposition, loop: LoopFigures) -> None:
    """Write how batches go."""
    page.add_histogram(names.TURNS, _there([((), loop.turns)]))
    page.add(names.LONGEST_TURN, [((), loop.longest_turn_s)])
    page.add_histogram(names.AWAY, _there([((), loop.away)]))
    page.add(names.LONGEST_AWAY, [((), loop.longest_away_s)])
    page.add_histogram(names.BATCHES, _there([((), loop.batches)]))


def write_workers(page: Exposition, workforce: WorkforceFigures) -> None:
    """Write how the worker processes are."""
    counts = dict.fromkeys(STATES, 0)
    for worker in workforce.workers:
        counts[worker.state] = counts.get(worker.state, 0) + 1
    page.add(names.WORKERS, (((state,), count) for state, count in counts.items()))
    page.add(names.WORKERS_WANTED, [((), workforce.wanted)])
    page.add(names.WORKERS_SILENT, [((), workforce.silent)])
    page.add(names.WORKER_STARTS, (((cause,), count) for cause, count in workforce.starts.items()))
    page.add(names.UPGRADES, (((outcome,), count) for outcome, count in workforce.upgrades.items()))
    for name, of in _OF_WORKER:
        page.add(name, _by_slot(workforce.workers, of))


def write_outputs(page: Exposition, outputs: OutputFigures) -> None:
    """Write what became of what is written beside the traffic."""
    for name, counts in (
        (names.WRITTEN, outputs.written),
        (names.DROPPED, outputs.dropped),
        (names.FAILED, outputs.failed),
        (names.PENDING, outputs.waiting),
    ):
        page.add(name, (((output,), count) for output, count in counts.items()))


def write_process(page: Exposition, process: ProcessFigures) -> None:
    """Write what the process takes that answers."""
    values = (
        *(process.cpu_s, process.resident_bytes, process.virtual_bytes),
        *(process.descriptors, process.descriptors_max, process.started_at),
    )
    for name, value in zip(names.OF_PROCESS, values, strict=True):
        page.add(name, [((), value)])


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
