"""Counting: the generic cell rate algorithm, which is a token bucket that needs one number for each key.

The number is the time at which the bucket would be full again. A request moves it on by the time that one request takes
at the given rate; it is refused where that would lie further ahead than the burst allows. So over any time at most
``burst + rate * time`` requests pass, and a number that lies in the past says nothing: it may be forgotten.

Times are nanoseconds of a clock that only goes on; who asks sees to that.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

Demand: TypeAlias = tuple[bytes, int, int, bytes]
"""One limit that a request is counted by, as a plain tuple, since one is made for each request: the key; what one
request takes (`interval_ns`); how far ahead of now the number may lie for one more request, which is the time of all
in a burst but one (`tolerance_ns`); and the key by which those are counted for whom there is no room.
"""


class Refused(NamedTuple):
    """Which demand refused a request, and after how long none of them would."""

    place: int
    wait_ns: int


class RateStore(Protocol):
    """Counts requests. One that counts for several gateways may fail: it raises, and what then holds is configured."""

    def take(self, demands: Sequence[Demand], now_ns: int, /) -> Refused | None:
        """Count a request by all demands, or, where one of them refuses it, by none."""
        ...

    def peek(self, demands: Sequence[Demand], now_ns: int, /) -> list[int]:
        """Return how far ahead of now each demand's number lies, 0 for one in the past. Nothing is counted."""
        ...


KEYS_MAX: Final = 100_000
_LOOKS: Final = 2
"""Old keys that are looked at for each new one: more than one, so that what has run out gets fewer."""
_LOOKS_WHEN_FULL: Final = 16


class MemoryStore:
    """Counts in this process, for a bounded number of keys (`keys_max`).

    A key that has run out is forgotten when others come: for each new key, the two that were looked at longest ago are
    looked at. Where all keys are live and there is no room, newcomers of a limit are counted together, as if they were
    one: those who are known keep their rate, nobody gets more than the limit, and the bound holds. One who floods the
    gateway with keys slows down strangers, and nobody else. Beyond the bound there is one key for each limit's crowd.
    """

    __slots__ = ("_queue", "_times", "crowded", "keys_max")

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        """Begin with no key."""
        self.keys_max = keys_max
        self.crowded = 0
        """How often a newcomer was counted together with others."""
        self._times: dict[bytes, int] = {}
        self._queue: deque[bytes] = deque()

    def __len__(self) -> int:
        """Return how many keys are held, those included that have run out."""
        return len(self._times)

    def take(self, demands: Sequence[Demand], now_ns: int, /) -> Refused | None:
        """Count a request by all demands, or, where one of them refuses it, by none."""
        if len(demands) != 1:
            return self._take_several(demands, now_ns)
        key, interval_ns, tolerance_ns, crowd = demands[0]
        times = self._times
        full_at = times.get(key)
        if full_at is None:
            key = self._place_for(key, crowd, now_ns)
            full_at = times.get(key)
            if full_at is None:
                self._queue.append(key)
                times[key] = now_ns + interval_ns
                return None
        if full_at <= now_ns:
            times[key] = now_ns + interval_ns
            return None
        wait_ns = full_at - now_ns - tolerance_ns
        if wait_ns > 0:
            return Refused(0, wait_ns)
        times[key] = full_at + interval_ns
        return None

    def _take_several(self, demands: Sequence[Demand], now_ns: int) -> Refused | None:
        times = self._times
        charges: list[tuple[bytes, int]] = []
        place, longest_ns = 0, 0
        for key, interval_ns, tolerance_ns, crowd in demands:
            if key not in times:
                key = self._place_for(key, crowd, now_ns)
            full_at = times.get(key, 0)
            if full_at > now_ns:
                wait_ns = full_at - now_ns - tolerance_ns
                if wait_ns > longest_ns:
                    place, longest_ns = len(charges), wait_ns
                charges.append((key, full_at + interval_ns))
            else:
                charges.append((key, now_ns + interval_ns))
        if longest_ns:
            return Refused(place, longest_ns)
        for key, full_at in charges:
            if key not in times:
                self._queue.append(key)
            times[key] = full_at
        return None

    def peek(self, demands: Sequence[Demand], now_ns: int, /) -> list[int]:
        """Return how far ahead of now each demand's number lies, 0 for one in the past. Nothing is counted."""
        times, has_room = self._times, len(self._times) < self.keys_max
        places = (key if has_room or key in times else crowd for key, _, _, crowd in demands)
        return [max(0, times.get(place, 0) - now_ns) for place in places]

    def _place_for(self, key: bytes, crowd: bytes, now_ns: int) -> bytes:
        """Return by which key a newcomer is counted: its own, if room can be made for it, else the crowd's."""
        self._forget(_LOOKS, now_ns)
        if len(self._times) >= self.keys_max:
            self._forget(_LOOKS_WHEN_FULL, now_ns)
            if len(self._times) >= self.keys_max:
                self.crowded += 1
                return crowd
        return key

    def _forget(self, looks: int, now_ns: int) -> None:
        """Look at the keys that were looked at longest ago, and forget those that have run out."""
        queue, times = self._queue, self._times
        for _ in range(min(looks, len(queue))):
            key = queue.popleft()
            if times[key] > now_ns:
                queue.append(key)
            else:
                del times[key]
