"""Patience: how long a request may wait for its place.

A line that empties now and then absorbs bursts, and waiting in it is well spent. One that does not only makes everybody
late: whoever is served has waited for as long as the line is, and no fewer are sent away. This is what CoDel tells
apart (Nichols and Jacobson, 2012; RFC 8289), and the form that is used here is that of Maurer, "Fail at Scale" (2015):
a line that has not been empty for an interval is *standing*. From then on nobody waits for longer than a short time,
and the newest goes first: who has just come can still be answered in time.

The short time is a part of what the service needs for an answer, so that who waits is answered within one and a half
times that. It is held between two bounds: very short waits cannot be kept, and very long ones help nobody.
"""

from typing import Final

STANDING_S: Final = 0.1
"""CoDel's interval: longer than a burst, shorter than anybody's patience."""
PART: Final = 0.4
ROOM_MIN: Final = 4
LEAST_S: Final = 0.002
"""Two turns of a busy event loop."""


class Patience:
    """Whether a line is standing, and how long may be waited in it. Times are seconds."""

    __slots__ = ("_filled_s", "_standing_s", "longest_s")

    def __init__(self, longest_s: float) -> None:
        """Begin with an empty line. longest_s: in a line that is not standing; the bound for all others."""
        self.longest_s = longest_s
        self._filled_s: float | None = None
        self._standing_s = float("-inf")  # it is standing until then

    def note(self, waiting: int, now_s: float) -> None:
        """Take in how many wait now. To be called whenever the line becomes empty, and when the first one enters."""
        if not waiting:
            self._filled_s = None
        elif self._filled_s is None:
            self._filled_s = now_s

    def note_late(self, now_s: float) -> None:
        """Take in that somebody was sent away who had waited for too long: a line that is standing stays so."""
        if self._standing_s > now_s:
            self._standing_s = now_s + STANDING_S

    def is_standing(self, now_s: float) -> bool:
        """Whether the line has not been empty for an interval, or was standing within the last one."""
        if self._filled_s is not None and now_s - self._filled_s > STANDING_S:
            self._standing_s = now_s + STANDING_S
        return self._standing_s > now_s

    def room(self, now_s: float, latency_s: float, places: int) -> int | None:
        """Return how many it makes sense to let wait now; None: as many as may.

        In a standing line, those whose turn comes within the time that may be waited; who comes beyond that is better
        told at once. places: how many requests the service has at a time.
        """
        if not latency_s or not self.is_standing(now_s):
            return None
        return max(ROOM_MIN, int(places * self.wait_s(now_s, latency_s) / latency_s))

    def wait_s(self, now_s: float, latency_s: float) -> float:
        """Return how long anybody may wait now. latency_s: of an answer of the service; 0 where that is not known."""
        if not self.is_standing(now_s) or not latency_s:
            return self.longest_s
        return min(self.longest_s, max(LEAST_S, PART * latency_s))
