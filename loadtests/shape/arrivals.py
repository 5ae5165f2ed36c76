"""When requests are due whose rate changes evenly within a phase: by chance or evenly, and known beforehand."""

import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from proxy.loading.arrivals import Arrivals


class Ramp(msgspec.Struct, frozen=True):
    """A piece of time in which the rate goes evenly from one to another."""

    duration_s: float
    begin_rate: float
    end_rate: float

    @property
    def count(self) -> float:
        """How many requests are due in it, in the mean."""
        return self.duration_s * (self.begin_rate + self.end_rate) / 2

    def when(self, count: float) -> float:
        """Return after how many seconds so many requests were due in it; count is at most `self.count`.

        The number until t is r t + (s - r) t² / 2 d, of which this is the inverse, in the form that also holds where
        the rate stays as it is.
        """
        slope = (self.end_rate - self.begin_rate) / self.duration_s
        root = math.sqrt(max(0.0, self.begin_rate * self.begin_rate + 2 * slope * count))
        return min(self.duration_s, 2 * count / (self.begin_rate + root)) if count else 0.0


class RampedArrivals(Arrivals, frozen=True):
    """Arrivals whose rate is that of one ramp after the other. `rate` is the mean, `duration_s` the whole time."""

    ramps: tuple[Ramp, ...] = ()

    @classmethod
    def of(cls, ramps: Sequence[Ramp], *, spacing: str, seed: int) -> "RampedArrivals":
        """Return the arrivals of some ramps, of which one at least has a rate."""
        duration_s = sum(ramp.duration_s for ramp in ramps)
        rate = sum(ramp.count for ramp in ramps) / duration_s
        is_even = spacing == "even"
        return cls(rate, duration_s, "even" if is_even else "poisson", seed, ramps=tuple(ramps))

    def offsets_us(self) -> Iterator[int]:
        """Yield when each request is due, in microseconds from the start.

        A Poisson process of a changing rate is one of rate 1, stretched by the rate (Lewis and Shedler, 1979:
        "Simulation of nonhomogeneous Poisson processes by thinning", section 1).
        """
        draw = random.Random(self.seed)
        wanted = 0.0 if self.spacing == "even" else draw.expovariate(1.0)
        passed, begin_s = 0.0, 0.0
        for ramp in self.ramps:
            whole = ramp.count
            while wanted - passed < whole:
                yield int((begin_s + ramp.when(wanted - passed)) * 1_000_000)
                wanted += 1.0 if self.spacing == "even" else draw.expovariate(1.0)
            passed += whole
            begin_s += ramp.duration_s
