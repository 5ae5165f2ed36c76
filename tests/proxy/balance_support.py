"""Made-up instances and their figures, for tests of the choice; and a model of services that answer in random time."""

import heapq
import random
from array import array
from collections import Counter
from collections.abc import Callable, Sequence

from request_fields import NoFields

from frames.frame import Method
from frames.greeting import EndpointOffer
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Access, Balance, RoutePolicy
from proxy.request.snapshot import Limits, Snapshot
from proxy.route.table import Route, RouteTable
from proxy.targets.instance import Instance
from proxy.targets.pick import Figures
from proxy.targets.shares import Shares

ENDPOINT = EndpointOffer(id=5, method="GET", path="/invoices")
SNAPSHOT = Snapshot(RouteTable(), Limits())
AVERAGE_S = 10.0
"""The time constant of the wire's moving average."""
ALIKE = 16
"""So many first samples count alike (LATENCY_SAMPLES_FIRST in csrc/wire_internal.h)."""


def offers(count: int, begin: int = 0) -> tuple[Offer, ...]:
    """Return offers of instances b0, b1 and so on, at the slots of these numbers."""
    return tuple(
        Instance("billing", f"b{slot}", 4096 * 3 + slot, connected_at=0.0).offer(ENDPOINT)
        for slot in range(begin, begin + count)
    )


def figures(slots: int, rand: Callable[[], float] | None = None) -> Figures:
    """Return figures of instances that have done nothing yet. Without rand: chance is the same in each run."""
    rand = rand or random.Random(1).random
    return Figures(array("I", [0] * slots), array("f", [0.0] * slots), Shares(slots), Counter(), rand)


def begun(candidates: Sequence[Offer], balance: Balance | None = None, path: bytes = b"/invoices") -> Exchange:
    """Return an exchange whose route has these candidates."""
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(1, Method.GET, 0, path, SNAPSHOT)
    policy = RoutePolicy(access=Access.PUBLIC, balance=balance)
    exchange.route = Route(
        index=0, method=Method.GET, template="/invoices", offers=tuple(candidates), service="billing", policy=policy
    )
    exchange.offers = exchange.route.offers
    return exchange


def shares_of(chosen: Counter[int], count: int) -> list[float]:
    """Return how often each was chosen, in its fair share."""
    return [chosen[slot] * count / chosen.total() for slot in range(count)]


class Model:
    """Services whose requests come at random, take a random time, and are measured as the wire does."""

    def __init__(self, mean_ms: Sequence[float], seed: int) -> None:
        """mean_ms: of each instance's time to respond."""
        self.mean_ms = mean_ms
        self.rand = random.Random(seed)
        self.figures = figures(len(mean_ms), self.rand.random)
        self.offers = offers(len(mean_ms))
        self.now = 0.0
        self._answers: list[tuple[float, int, float]] = []
        self._measured_at = [0.0] * len(mean_ms)
        self._samples = [0] * len(mean_ms)

    def run(self, choose: Callable[[], Offer], rate: float, seconds: float) -> Counter[int]:
        """Let requests come at a rate per second, for so long. Returns how often each slot was chosen."""
        chosen: Counter[int] = Counter()
        end = self.now + seconds
        while self.now < end:
            self.now += self.rand.expovariate(rate)
            self._answer()
            slot = choose().slot
            chosen[slot] += 1
            self._in_flight[slot] += 1
            took_s = self.rand.expovariate(1000 / self.mean_ms[slot])
            heapq.heappush(self._answers, (self.now + took_s, slot, took_s * 1e6))
        return chosen

    @property
    def _in_flight(self) -> "array[int]":
        in_flight = self.figures.in_flight
        assert isinstance(in_flight, array)
        return in_flight

    def _answer(self) -> None:
        latency_us = self.figures.latency_us
        assert isinstance(latency_us, array)
        while self._answers and self._answers[0][0] <= self.now:
            at, slot, took_us = heapq.heappop(self._answers)
            self._in_flight[slot] -= 1
            passed = at - self._measured_at[slot]
            part = passed / (passed + AVERAGE_S)
            if self._samples[slot] < ALIKE:
                self._samples[slot] += 1
                part = max(part, 1 / self._samples[slot])
            latency_us[slot] += (took_us - latency_us[slot]) * part
            self._measured_at[slot] = at
