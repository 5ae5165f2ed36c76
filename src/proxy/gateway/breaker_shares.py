"""Which part of its share an instance or an endpoint gets that comes back, or that says that it has too much to do."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from frames.wire_values import slot_of
from proxy.breaker_state import BreakerState
from proxy.targets.breaker import Breaker
from proxy.targets.breakers import Move
from proxy.targets.instance import Instance
from proxy.targets.pressure import Pressure
from proxy.targets.silence import Sight

if TYPE_CHECKING:
    from proxy.gateway.breaking import Ramps


class BreakerShares:
    """Sets shares where they are read, at each tick, as long as somebody has less than the whole."""

    def __init__(self, ramps: "Ramps") -> None:
        """ramps: where they are read."""
        self.pressure = Pressure()
        self._ramps = ramps
        self._endpoints: dict[int, Breaker] = {}
        self._wholes: dict[Instance, Breaker] = {}
        self._lessened: set[Instance] = set()

    def moved(self, moves: Iterable[Move], now: float) -> None:
        """Take in that breakers are in other states."""
        for move in moves:
            is_ramping = move.state is BreakerState.RAMPING
            if move.key is None and is_ramping:
                self._wholes[move.instance] = move.breaker
                self._lessened.add(move.instance)
            elif move.key is None:
                self._wholes.pop(move.instance, None)
            elif is_ramping:
                self._endpoints[move.gauge] = move.breaker
            elif self._endpoints.pop(move.gauge, None):
                self._ramps.set_gauge(move.gauge, 1.0)
        self._set(now)

    def tick(self, sights: Sequence[Sight], now: float) -> None:
        """Let shares grow, and follow pressure."""
        self.pressure.tick(sights, now)
        if len(self.pressure):
            self._lessened |= {sight.instance for sight in sights if self.pressure.share(sight.instance) < 1.0}
        self._set(now)

    def share(self, instance: Instance, now: float) -> float:
        """Return which part of its share an instance gets."""
        breaker = self._wholes.get(instance)
        return self.pressure.share(instance) * (1.0 if breaker is None else breaker.share(now))

    def _set(self, now: float) -> None:
        for gauge, breaker in self._endpoints.items():
            self._ramps.set_gauge(gauge, breaker.share(now))
        for instance in tuple(self._lessened):
            share = self.share(instance, now)
            for connection in instance.connections:
                self._ramps.set_ramp(slot_of(connection), share)
            if share >= 1.0:
                self._lessened.discard(instance)
