"""When requests are due: all of it is known before the first is sent, and nothing that happens changes it."""

import random
from collections.abc import Iterator
from typing import Literal

import msgspec

Spacing = Literal["even", "poisson"]
"""Evenly, or as requests of many who know nothing of each other come: at random, with the same rate in the mean."""


class Arrivals(msgspec.Struct, frozen=True):
    """So many requests a second, for so long."""

    rate: float
    """Requests in a second; above zero."""
    duration_s: float
    spacing: Spacing = "even"
    seed: int = 1
    """What chance is drawn from; the same seed draws the same moments."""
    begin_s: float = 0.0
    """When the first of those that come evenly is due."""

    def offsets_us(self) -> Iterator[int]:
        """Yield when each request is due, in microseconds from the start."""
        return self._even() if self.spacing == "even" else self._poisson()

    @property
    def count(self) -> int:
        """How many there are, where they come evenly; else how many there are in the mean."""
        return round(self.rate * self.duration_s)

    def _even(self) -> Iterator[int]:
        begin_us, gap_us = self.begin_s * 1_000_000, 1_000_000 / self.rate
        return (int(begin_us + number * gap_us) for number in range(self.count))

    def _poisson(self) -> Iterator[int]:
        draw = random.Random(self.seed)  # noqa: S311 - chance, and no secret
        mean_us, end_us = 1_000_000 / self.rate, self.duration_s * 1_000_000
        at_us = draw.expovariate(1.0) * mean_us
        while at_us < end_us:
            yield int(at_us)
            at_us += draw.expovariate(1.0) * mean_us
