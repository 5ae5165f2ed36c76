"""What came of a run, and whether the load itself was what limited it."""

from collections import Counter
from typing import Any, Final

import msgspec

from .histogram import Histogram

PERCENTS: Final = (50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0)
LATE_US: Final = 1_000
"""What is sent later than this after it was due may make latencies look longer than they are."""
LATE_PART: Final = 0.1
"""Such a part of the latency is too much."""
BUSY: Final = 0.9
"""Of the run's time; above, it had no time left to be in time."""


class LoadError(Exception):
    """Nothing can be measured. Its text is one line, with the fix."""


class Second(msgspec.Struct, frozen=True):
    """What happened in one second of the run."""

    second: int
    """The first is 1."""
    sent: int
    answered: int
    failed: int
    p50_us: int
    p99_us: int
    max_us: int


class Result(msgspec.Struct, kw_only=True):
    """What was measured. Times are in microseconds; the warm-up is left out of everything."""

    target: str
    rate: float
    """Requests in a second that were to be sent."""
    duration_us: int = 0
    """How long they were due for; shorter than was wanted where the run was stopped."""
    due: int = 0
    sent: int = 0
    statuses: Counter[int] = msgspec.field(default_factory=Counter)
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    """Requests without a whole answer, by what went wrong."""
    connections: int = 0
    connection_failures: Counter[str] = msgspec.field(default_factory=Counter)
    """Connections that could not be made, or were lost, by what went wrong."""
    body_bytes: int = 0
    latency: Histogram = msgspec.field(default_factory=Histogram)
    """From when a request was due to the end of its answer; of one that timed out, how long it was waited for."""
    service_time: Histogram = msgspec.field(default_factory=Histogram)
    """From when it was sent: what a load that waits for answers would have told."""
    lateness: Histogram = msgspec.field(default_factory=Histogram)
    """From when it was due to when the load looked at it: its own delay."""
    connection_wait: Histogram = msgspec.field(default_factory=Histogram)
    """From then to when there was a connection for it."""
    busy_us: int = 0
    """How long the load itself was at work, or kept from it; the rest it has waited."""
    wall_us: int = 0
    seconds: list[Second] = msgspec.field(default_factory=list)
    is_stopped: bool = False
    """It was ended before its time."""

    @property
    def answered(self) -> int:
        """Requests with a whole answer, whatever it says."""
        return self.statuses.total()

    @property
    def answered_rate(self) -> float:
        """Whole answers in a second of the time in which requests were due."""
        return self.answered / (self.duration_us / 1e6) if self.duration_us else 0.0

    @property
    def busy(self) -> float:
        """The part of its time for which the load was at work."""
        return self.busy_us / self.wall_us if self.wall_us else 0.0


def own_fault(result: Result) -> str:
    """Return why the figures tell of the load and not of what was loaded; empty where they do not."""
    late_us = result.lateness.percentile_us(99)
    if late_us < LATE_US or late_us < LATE_PART * result.latency.percentile_us(99):
        return ""
    late = f"1 in 100 requests was sent {late_us / 1000:.1f} ms or more after it was due, by bench's own delay"
    if result.busy >= BUSY:
        return f"{late}: it was busy for {result.busy:.0%} of its time; ask for less (--rate), or add --processes"
    return f"{late}, though it was busy for only {result.busy:.0%}: run it on another machine, or give it a core"


def remarks(result: Result) -> list[str]:
    """Return what else should be known of the figures, a sentence for each."""
    said = []
    wait_us = result.connection_wait.percentile_us(99)
    if wait_us >= LATE_US:
        said.append(
            f"1 in 100 requests waited {wait_us / 1000:.1f} ms or more for a free connection, which counts as latency; "
            f"{result.connections} were open at once (--connections)"
        )
    unsent = result.due - result.sent
    if unsent > 0:
        said.append(f"{unsent:,} requests were never sent: no connection became free in their time")
    if result.is_stopped:
        said.append("it was stopped before its time")
    return said


def as_plain(result: Result) -> dict[str, Any]:
    """Return the result as plain values, for JSON."""
    return {
        "target": result.target,
        "rate": result.rate,
        "duration_s": result.duration_us / 1e6,
        "due": result.due,
        "sent": result.sent,
        "answered": result.answered,
        "answered_per_second": round(result.answered_rate, 3),
        "statuses": {str(status): count for status, count in sorted(result.statuses.items())},
        "failures": dict(result.failures.most_common()),
        "connections": result.connections,
        "connection_failures": dict(result.connection_failures.most_common()),
        "body_bytes": result.body_bytes,
        "latency": _times(result.latency),
        "service_time": _times(result.service_time, with_buckets=False),
        "connection_wait": _times(result.connection_wait, with_buckets=False),
        "lateness": _times(result.lateness, with_buckets=False),
        "busy": round(result.busy, 4),
        "own_fault": own_fault(result) or None,
        "remarks": remarks(result),
        "stopped": result.is_stopped,
        "seconds": msgspec.to_builtins(result.seconds),
    }


def _times(histogram: Histogram, *, with_buckets: bool = True) -> dict[str, Any]:
    told: dict[str, Any] = {
        "count": histogram.count,
        "mean_us": round(histogram.mean_us, 1),
        "min_us": histogram.min_us,
        "max_us": histogram.max_us,
        "percentiles_us": {f"{percent:g}": histogram.percentile_us(percent) for percent in PERCENTS},
    }
    return told | ({"buckets_us": [list(each) for each in histogram.buckets()]} if with_buckets else {})
