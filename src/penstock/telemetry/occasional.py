"""Log lines that a peer can cause as often as it likes, told now and then."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

EVERY_S: Final = 10.0
KEYS_MAX: Final = 256
"""Remembered at once; beyond, the longest known is forgotten, and may be told sooner than it should."""


class Occasional:
    """Lets one line through for each key in ``every_s`` seconds, and counts what it holds back."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no key known. clock: seconds that only rise."""
        self._every_s = every_s
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def held_back(self, key: Hashable) -> int | None:
        """Return how many lines were held back since the last one, when a line is due now; else None."""
        now = self._clock()
        told_at, count = self._known.get(key, (-float("inf"), 0))
        if now - told_at < self._every_s:
            self._known[key] = (told_at, count + 1)
            return None
        self._known[key] = (now, 0)
        self._known.move_to_end(key)
        if len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)
        return count
