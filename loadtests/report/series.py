"""Lines over time, of a record: few enough points for a page, whatever the run's length."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from loadtests.record import Interval, ProcessSample, Record, Sample, merged_times

POINTS_MAX: Final = 240
REASONS_MAX: Final = 5
PERCENTILES: Final = (50.0, 95.0, 99.0, 99.9)
_MIB: Final = 1 << 20

Point = tuple[float, float | None]
"""Seconds, and a value; None: there was none, and the line has a gap."""


class Series(NamedTuple):
    """One line."""

    name: str
    points: list[Point]


def bins(record: Record) -> list[list[Interval]]:
    """Return the intervals in order, neighbours together where there are too many."""
    size = -(-len(record.intervals) // POINTS_MAX) or 1
    return [record.intervals[begin : begin + size] for begin in range(0, len(record.intervals), size)]


def latency(record: Record) -> list[Series]:
    """Return percentiles in milliseconds."""
    merged = [(_middle(each), merged_times(one.times for one in each)) for each in bins(record)]
    return [
        Series(
            f"p{percent:g}", [(at, each.percentile_us(percent) / 1000 if each.count else None) for at, each in merged]
        )
        for percent in PERCENTILES
    ]


def throughput(record: Record) -> list[Series]:
    """Return whole answers and errors in a second."""

    def per_second(count: Callable[[Interval], int]) -> list[Point]:
        return [(_middle(each), sum(map(count, each)) / sum(one.length_s for one in each)) for each in bins(record)]

    return [
        Series("answers", per_second(lambda each: each.answered)),
        Series("errors", per_second(lambda each: each.failed)),
    ]


def reasons(record: Record) -> list[Series]:
    """Return the gateway's refusals in a second, by the most frequent reasons."""
    told = [(sample.at_s, sample.gateway.refusals_total) for sample in thin(record.samples) if sample.gateway]
    total = Counter(told[-1][1]) - Counter(told[0][1]) if told else Counter[str]()
    return [
        Series(
            reason,
            [
                (at, max(0, now.get(reason, 0) - before.get(reason, 0)) / (at - earlier))
                for (earlier, before), (at, now) in pairwise(told)
                if at > earlier
            ],
        )
        for reason, _ in total.most_common(REASONS_MAX)
    ]


def memory(record: Record) -> list[Series]:
    """Return the resident memory of the gateway's processes and of services, in MiB."""
    return _of_processes(record, lambda process: process.rss_bytes / _MIB)


def descriptors(record: Record) -> list[Series]:
    """Return the descriptors of the same."""
    return _of_processes(record, lambda process: process.descriptors)


def inside(record: Record) -> list[Series]:
    """Return what the gateway has in hand."""
    told = [(sample.at_s, sample.gateway) for sample in thin(record.samples)]
    names = ("tasks", "exchanges", "streams", "clients")
    found = [Series(name, [(at, _level(each, name)) for at, each in told]) for name in names]
    return [each for each in found if any(value is not None for _, value in each.points)]


def processors(record: Record) -> list[Series]:
    """Return processor time of each process, in cores."""
    samples = thin(record.samples)
    spent: dict[str, list[Point]] = {}
    for earlier, sample in pairwise(samples):
        before = {process.pid: process for process in earlier.processes}
        seconds = sample.at_s - earlier.at_s
        now: Counter[str] = Counter()
        for process in sample.processes:
            if process.pid in before and seconds > 0:
                cores = (process.cpu_s_total - before[process.pid].cpu_s_total) / seconds
                now[process.name] += cores  # type: ignore[assignment] # counts of fractions
        for name in {process.name for process in sample.processes if " " not in process.name}:
            spent.setdefault(name, []).append((sample.at_s, float(now[name])))
    return [Series(name, points) for name, points in sorted(spent.items())]


def thin(samples: Sequence[Sample]) -> list[Sample]:
    """Return at most so many samples, the first and the last among them."""
    step = -(-len(samples) // POINTS_MAX) or 1
    kept = list(samples[::step])
    return kept if not samples or kept[-1] is samples[-1] else [*kept, samples[-1]]


def _of_processes(record: Record, value: Callable[[ProcessSample], float | None]) -> list[Series]:
    samples = thin(record.samples)
    wanted = ("supervisor", "worker", "service")
    every = (each for sample in samples for each in sample.processes)
    names = dict.fromkeys(each.name for each in every if each.role in wanted and " " not in each.name)
    return [
        Series(name, [(sample.at_s, _newest(sample.processes, name, value)) for sample in samples]) for name in names
    ]


def _newest(
    processes: Iterable[ProcessSample], name: str, value: Callable[[ProcessSample], float | None]
) -> float | None:
    """Return the value of the last one of that name."""
    found = [value(process) for process in processes if process.name == name]
    return found[-1] if found else None


def _level(sample: object, name: str) -> float | None:
    value = getattr(sample, name, None)
    return None if value is None else float(value)


def _middle(intervals: Sequence[Interval]) -> float:
    return (intervals[0].begin_s + intervals[-1].begin_s + intervals[-1].length_s) / 2
