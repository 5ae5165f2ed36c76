"""Keeps the breakers of one gateway: shows them what is to be seen on the wire, and counts what comes of it."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from frames.frame import Method
from frames.wire_values import slot_of
from penstock.telemetry.occasional import Occasional
from proxy.breaker_state import BreakerState
from proxy.gateway.breaker_shares import BreakerShares
from proxy.request.outcomes import OutcomeKind
from proxy.targets.breaker import BreakerSettings, Cause
from proxy.targets.breakers import Breakers, Move
from proxy.targets.instance import Change, Instance, RouteKey
from proxy.targets.registry import Registry
from proxy.targets.silence import Sight

if TYPE_CHECKING:
    from frames.wire import Wire
    from proxy.gateway.breaking import Ramps
    from proxy.route.table import Route
    from proxy.targets.probe import Prober, Sent

SLOWEST_PART: Final = 0.001
"""Of a route's requests, those that take longest: what is silent for as long as they is not just busy with one."""

MEASURED_MIN: Final = 20
"""Answers of a route, without which nobody knows how long it takes."""

UNKNOWN_US: Final = 5_000_000.0
"""How long a route is taken to take of which too little is known."""

_SOON_MS: Final = 1


class BreakerKeeper:
    """The breakers, and what they are shown."""

    def __init__(
        self,
        wire: "Wire",
        registry: Registry,
        ramps: "Ramps",
        settings: BreakerSettings,
        route_of: "Callable[[RouteKey], Route | None]",
    ) -> None:
        """route_of: the route of now."""
        self._wire = wire
        self._registry = registry
        self.shares = BreakerShares(ramps)
        self._route_of = route_of
        self.breakers = Breakers(
            settings, registry.gauges, wire.gauge_answers, others=self._others, slowest_us=self._slowest_us
        )
        self._panicking: set[RouteKey] = set()
        self.panics: Counter[str] = Counter()
        """How often, by service, too few instances were left for some of its routes."""
        self.rescued = 0
        """Requests that were taken back from an instance that fell silent."""
        self._told = Occasional()

    # ---- what happens ----

    def failed(self, gauge: int, kind: OutcomeKind, latency_us: int, now: float) -> Change | None:
        """Take in what became of a request; None where nothing changes."""
        owner = self._registry.gauges.owner(gauge)
        if owner is None:
            return None
        if kind is OutcomeKind.PRESSURE:
            self.shares.pressure.met(owner.instance)
        usual_us = self._usual_us(owner.instance.service) if kind is OutcomeKind.EXPIRED else 0.0
        return self._moved(self.breakers.failed(gauge, kind, latency_us, usual_us, now), now)

    def tick(self, now: float) -> Change | None:
        """Do what time does; None where nothing changes."""
        sights = [self._sight(each) for each in self._registry.instances]
        self.shares.tick(sights, now)
        return self._moved(self.breakers.tick(sights, now), now)

    def _moved(self, moves: tuple[Move, ...], now: float) -> Change | None:
        if not moves:
            return None
        self.shares.moved(moves, now)
        for move in moves:
            if move.key is None and move.state is BreakerState.OPEN and move.breaker.cause is Cause.SILENCE:
                self._rescue(move.instance)
        return self._registry.moved(moves)

    def _sight(self, instance: Instance) -> Sight:
        """Return what is to be seen of an instance, over all its connections."""
        wire = self._wire
        heard = in_flight = 0
        for connection in instance.connections:
            heard += wire.frames_heard(connection)
            in_flight += wire.in_flight[slot_of(connection)]
        return Sight(instance, heard, in_flight, wire.latency_us[instance.slot])

    def _rescue(self, instance: Instance) -> None:
        """End the attempts that are with a silent instance now: what may be sent again goes elsewhere.

        The others wait on: their deadline is not over, and it may answer yet.
        """
        wire, connections = self._wire, instance.connections
        for exchange in wire.sent_exchanges():
            facts = wire.facts(exchange)
            if facts is not None and facts.kept_bytes and facts.has_client and facts.connection in connections:
                wire.wait(exchange, _SOON_MS)
                self.rescued += 1
        wire.flush_soon()

    def hurry(self, prober: "Prober", now: float) -> None:
        """End the attempts that are probes and take too long: who sent them should not have to wait for it."""
        for sent in prober.late(now, self._patience_s):
            facts = self._wire.facts(sent.exchange)
            if facts is not None and facts.gauge == sent.offer.gauge:
                self._wire.wait(sent.exchange, _SOON_MS)
                self._wire.flush_soon()

    def _patience_s(self, sent: "Sent") -> float:
        return max(self.breakers.settings.silence_s or 1.0, self._within_us(sent.route) / 1e6)

    # ---- panic ----

    def look_for_panic(self, keys: Iterable[RouteKey]) -> None:
        """Count routes of which all instances have to be used, since too few are left."""
        for key in keys:
            route = self._route_of(key)
            is_panic = route is not None and route.choice is not None and route.choice.is_panic
            if is_panic and key not in self._panicking:
                if not any(other[2] == key[2] for other in self._panicking):
                    self._tell_panic(key[2])
                self._panicking.add(key)
            elif not is_panic:
                self._panicking.discard(key)

    def _tell_panic(self, service: str) -> None:
        self.panics[service] += 1
        held_back = self._told.held_back(service)
        if held_back is not None:
            text = "%s: too few instances are left by their breakers, all are used again (%d more)"
            logging.getLogger("penstock.breakers").warning(text, service, held_back)

    @property
    def panicking(self) -> Counter[str]:
        """Routes of which all instances are used, by service."""
        return Counter(service for _, _, service in self._panicking)

    # ---- what is to be seen ----

    def _others(self, key: RouteKey) -> Iterator[int]:
        route = self._registry.routes.get(key)
        return (offer.gauge for offer in route.everyone if offer.gauge) if route else iter(())

    def _usual_us(self, service: str) -> float:
        """Return the average time of the fastest instance: that of one that fails says nothing of answers."""
        instances = (each for each in self._registry.instances if each.service == service)
        return min((us for each in instances if (us := self._wire.latency_us[each.slot])), default=0.0)

    def _slowest_us(self, service: str) -> float:
        """Return how long requests of a service take that are in flight now, but for the slowest of each route."""
        slowest = 0.0
        for key in self._registry.routes:
            route = self._route_of(key) if key[2] == service else None
            if route is not None and self._wire.route_in_flight[route.index]:
                slowest = max(slowest, self._within_us(route.index))
        return slowest

    def _within_us(self, route: int) -> float:
        """Return within which time all but the slowest answers of a route came."""
        from proxy.admin.latency import upper_bound_us  # seldom asked, and large

        counts = self._wire.route_latency(route)
        total = sum(counts)
        if total < MEASURED_MIN:
            return UNKNOWN_US
        left = total * SLOWEST_PART
        for index in range(len(counts) - 1, -1, -1):
            left -= counts[index]
            if left < 0:
                return float(upper_bound_us(index))
        return 0.0

    # ---- for people ----

    def states(self) -> Counter[tuple[str, str, str]]:
        """Count the breakers that are not closed, by service, `instance` or `endpoint`, and state."""
        return Counter(
            (instance.service, "instance" if key is None else "endpoint", breaker.state.name.lower())
            for instance, key, breaker in self.breakers.not_closed
        )

    def notes(self, moves: Iterable[Move]) -> Iterator[tuple[int, str]]:
        """Yield what an operator should know: level and text of log lines. Endpoints of an instance share a line."""
        for move in moves:
            what = move.instance.name if move.key is None else f"{move.instance.name}: {text_of(move.key)}"
            held_back = 0 if move.key is None else self._told.held_back((move.instance.name, move.state))
            if held_back is None:
                continue
            more = f" ({held_back} more)" if held_back else ""
            if move.state is BreakerState.OPEN:
                lasts_s = move.breaker.until - move.breaker.since
                yield logging.WARNING, f"{what} is out for {lasts_s:.1f} s: {move.breaker.detail}{more}"
            elif move.state is BreakerState.HALF_OPEN:
                yield logging.INFO, f"{what} is probed{more}"
            elif move.state is BreakerState.RAMPING:
                yield logging.INFO, f"{what} works again, and gets its share again little by little{more}"


def text_of(key: RouteKey) -> str:
    """Return a route as people write it."""
    return f"{Method(key[0]).name} {key[1]}"
