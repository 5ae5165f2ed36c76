"""Pressure: how much is shed since the gateway itself is short of something, and of what priority.

How much is one number, the *share*: 0 sheds nothing, 1 everything of the lowest priority, 2 everything of the two
lowest, 3 everything but what is critical; in between, a part of the next one. So what matters least goes first, as in
WeChat's DAGOR (Zhou et al., 2018), and what is critical is never shed.

What is measured by an amount (memory, bytes) sheds in proportion to how far it is above its threshold, and all of it
where a tenth is reached. What is measured by its effect (lateness) is shed more as long as it is too much, and less by
and by when it is not: nobody knows beforehand which share is the right one.
"""

from typing import Final

from proxy.admission.priority import Priority

SHARE_MAX: Final = float(Priority.LOW)
SATURATED: Final = 1.1
"""Of a threshold: all is shed that may be."""
RISE: Final = 0.25
FALL: Final = 0.05
"""Of the share, in each interval."""
EASY: Final = 0.8
"""Of a threshold: below, it is enough."""
LOOKS: Final = 3
"""Readings of which the least counts: one that was late since something else took long is no sign of a queue."""


def scaled(used: float, threshold: float, saturated: float) -> float:
    """Return the share for an amount that is used: 0 below the threshold, the most where it is saturated."""
    if used < threshold:
        return 0.0
    return min(SHARE_MAX, SHARE_MAX * (used - threshold) / max(saturated - threshold, 1e-9))


class Lateness:
    """The share for how late the gateway comes to its work."""

    __slots__ = ("_last", "share")

    def __init__(self) -> None:
        """Begin in time."""
        self.share = 0.0
        self._last: tuple[float, ...] = ()

    def take(self, delay_s: float, threshold_s: float) -> None:
        """Take in one reading."""
        self._last = (*self._last, delay_s)[-LOOKS:]
        least_s = min(self._last)
        if len(self._last) == LOOKS and least_s > threshold_s:
            self.share = min(SHARE_MAX, self.share + RISE)
        elif least_s < EASY * threshold_s:
            self.share = max(0.0, self.share - FALL)


class Portions:
    """Draws who is shed: of each priority exactly its part, evenly, without chance."""

    __slots__ = ("_owed",)

    def __init__(self) -> None:
        self._owed = [0.0] * len(Priority)

    def is_shed(self, share: float, priority: Priority) -> bool:
        """Whether the next request of a priority is shed."""
        owed = self._owed[priority] + max(0.0, min(1.0, share - (Priority.LOW - priority)))
        is_shed = owed > 1 - 1e-9
        self._owed[priority] = owed - is_shed
        return is_shed
