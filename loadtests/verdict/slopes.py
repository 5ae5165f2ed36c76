"""Robust slopes and ratios, each with the interval in which it lies with 95 % certainty.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, so that up to 29 % of the points may
be anything (H. Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950; P. K. Sen,
"Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968, which gives the interval as well).

Ratios are bootstrapped over blocks of time, not over single values, for what is slow in one second is likely to be so
in the next (H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", 1989).
"""

import math
import random
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

POINTS_MAX: Final = 240
"""More points are first made so many, each the median of its neighbours: pairs grow with the square."""
DRAWS: Final = 400
_NORMAL_95: Final = 1.96


class Estimate(NamedTuple):
    """A value, and the ends of its interval."""

    value: float
    low: float
    high: float


def theil_sen(points: Sequence[tuple[float, float]]) -> Estimate | None:
    """Return the slope of (x, y). None: fewer than 4 points, or all of one x."""
    few = thinned(points)
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(few)
        for later in few[number + 1 :]
        if later[0] > earlier[0]
    )
    if len(few) < 4 or not slopes:
        return None
    count = len(few)
    reach = _NORMAL_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)  # of Kendall's S without ties
    low = max(0, math.floor((len(slopes) - reach) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))
    return Estimate(statistics.median(slopes), slopes[low], slopes[high])


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS_MAX) -> list[tuple[float, float]]:
    """Return at most so many points in the order of x, each the median of neighbours where there were more."""
    ordered = sorted(points)
    if len(ordered) <= most:
        return ordered
    edges = [round(number * len(ordered) / most) for number in range(most + 1)]
    parts = [ordered[begin:end] for begin, end in pairwise(edges)]
    return [(statistics.median(x for x, _ in part), statistics.median(y for _, y in part)) for part in parts]


def middle(values: Sequence[float]) -> float:
    """Return the interquartile mean: as little moved by outliers as needed, and surer than the median."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def ratio_of(
    first: Sequence[float],
    last: Sequence[float],
    seed: int = 1,
) -> Estimate | None:
    """Return how the middle of the last values is to that of the first, each that of a block of time.

    None: there are fewer than 4 in a part.
    """
    if min(len(first), len(last)) < 4 or middle(first) <= 0:
        return None
    chance = random.Random(seed)
    ratios = sorted(
        middle(chance.choices(last, k=len(last))) / max(middle(chance.choices(first, k=len(first))), 1e-9)
        for _ in range(DRAWS)
    )
    return Estimate(middle(last) / middle(first), ratios[round(DRAWS * 0.025)], ratios[round(DRAWS * 0.975) - 1])
