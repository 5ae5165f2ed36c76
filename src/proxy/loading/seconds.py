"""What each second of a run was like: told while it runs, and kept for the report."""

from collections.abc import Callable
from typing import Final

from .histogram import Histogram
from .result import Second

SECOND_US: Final = 1_000_000


class Seconds:
    """Counts by second. Answers count in the second in which they came."""

    def __init__(self, tell: Callable[[Second], None] = lambda _second: None) -> None:
        """tell: is called once for each second that has passed."""
        self.passed: list[Second] = []
        self._tell = tell
        self._begin()

    def sent(self, now_us: int) -> None:
        """Count a request that is sent now."""
        self.pass_to(now_us)
        self._sent += 1

    def ended(self, now_us: int, latency_us: int, *, is_failure: bool) -> None:
        """Count one that ends now."""
        self.pass_to(now_us)
        if is_failure:
            self._failed += 1
        else:
            self._latency.record(latency_us)

    def pass_to(self, now_us: int) -> None:
        """Close the seconds that are over."""
        while now_us >= (len(self.passed) + 1) * SECOND_US:
            self._pass()

    def close(self, now_us: int) -> None:
        """Close the last second, which is not whole, where anything was in it."""
        self.pass_to(now_us)
        if self._sent or self._failed or self._latency.count:
            self._pass()

    def _pass(self) -> None:
        latency = self._latency
        second = Second(
            second=len(self.passed) + 1,
            sent=self._sent,
            answered=latency.count,
            failed=self._failed,
            p50_us=latency.percentile_us(50),
            p99_us=latency.percentile_us(99),
            max_us=latency.max_us,
        )
        self._begin()
        self.passed.append(second)
        self._tell(second)

    def _begin(self) -> None:
        self._sent = 0
        self._failed = 0
        self._latency = Histogram()
