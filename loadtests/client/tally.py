"""Counts what came of requests, by interval and in all. Pure: `now_s` is given, in seconds of the run.

Rules of this file:

1. Every request that was begun is counted once when it has ended: as a whole answer by its status, as a failure in
   words, or as unfinished.
2. A name that is new when there are NAMES_MAX already is counted as OTHER, so that names with ids in them do no harm.
3. Of requests that nobody expected to end so, the first NOTABLE_PER_KIND of each kind are told one by one; of the
   slow ones, the slowest of an interval where it is among the SLOWEST_MAX slowest so far.
"""

import heapq
from collections import Counter
from typing import Final, NamedTuple

from loadtests.record import Interval, Notable, RequestCounts, Times
from proxy.loading.histogram import Histogram

NAMES_MAX: Final = 500
OTHER: Final = "(other names)"
KINDS_MAX: Final = 200
NOTABLE_PER_KIND: Final = 10
SLOWEST_MAX: Final = 50
UNFINISHED: Final = "unfinished"
SLOW_USERS: Final = frozenset(("streaming", "misbehaving", "aborts", "slow_readers"))
"""Users whose requests take as long as they are told to: beside others, they are left out of an interval's times, which
else would tell of them alone."""


class Outcome(NamedTuple):
    """What came of one request."""

    user: str
    name: str
    correlation_id: str
    took_us: int
    status: int = 0
    """Of a whole answer; 0 where there is none, or a wrong one."""
    reason: str = ""
    """Why the gateway answered itself."""
    failure: str = ""
    """Why there is no whole and right answer, the same words for the same cause; `UNFINISHED` when it was cut short."""
    is_expected: bool = True
    """It ended as the user meant it to."""
    counted_at_gateway: bool = True
    service_us: int = -1
    """In an open loop: from when it was sent; below 0 otherwise."""


class _OfName:
    """The requests of one name."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.expected_failures: Counter[str] = Counter()
        self.unfinished = 0
        self.counted_at_gateway = True
        self.times = Histogram()
        self.in_interval = Histogram()
        self.service_times = Histogram()


class Tally:
    """The counts of one run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._names: dict[tuple[str, str], _OfName] = {}
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._slowest: list[int] = []
        self._begin(0.0)

    def _begin(self, at_s: float) -> None:
        self._begin_s = at_s
        self._statuses: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._answered = 0
        self._failed = 0
        self._ended = 0
        self._slow: Notable | None = None

    def count(self, outcome: Outcome, now_s: float) -> Notable | None:
        """Count a request that ends now; return it where it is to be told of by itself."""
        counts = self._of(outcome.user, outcome.name)
        self._ended += 1
        counts.counted_at_gateway = counts.counted_at_gateway and outcome.counted_at_gateway
        if outcome.failure == UNFINISHED:
            counts.unfinished += 1
            return None
        if outcome.failure:
            counts.failures[outcome.failure] += 1
            if outcome.is_expected:
                counts.expected_failures[outcome.failure] += 1
                return None
        else:
            self._count_answer(counts, outcome, now_s)
            if outcome.is_expected:
                return None
        self._failed += 1
        return self._notable(outcome, now_s)

    def close_interval(
        self, now_s: float, users: int, late: Histogram | None = None
    ) -> tuple[Interval, Notable | None]:
        """Return the interval that ends now, and its slowest request where it is worth a look; begin another one."""
        times = Histogram()
        judged = {key for key in self._names if key[0] not in SLOW_USERS} or self._names.keys()
        for key, counts in self._names.items():
            if key in judged:
                times.merge(counts.in_interval)
            counts.times.merge(counts.in_interval)
            counts.in_interval = Histogram()
        interval = Interval(
            begin_s=round(self._begin_s, 6),
            length_s=round(now_s - self._begin_s, 6),
            users=users,
            sent=self._ended,
            answered=self._answered,
            failed=self._failed,
            statuses=dict(self._statuses),
            reasons=dict(self._reasons),
            times=Times.of(times),
            late=Times.of(late) if late is not None else None,
        )
        slow = self._slow
        self._begin(now_s)
        return interval, slow if slow is not None and self._is_among_slowest(slow.took_us) else None

    def requests(self) -> list[RequestCounts]:
        """Return the counts of all names, from all intervals that are closed."""
        return [self._counts_of(user, name, counts) for (user, name), counts in sorted(self._names.items())]

    def _of(self, user: str, name: str) -> _OfName:
        found = self._names.get((user, name))
        if found is None:
            if len(self._names) >= NAMES_MAX:
                name = OTHER
            found = self._names.setdefault((user, name), _OfName())
        return found

    def _count_answer(self, counts: _OfName, outcome: Outcome, now_s: float) -> None:
        status, took_us = str(outcome.status), outcome.took_us
        self._answered += 1
        self._statuses[status] += 1
        counts.statuses[status] += 1
        if outcome.reason:
            self._reasons[outcome.reason] += 1
            counts.reasons[outcome.reason] += 1
        counts.in_interval.record(took_us)
        if outcome.service_us >= 0:
            counts.service_times.record(outcome.service_us)
        if self._slow is None or took_us > self._slow.took_us:
            self._slow = _told(outcome, now_s)

    def _notable(self, outcome: Outcome, now_s: float) -> Notable | None:
        kind = (outcome.user, outcome.name, outcome.failure or f"{outcome.status} {outcome.reason}")
        if kind not in self._seen and len(self._seen) >= KINDS_MAX:
            return None
        self._seen[kind] += 1
        return _told(outcome, now_s) if self._seen[kind] <= NOTABLE_PER_KIND else None

    def _is_among_slowest(self, took_us: int) -> bool:
        if len(self._slowest) < SLOWEST_MAX:
            heapq.heappush(self._slowest, took_us)
            return True
        return heapq.heappushpop(self._slowest, took_us) < took_us

    @staticmethod
    def _counts_of(user: str, name: str, counts: _OfName) -> RequestCounts:
        sent = counts.statuses.total() + counts.failures.total() + counts.unfinished
        return RequestCounts(
            user=user,
            name=name,
            sent=sent,
            statuses=dict(counts.statuses),
            reasons=dict(counts.reasons),
            failures=dict(counts.failures),
            expected_failures=dict(counts.expected_failures),
            unfinished=counts.unfinished,
            counted_at_gateway=counts.counted_at_gateway,
            times=Times.of(counts.times),
            time_of_service=Times.of(counts.service_times) if counts.service_times.count else None,
        )


def _told(outcome: Outcome, now_s: float) -> Notable:
    return Notable(
        at_s=round(now_s, 6),
        user=outcome.user,
        name=outcome.name,
        correlation_id=outcome.correlation_id,
        took_us=outcome.took_us,
        status=outcome.status,
        reason=outcome.reason,
        failure=outcome.failure,
    )
