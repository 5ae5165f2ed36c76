"""What grows with each request: memory, descriptors and tasks, by robust slopes.

The x of a slope is the number of requests sent so far, and not time: so that a pause, or a slower phase, does not look
like a leak that has stopped. Each process is fitted by itself, between the moments at which it came anew, and without
its warm-up; the processes are then added up.
"""

from collections.abc import Sequence
from typing import Final

from loadtests.record import GatewaySample, Role

from .line import Line, broken, held, percent_over, unproven
from .slopes import Estimate, theil_sen
from .thresholds import Growth
from .view import View, of_role

_MIB: Final = 1 << 20
_HOUR_S: Final = 3600.0
_POINTS_MIN: Final = 6

_JUDGED: Final[dict[str, tuple[Role, ...]]] = {"memory": ("supervisor", "worker"), "memory of services": ("service",)}

Point = tuple[float, float]


def growth(view: View, wanted: Growth, notes: list[str]) -> list[Line]:
    """Judge the gateway's processes, and those of services apart."""
    lines: list[Line] = []
    for name, roles in _JUDGED.items():
        if any(of_role(sample, *roles) for sample in view.samples):
            lines += _memory(view, wanted, name, roles)
    lines.append(_descriptors(view, wanted))
    tasks = [
        (float(view.requests_until(at)), float(told.tasks)) for at, told in _loaded(view) if told.tasks is not None
    ]
    if tasks:
        limit, ignored = wanted.tasks_per_10000_requests_max / 10_000, wanted.tasks_ignored
        lines.append(_judged("tasks", _without_warm_up(tasks, wanted), limit, ignored, 10_000, "per 10,000 requests"))
    else:
        notes.append("the gateway does not tell how many tasks it has: they are not judged")
    return lines


def _memory(view: View, wanted: Growth, name: str, roles: Sequence[Role]) -> list[Line]:
    by_request = _summed(_by_process(view, roles, wanted, by_time=False))
    ignored = wanted.memory_ignored_mib * _MIB
    limit = wanted.memory_bytes_per_request_max
    lines = [_verdict(name, by_request, _requests(view, wanted), limit, ignored, 1, "B/request")]
    if view.load_s >= _HOUR_S:
        by_time = _summed(_by_process(view, roles, wanted, by_time=True))
        per_hour = None if by_time is None else Estimate(*(value * _HOUR_S for value in by_time))
        hours = view.load_s / _HOUR_S
        limit = wanted.memory_mib_per_hour_max * _MIB
        lines.append(_verdict(f"{name}, by time", per_hour, hours, limit, ignored, 1 / _MIB, "MiB/hour"))
    return lines


def _by_process(view: View, roles: Sequence[Role], wanted: Growth, *, by_time: bool) -> list[list[Point]]:
    """Return (requests or seconds, bytes) of each slot and service: of the processes that had it, the longest there."""
    lives: dict[str, dict[int, list[Point]]] = {}
    for sample in view.samples:
        x = sample.at_s if by_time else float(view.requests_until(sample.at_s))
        for process in of_role(sample, *roles):
            name = process.name.partition(" ")[0]  # "worker-0 draining" is told beside its successor
            lives.setdefault(name, {}).setdefault(process.pid, []).append((x, float(process.rss_bytes)))
    longest = [max(by_pid.values(), key=len) for by_pid in lives.values()]
    return [_without_warm_up(points, wanted) for points in longest]


def _without_warm_up(points: Sequence[Point], wanted: Growth) -> list[Point]:
    return list(points[int(len(points) * wanted.warm_up_part) :])


def _summed(series: Sequence[Sequence[Point]]) -> Estimate | None:
    """Return the sum of the slopes. None: one of them has too few points."""
    slopes = [theil_sen(points) for points in series]
    if not slopes or any(
        slope is None or len(points) < _POINTS_MIN for slope, points in zip(slopes, series, strict=True)
    ):
        return None
    found = [slope for slope in slopes if slope is not None]
    value = sum(slope.value for slope in found)
    below = sum((slope.value - slope.low) ** 2 for slope in found) ** 0.5  # they are independent
    above = sum((slope.high - slope.value) ** 2 for slope in found) ** 0.5
    return Estimate(value, value - below, value + above)


def _descriptors(view: View, wanted: Growth) -> Line:
    """Judge those of the gateway's processes that are no connection that it tells of."""
    points = []
    for sample in view.samples:
        known = [process.descriptors for process in of_role(sample, "supervisor", "worker")]
        if sample.gateway is None or not known or None in known:
            continue
        connections = sample.gateway.clients + sample.gateway.services
        others = sum(count for count in known if count is not None) - connections
        points.append((float(view.requests_until(sample.at_s)), float(others)))
    limit = wanted.descriptors_per_1000_requests_max / 1000
    kept = _without_warm_up(points, wanted)
    return _judged("descriptors", kept, limit, wanted.descriptors_ignored, 1000, "per 1,000 requests")


def _judged(name: str, points: Sequence[Point], limit: float, ignored: float, times: int, unit: str) -> Line:
    slope = theil_sen(points) if len(points) >= _POINTS_MIN else None
    requests = points[-1][0] - points[0][0] if points else 0.0
    return _verdict(name, slope, requests, limit, ignored, times, unit)


def _verdict(
    name: str, slope: Estimate | None, count: float, limit: float, ignored: float, times: float, unit: str
) -> Line:
    """Judge a slope. count: what it is a slope of; times: turns it and the limit into the unit.

    It is broken where it is above the limit, certainly above half of it, and has come to more than what is ignored. A
    leak at the limit that would come to less than that can not be told from none.
    """
    if slope is None:
        return unproven(name, "too few samples")
    shown, most = slope.value * times, limit * times
    said = f"{shown:+.3g} {unit}, between {slope.low * times:+.3g} and {slope.high * times:+.3g} (at most {most:+.3g})"
    if slope.value * count > ignored and slope.value > limit:
        if slope.low > limit / 2:
            return broken(name, f"{said}; {percent_over(shown, most)}", shown, most, unit)
        return unproven(name, f"{said}: too uncertain; run for longer", shown, most, unit)
    if limit * count < ignored:
        needed = f"a leak at the limit would come to less than what is ignored in {count:,.0f}; run for longer"
        return unproven(name, f"{said}: {needed}", shown, most, unit)
    return held(name, said, shown, most, unit)


def _requests(view: View, wanted: Growth) -> float:
    if not view.samples:
        return 0.0
    all_of_them = view.requests_until(view.samples[-1].at_s) - view.requests_until(view.samples[0].at_s)
    return all_of_them * (1 - wanted.warm_up_part)


def _loaded(view: View) -> list[tuple[float, GatewaySample]]:
    return [(sample.at_s, sample.gateway) for sample in view.samples if sample.gateway is not None]
