"""The loop: sends what is due, reads what is ready, and waits for whichever comes first.

Rules of this file:

1. What is due is looked at when it is due, also where there is no connection for it; then it waits in a line, and the
   wait is a part of its latency.
2. Nothing waits for an answer: a server that stands still is sent as much as one that does not, up to what its
   connections carry.
3. Each pass sends at most PASS_MAX, so that answers are read, and their times taken, while much is due.
4. Every moment is in microseconds from the start of the run, the warm-up included.
"""

import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from .arrivals import Arrivals
from .link import Done, Link
from .result import LoadError, Result
from .seconds import Seconds

PASS_MAX: Final = 128
TICK_US: Final = 100_000
CONNECT_S: Final = 5.0
_EVENTS_MAX: Final = 1_024
_SILENT: Final = f"nothing is heard of it within {CONNECT_S:g} s; is it there, and does it speak what the URL says?"

Clock = Callable[[], int]


class Plan(msgspec.Struct, frozen=True):
    """What is to be sent, and over how many connections."""

    target: str
    """What it is sent to, for the report."""
    arrivals: Arrivals
    connections: int
    timeout_us: int
    warmup_us: int = 0
    """The first part of the time, which is not counted."""


def microseconds() -> int:
    """Return the time of the clock that never jumps."""
    return time.monotonic_ns() // 1000


class Run:
    """One run of a plan."""

    def __init__(
        self,
        plan: Plan,
        dial: Callable[[], Link],
        *,
        clock: Clock = microseconds,
        seconds: Seconds | None = None,
    ) -> None:
        """dial: begins a connection, or raises OSError; seconds: is told what each second was like."""
        self._plan = plan
        self._dial = dial
        self._clock = clock
        self._seconds = seconds or Seconds()
        self._start = 0
        self._offsets: Iterator[int] = iter(())
        self._next: int | None = None
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._roomy: deque[Link] = deque()
        self._in_roomy: set[Link] = set()
        self._writers: set[int] = set()
        self._to_flush: set[Link] = set()
        self._missing = 0
        self._waiting: deque[tuple[int, int]] = deque()
        """When it was due, and when it was looked at."""
        self._in_flight = 0
        self._tick_at = 0
        self._waited_us = 0
        self.result = Result(target=plan.target, rate=plan.arrivals.rate)

    def connect(self) -> None:
        """Open the connections, and wait until they can carry requests. Raises `LoadError` where none can."""
        for _ in range(self._plan.connections):
            self._redial()
        until = self._clock() + int(CONNECT_S * 1e6)
        while len(self._in_roomy) < self._plan.connections and self._links and self._clock() < until:
            self._wait(TICK_US)
            self._take_events()
        if not self._in_roomy:
            failures = self.result.connection_failures
            why = failures.most_common(1)[0][0] if failures else _SILENT
            raise LoadError(f"{self._plan.target} cannot be loaded: {why}")
        self.result.connections = len(self._in_roomy)

    def run(self) -> Result:
        """Send what is due until all of it has ended, and return what came of it. An interrupt ends it early."""
        self._start, self._tick_at = self._clock(), TICK_US
        self._offsets = self._plan.arrivals.offsets_us()
        self._next = next(self._offsets, None)
        try:
            while self._next is not None or self._waiting or self._in_flight:
                self._pass()
        except KeyboardInterrupt:
            self.result.is_stopped = True
        self._finish()
        return self.result

    def close(self) -> None:
        """Close every connection."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._epoll.close()

    def _now(self) -> int:
        return self._clock() - self._start

    def _pass(self) -> None:
        self._send_waiting()
        self._send_due()
        if self._now() >= self._tick_at:
            self._tick()
        self._wait(self._pause_us())
        self._take_events()

    def _pause_us(self) -> int:
        """How long there is nothing to do but to wait for events."""
        next_at = self._tick_at if self._next is None else min(self._next, self._tick_at)
        return max(0, next_at - self._now())

    def _send_due(self) -> None:
        """Send what is due, or put it in the line."""
        for _ in range(PASS_MAX):
            now, due = self._now(), self._next
            if due is None or due > now:
                break
            self._next = next(self._offsets, None)
            if due >= self._plan.warmup_us:
                self.result.due += 1
                self.result.lateness.record(now - due)
            if self._waiting or not self._roomy:
                self._waiting.append((due, now))
            else:
                self._begin(due, now, now)
        self._flush()

    def _send_waiting(self) -> None:
        while self._waiting and self._roomy:
            due, looked = self._waiting.popleft()
            self._begin(due, looked, self._now())
        self._flush()

    def _begin(self, due: int, looked: int, now: int) -> None:
        link = self._roomy.popleft()
        link.begin(due, now)
        self._in_flight += 1
        if link.room:
            self._roomy.append(link)
        else:
            self._in_roomy.discard(link)
        self._to_flush.add(link)
        self._seconds.sent(now)
        if due >= self._plan.warmup_us:
            self.result.sent += 1
            self.result.connection_wait.record(now - looked)

    def _flush(self) -> None:
        for link in self._to_flush:
            link.flush()
            self._watch(link)
        self._to_flush.clear()

    def _wait(self, pause_us: int) -> None:
        """Wait for events. Not by epoll itself, which counts in whole milliseconds."""
        if pause_us <= 0:
            return
        before = self._clock()
        select.select([self._epoll], (), (), pause_us / 1e6)
        self._waited_us += self._clock() - before

    def _take_events(self) -> None:
        for descriptor, _ in self._epoll.poll(0, _EVENTS_MAX):
            link = self._links.get(descriptor)
            if link is not None:
                self._take(link, descriptor, link.ready())

    def _take(self, link: Link, descriptor: int, done: list[Done]) -> None:
        if done:
            now = self._now()
            for each in done:
                self._count(each, now)
        if link.is_lost:
            self._lose(link, descriptor)
            return
        if link.room and link not in self._in_roomy:
            self._in_roomy.add(link)
            self._roomy.append(link)
        self._watch(link)

    def _count(self, done: Done, now: int) -> None:
        self._in_flight -= 1
        latency = now - done.due_us
        self._seconds.ended(now, latency, is_failure=bool(done.why))
        if done.due_us < self._plan.warmup_us:
            return
        if done.why:
            self.result.failures[done.why] += 1
            if done.why != "timeout":
                return
        else:
            self.result.statuses[done.status] += 1
            self.result.body_bytes += done.body_bytes
            self.result.service_time.record(now - done.sent_us)
        self.result.latency.record(latency)

    def _watch(self, link: Link) -> None:
        """Have epoll tell of room to write only where somebody waits for it."""
        descriptor = link.fileno()
        if descriptor < 0 or link.wants_write == (descriptor in self._writers):
            return
        if link.wants_write:
            self._writers.add(descriptor)
            self._epoll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._writers.discard(descriptor)
            self._epoll.modify(descriptor, select.EPOLLIN)

    def _lose(self, link: Link, descriptor: int) -> None:
        """Forget a connection, and dial another: at once where it has ended in good order, else at the next tick."""
        del self._links[descriptor]
        self._writers.discard(descriptor)
        if link in self._in_roomy:
            self._in_roomy.discard(link)
            self._roomy.remove(link)
        if link.why_lost:
            self.result.connection_failures[link.why_lost] += 1
            self._missing += 1
        else:
            self._redial()

    def _redial(self) -> None:
        try:
            link = self._dial()
        except OSError as error:
            self.result.connection_failures[error.strerror or str(error)] += 1
            self._missing += 1
            return
        descriptor = link.fileno()
        self._links[descriptor] = link
        self._writers.add(descriptor)
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def _tick(self) -> None:
        now = self._now()
        self._tick_at = now + TICK_US
        begun_before = now - self._plan.timeout_us
        for descriptor, link in list(self._links.items()):
            self._take(link, descriptor, link.tick(now, begun_before))
        while self._waiting and self._waiting[0][0] < begun_before:
            due, _ = self._waiting.popleft()
            self._in_flight += 1  # as if it had been sent, and not answered
            self._count(Done(due, due, 0, "timeout", 0), now)
        missing, self._missing = self._missing, 0
        for _ in range(missing):
            self._redial()
        self._seconds.pass_to(now)

    def _finish(self) -> None:
        now = self._now()
        planned = int(self._plan.arrivals.duration_s * 1e6)
        self.result.duration_us = max(0, (now if self.result.is_stopped else planned) - self._plan.warmup_us)
        self.result.wall_us = now
        self.result.busy_us = max(0, now - self._waited_us)
        self._seconds.close(now)
        self.result.seconds = self._seconds.passed
