"""Some instances, what the wire would count of them, and breakers over it, under a made-up clock."""

from collections.abc import Iterator

from frames.endpoint import EndpointOffer
from frames.frame import Method
from proxy.breaker_state import BreakerState
from proxy.request.outcomes import OutcomeKind
from proxy.targets.breaker import BreakerSettings
from proxy.targets.breakers import Breakers, Move
from proxy.targets.gauges import Gauges
from proxy.targets.instance import Instance, RouteKey
from proxy.targets.silence import Sight

TICK_S = 0.25


class Town:
    """Instances ``b0``, ``b1``, ... of one service, each with the same endpoints."""

    def __init__(self, count: int = 4, endpoints: int = 1, settings: BreakerSettings | None = None) -> None:
        self.now = 1000.0
        self.answers = [0] * 1000
        self.gauges = Gauges()
        self.instances = [self._instance(number, endpoints) for number in range(count)]
        self.heard = dict.fromkeys(range(count), 0)
        self.in_flight = dict.fromkeys(range(count), 0)
        self.usual_us = dict.fromkeys(range(count), 1000.0)
        self.slowest_us = 10_000.0
        self.breakers = Breakers(
            settings or BreakerSettings(),
            self.gauges,
            self.answers,
            others=self._others,
            slowest_us=lambda service: self.slowest_us,
            rand=lambda: 0.5,
        )
        self.moves: list[Move] = []

    def _instance(self, number: int, endpoints: int) -> Instance:
        made = Instance("billing", f"b{number}", number, 0.0)
        made.endpoints = {
            (Method.GET, f"/{each}", "billing"): EndpointOffer(id=each, method="GET", path=f"/{each}")
            for each in range(1, endpoints + 1)
        }
        self.gauges.hold(made)
        return made

    def _others(self, key: RouteKey) -> Iterator[int]:
        return (each.gauges[int(key[1][1:])] for each in self.instances)

    def gauge(self, number: int, endpoint: int = 1) -> int:
        return self.instances[number].gauges[endpoint]

    # ---- what happens ----

    def good(self, number: int, count: int = 1, endpoint: int = 1) -> None:
        self.answers[self.gauge(number, endpoint)] = (self.answers[self.gauge(number, endpoint)] + count) % 2**32
        self.heard[number] += count

    def fail(
        self,
        number: int,
        count: int = 1,
        kind: OutcomeKind = OutcomeKind.STATUS,
        endpoint: int = 1,
        latency_us: int = 0,
    ) -> None:
        for _ in range(count):
            self.heard[number] += kind in (OutcomeKind.STATUS, OutcomeKind.BAD_RESPONSE, OutcomeKind.PRESSURE)
            usual = self.usual_us[number]
            self.moves += self.breakers.failed(self.gauge(number, endpoint), kind, latency_us, usual, self.now)

    def tick(self, seconds: float = TICK_S) -> None:
        """Let time pass, a tick at a time."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + TICK_S)
            sights = [
                Sight(each, self.heard[number], self.in_flight[number], self.usual_us[number])
                for number, each in enumerate(self.instances)
            ]
            self.moves += self.breakers.tick(sights, self.now)

    def claim(self, number: int, endpoint: int = 1, within_s: float = 10.0) -> int:
        """Send a probe. Returns how many breakers it is for."""
        gauge = self.gauge(number, endpoint)
        half_open = [
            breaker
            for breaker in self.instances[number].breakers_of(gauge)
            if breaker.state is BreakerState.HALF_OPEN and breaker.may_probe(self.now)
        ]
        for breaker in half_open:
            breaker.claim(gauge, self.answers[gauge], self.now + within_s)
        return len(half_open)

    # ---- what it is like ----

    def states(self, endpoint: int = 1) -> str:
        """How the endpoint of each instance stands: C closed, R ramping, H half-open, O open."""
        return "".join("CRHO"[self.state(number, endpoint)] for number in range(len(self.instances)))

    def state(self, number: int, endpoint: int = 1) -> BreakerState:
        one = self.instances[number]
        states = [breaker.state for breaker in one.breakers_of(self.gauge(number, endpoint))]
        return max(states, default=BreakerState.CLOSED)

    def own_state(self, number: int) -> BreakerState:
        """How the breaker of the instance itself stands."""
        breaker = self.instances[number].breaker
        return BreakerState.CLOSED if breaker is None else breaker.state

    def causes(self) -> dict[tuple[str, str, str], int]:
        return dict(self.breakers.opened)
