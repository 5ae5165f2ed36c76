"""Silence: who was asked, and is not heard any more, while others of the same service are.

A process that hangs closes nothing and refuses nothing. Requests to it end at their deadlines, which is late; but those
that are answered in milliseconds by others tell it long before. What counts:

- Nothing at all comes over its connections: neither an answer, nor a part of one, nor a heartbeat.
- It was sent requests: more are in flight than there were for the last seconds at any time. So streams and tunnels,
  which may be idle for as long as they like, do not count.
- It is silent for many times as long as it usually takes, and longer than what is asked now takes anywhere.
- Others of its service were heard meanwhile: where all are silent, none of them is an outlier.

Pure: it is shown what is to be seen, at each tick.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from proxy.targets.instance import Instance

FLOOR_S: Final = 10.0
"""What is in flight for as long as this, at least, may be a stream."""

WAITING_MIN: Final = 2
"""Requests that are not answered: one may be an exception."""

TIMES_USUAL: Final = 8.0
"""Of the moving average of its time to respond."""


class Sight(NamedTuple):
    """What is to be seen of an instance. heard: frames so far, wrapping; usual_us: the average time, 0 for unknown."""

    instance: "Instance"
    heard: int
    in_flight: int
    usual_us: float


class _Watch(msgspec.Struct):
    """What was seen before of one instance."""

    heard: int
    since: float
    """When it was found to have been heard last."""
    low: int = 0
    """The fewest in flight since ``low_since``."""
    low_before: int = 0
    """The fewest of the time before that."""
    low_since: float = 0.0

    def look(self, heard: int, in_flight: int, now: float) -> None:
        if heard != self.heard:
            self.heard, self.since = heard, now
        if now - self.low_since >= FLOOR_S:
            self.low_before, self.low, self.low_since = self.low, in_flight, now
        else:
            self.low = min(self.low, in_flight)

    def waiting(self, in_flight: int) -> int:
        return in_flight - min(self.low, self.low_before)


class Silence:
    """Watches who is heard."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._watches: dict[Instance, _Watch] = {}

    def __len__(self) -> int:
        """How many are watched."""
        return len(self._watches)

    def silent(
        self, sights: Sequence[Sight], silence_s: float, slowest_us: Callable[[str], float], now: float
    ) -> "list[tuple[Instance, float]]":
        """Return who is silent, and for how long in seconds.

        sights: of all instances; slowest_us: how long requests of a service take that are in flight now, at most. It
        is asked seldom: where everything else is so.
        """
        self._look(sights, now)
        found = []
        for sight in sights:
            watch = self._watches[sight.instance]
            if watch.waiting(sight.in_flight) < WAITING_MIN or not sight.usual_us:
                continue
            silent_s = now - watch.since
            if silent_s < max(silence_s, TIMES_USUAL * sight.usual_us / 1e6):
                continue
            if self._others_are_heard(sight, sights, watch.since) and silent_s * 1e6 >= slowest_us(
                sight.instance.service
            ):
                found.append((sight.instance, silent_s))
        return found

    def _look(self, sights: Iterable[Sight], now: float) -> None:
        before, self._watches = self._watches, {}
        for instance, heard, in_flight, _ in sights:
            watch = self._watches[instance] = before.get(instance) or _Watch(heard, now, low_since=now)
            watch.look(heard, in_flight, now)

    def _others_are_heard(self, sight: Sight, sights: Iterable[Sight], since: float) -> bool:
        """Whether another instance of the service was heard for some time after this one was for the last time."""
        return any(
            other.instance is not sight.instance
            and other.instance.service == sight.instance.service
            and self._watches[other.instance].since > since
            for other in sights
        )
