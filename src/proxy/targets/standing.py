"""How instances stand beside what the wire measures of them: what load they report, and how long they are there.

Looked at each tick, for all of them; what comes of it is in `Shares`.

    load         1 + the reported load, averaged, is the handicap: of two that are equal for us, the one that is busy
                 with what others ask gets less. It is at most 2, because it is up to a heartbeat old: a choice that
                 followed it blindly would send everything to one, and then everything to the other.
    connections  the figures are those of its first connection, so each further one counts once more
    slow start   who has just come begins with a part of its fair share, since its caches are cold
"""

from collections.abc import Iterable
from typing import Final

from proxy.targets.instance import Instance
from proxy.targets.ramp import ramp_share
from proxy.targets.shares import Shares

LOAD_FULL: Final = 10_000
LOAD_COUNTED_MAX: Final = LOAD_FULL
"""Who reports more than it can take is not treated as worse than who is full: reports are never that exact."""

LOAD_WEIGHT: Final = 0.1
"""Of the load of now in its average, each quarter of a second: it follows within a few seconds, as heartbeats come."""


class Standing:
    """Keeps shares in step with the instances that there are. Pure: time is given in seconds."""

    def __init__(self, shares: Shares, slow_start_s: float) -> None:
        """slow_start_s: how long an instance that has come gets less than its fair share; may be set anew."""
        self.slow_start_s = slow_start_s
        self._shares = shares
        self._loads: dict[int, tuple[int, float]] = {}

    def tick(self, now: float, instances: Iterable[Instance]) -> None:
        """Look at all instances that are connected."""
        shares, before, loads = self._shares, self._loads, {}
        for instance in instances:
            if instance.is_dormant:
                continue
            slot, load = instance.slot, min(instance.reported_load or 0, LOAD_COUNTED_MAX)
            connection, average = before.pop(slot, (0, 0.0))
            if connection != instance.connection:
                shares.forget(slot)
                average = load
            average += (load - average) * LOAD_WEIGHT
            loads[slot] = (instance.connection, average)
            shares.handicap[slot] = (1 + average / LOAD_FULL) * (1 + len(instance.others))
            shares.set_start(slot, ramp_share(instance.connected_at, self.slow_start_s, now))
        for slot in before:
            shares.forget(slot)
        self._loads = loads
