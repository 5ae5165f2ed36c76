"""The wire's calls for figures that are put together: see `frames.latency_sums`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from frames._native import ffi, lib
from frames.again_calls import AgainCalls

if TYPE_CHECKING:
    from frames.latency_sums import LatencySums, Times

Within = tuple[list[int], float]
"""How many are within each bound, and last how many there are; and their sum in microseconds."""


class FigureCalls(AgainCalls):
    """Calls that look at many counts at once."""

    def times(self, what: "Times", number: int, sums: "LatencySums") -> Within | None:
        """Return times of a route, or a framed connection; None where there are none, or they are not measured."""
        get: Callable[[Any, int], Any] = getattr(lib, what.value)
        counts = get(self._wire, number)
        return None if counts == ffi.NULL else sums.of(counts)

    def turn_times(self, sums: "LatencySums") -> tuple[list[int], list[int]]:
        """Return how many turns, and times away, were within each bound (coarse)."""
        turns = lib.wire_turns(self._wire)
        return sums.of(turns.turn_us)[0], sums.of(turns.away_us)[0]
