"""When to start a worker again, and when to give up. It has no clock: `now` is given, in seconds."""

from collections import deque
from typing import Final

MINUTE_S: Final = 60.0
DELAY_S: Final = 0.1
DELAY_MAX_S: Final = 5.0


class Crashes:
    """How often workers have died within the last minute.

    A slot whose worker dies again and again waits longer each time: DELAY_S, doubled each time up to DELAY_MAX_S.
    """

    def __init__(self) -> None:
        self._times: deque[tuple[float, int]] = deque()

    def crashed(self, slot: int, now: float, most: int) -> float | None:
        """Note that the slot's worker has died, and return how long to wait before the next one is started.

        None: more than `most` have died within a minute, and there is no hope.
        """
        self._times.append((now, slot))
        while self._times[0][0] <= now - MINUTE_S:
            self._times.popleft()
        if len(self._times) > most:
            return None
        in_a_row = sum(each == slot for _, each in self._times)
        return float(min(DELAY_MAX_S, DELAY_S * 2.0 ** min(in_a_row - 1, 10)))
