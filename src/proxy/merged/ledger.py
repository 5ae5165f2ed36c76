"""What workers counted, also those that have gone: a counter that falls would look like one that began anew.

Of each worker the last figures that it has told are kept. When it has gone, its totals are added to those of all that
went before it. What it counted behind its last figures is lost, unless it could say a farewell.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from proxy.admin.figures import Figures
from proxy.admin.merging import forget_absent, left_behind, merge_figures, pack, unpack


class Ledger:
    """Figures of all workers since the start."""

    def __init__(self, packed: bytes = b"") -> None:
        """Begin with nothing, or with what `pack` of a program before this one made."""
        self._gone: Figures | None = unpack(packed) if packed else None
        self._last: dict[str, Figures] = {}
        self._settled: set[str] = set()

    def pack(self) -> bytes:
        """Return what those that have gone have left behind; empty for nothing."""
        return pack(self._gone) if self._gone is not None else b""

    def note(self, worker: str, figures: Figures) -> None:
        """Take the figures that a worker tells now. What it has told before does not count any more."""
        if worker not in self._settled:  # the last words of one whose totals are taken over come too late
            self._last[worker] = figures

    def settle(self, living: Collection[str]) -> None:
        """Take over the totals of those that live no more."""
        for worker in [each for each in self._last if each not in living]:
            self._settled.add(worker)
            left = left_behind(self._last.pop(worker))
            self._gone = left if self._gone is None else merge_figures([self._gone, left])

    def merged(self, now: Mapping[str, Figures]) -> Figures | None:
        """Return the figures of all; None where there never were any. now: of those who answer.

        Who lives and does not answer counts with the totals that it has told last.
        """
        for worker, figures in now.items():
            self.note(worker, figures)
        if self._gone is not None and self._last:
            self._gone = forget_absent(self._gone, _side_by_side(list(self._last.values())))
        silent = [left_behind(figures) for worker, figures in self._last.items() if worker not in now]
        parts = [*now.values(), *silent, *([] if self._gone is None else [self._gone])]
        return merge_figures(parts) if parts else None


def _side_by_side(several: Sequence[Figures]) -> Figures:
    """Return the routes and instances of all, without putting them together: it is asked which there are."""
    routes = [route for figures in several for route in figures.routes]
    return replace(several[0], routes=routes, instances=[each for figures in several for each in figures.instances])
