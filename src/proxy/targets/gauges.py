"""Gauges: a number for each endpoint of each instance, by which the wire counts its good answers.

A number that is given back rests before it is given away again: a request that was sent by it may still be under way,
and what becomes of that is not to be held against somebody else. Those that have rested longest go first, so that few
numbers are ever used and the wire's arrays stay small. When all are taken, who comes has none (0), and no breakers.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from proxy.targets.instance import Instance, RouteKey

GAUGES_MAX: Final = 65_535
"""The highest number (WIRE_GAUGES_MAX in csrc/wire_values.h, without 0)."""

REST_S: Final = 60.0
"""Longer than a request is ever waited for, by default."""


class Gauged(NamedTuple):
    """Whose a number is."""

    instance: "Instance"
    key: "RouteKey"


class Gauges:
    """Gives the numbers, and takes them back. Pure: time comes by `tick`."""

    def __init__(
        self,
        count_max: int = GAUGES_MAX,
        rest_s: float = REST_S,
        *,
        reset: Callable[[int], object] = lambda gauge: None,
    ) -> None:
        """Begin with all of them free. reset: zeroes what is counted by a number, whenever that is given away."""
        self._count_max = count_max
        self._rest_s = rest_s
        self._reset = reset
        self._used = 0
        self._now = 0.0
        self._resting: deque[tuple[float, int]] = deque()
        self._owners: dict[int, Gauged] = {}
        self.missing = 0
        """How often there was none left."""

    def __len__(self) -> int:
        """How many are given away now."""
        return len(self._owners)

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Gauges {len(self._owners)} of {self._count_max}, {len(self._resting)} at rest>"

    def owner(self, gauge: int) -> Gauged | None:
        """Return whose a number is; None where it is nobody's (any more)."""
        return self._owners.get(gauge)

    def hold(self, instance: "Instance") -> None:
        """Give a number to each endpoint that the instance has now, and take back those of endpoints that it had."""
        before = instance.gauges
        now = {endpoint.id: key for key, endpoint in instance.endpoints.items()}
        for endpoint_id in before.keys() - now.keys():
            self._take_back(before[endpoint_id])
        instance.gauges = {
            endpoint_id: before.get(endpoint_id) or self._give(Gauged(instance, key))
            for endpoint_id, key in now.items()
        }

    def release(self, instance: "Instance") -> None:
        """Take back all that the instance has: it is gone."""
        for gauge in instance.gauges.values():
            self._take_back(gauge)
        instance.gauges = {}

    def tick(self, now: float) -> None:
        """Note the time, in seconds."""
        self._now = now

    def _give(self, gauged: Gauged) -> int:
        gauge = self._free()
        if not gauge:
            self.missing += 1
            return 0
        self._owners[gauge] = gauged
        self._reset(gauge)
        return gauge

    def _free(self) -> int:
        if self._resting and self._resting[0][0] <= self._now:
            return self._resting.popleft()[1]
        if self._used == self._count_max:
            return 0
        self._used += 1
        return self._used

    def _take_back(self, gauge: int) -> None:
        if gauge:
            del self._owners[gauge]
            self._resting.append((self._now + self._rest_s, gauge))
