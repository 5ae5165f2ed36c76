"""A simulation of overload under a made-up clock: a service with so many workers, and admission before it.

Nothing of it sleeps: the next thing that happens is the next thing that is looked at.
"""

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from frames.wire_values import GroupFigures
from proxy.admission.adaptive import INTERVAL_S, AdaptiveLimit
from proxy.admission.gate import START
from proxy.admission.line import Line, Waiter
from proxy.admission.patience import Patience
from proxy.admission.priority import Priority

Times = Callable[[Random], float]
"""How long a worker is busy with a request, relative to the mean."""


def exponential(random: Random) -> float:
    return random.expovariate(1.0)


def steady(_: Random) -> float:
    return 1.0


def lognormal(random: Random) -> float:
    return math.exp(random.gauss(0.0, 1.0) - 0.5)


class Outcome(NamedTuple):
    """useful: answers ÷ what the service can answer in that time; p50, p99: of requests, in mean times of work."""

    useful: float
    p50: float
    p99: float
    limits: list[int]
    refused: int


class Simulation:
    """One service, whose workers take requests in their order, behind one line. Load is relative to its capacity."""

    def __init__(
        self, workers: int, work_s: float, times: Times, *, seed: int = 1, limit: int | None = None, line: int = 256
    ) -> None:
        """limit: fixed; None: learned, beginning with START."""
        self.random = Random(seed)
        self.workers, self.work_s, self.times, self.fixed = workers, work_s, times, limit
        self.now = 0.0
        self.slowness = 1.0
        self.in_flight = self.busy = 0
        self.requests = self.answers = self.sum_us = 0
        self.refused = 0
        self.queue: deque[tuple[float, float]] = deque()
        self.ends: list[tuple[float, float, float]] = []
        self.adaptive = AdaptiveLimit(1, 1_000, START, GroupFigures(0, 0, 0), 0.0)
        self.line, self.patience = Line(line), Patience(0.1)
        self.taken: list[tuple[float, float]] = []
        self.limits: list[int] = []
        self._learns_at = INTERVAL_S

    @property
    def limit(self) -> int:
        return self.adaptive.limit if self.fixed is None else self.fixed

    @property
    def latency_s(self) -> float:
        return self.adaptive.base_us / 1e6

    def run(self, seconds: float, load: float) -> Outcome:
        began, refused, counted = self.now, self.refused, len(self.limits)
        ends_at, capacity = began + seconds, self.workers / (self.work_s * self.slowness)
        comes_at = began
        while self.now < ends_at:
            end = self.ends[0][0] if self.ends else math.inf
            self.now = min(comes_at, self._learns_at, end)
            if self.now == end:
                self._answer()
            elif self.now == self._learns_at:
                self._learn()
            else:
                comes_at = self.now + self.random.expovariate(capacity * load)
                self._come()
            self._turn()
        waits = sorted(took for came, took in self.taken if came >= began)
        return Outcome(
            sum(took is not None for came, took in self.taken if came >= began) / (capacity * seconds),
            waits[len(waits) // 2] / self.work_s,
            waits[int(0.99 * len(waits))] / self.work_s,
            self.limits[counted:],
            self.refused - refused,
        )

    def _come(self) -> None:
        if not self.line.waiting and self.in_flight < self.limit:
            self._send(self.now)
            return
        tenant = b"%d" % self.random.randrange(5)
        room = self.patience.room(self.now, self.latency_s, self.limit)
        sent_away = self.line.enter(Waiter(self.now, tenant, Priority.NORMAL, self.now, self.now + 10), room)
        self.refused += sent_away is not None
        self.patience.note(self.line.waiting, self.now)

    def _send(self, came: float) -> None:
        self.in_flight += 1
        self.requests += 1
        if self.busy < self.workers:
            self.busy += 1
            self._work(came, self.now)
        else:
            self.queue.append((came, self.now))

    def _work(self, came: float, sent: float) -> None:
        heappush(self.ends, (self.now + self.work_s * self.slowness * self.times(self.random), came, sent))

    def _answer(self) -> None:
        _, came, sent = heappop(self.ends)
        self.in_flight -= 1
        self.answers += 1
        self.sum_us += int((self.now - sent) * 1e6)
        self.taken.append((came, self.now - came))
        if self.queue:
            self._work(*self.queue.popleft())
        else:
            self.busy -= 1

    def _learn(self) -> None:
        self._learns_at = self.now + INTERVAL_S
        self.adaptive.learn(GroupFigures(self.requests, self.answers, self.sum_us), self.in_flight, self.now)
        self.limits.append(self.adaptive.limit)

    def _turn(self) -> None:
        line, patience = self.line, self.patience
        if not line.waiting:
            return
        late = line.late(self.now - patience.wait_s(self.now, self.latency_s))
        if late:
            self.refused += len(late)
            patience.note_late(self.now)
        is_standing = patience.is_standing(self.now)
        while self.in_flight < self.limit:
            waiter = line.take(newest_first=is_standing)
            if waiter is None:
                break
            self._send(waiter.what)
        patience.note(line.waiting, self.now)
