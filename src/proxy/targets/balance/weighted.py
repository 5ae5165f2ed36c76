"""Two at random, drawn by their weights; the less loaded of them, where load counts for the weight.

Load is (requests in flight / weight + 1) x time to respond x handicap: one of twice the weight is as loaded with twice
as many in flight. Where nothing is in flight, weights alone decide, by the draw. One that wins against a larger weight
does so in the proportion of the two, so that who has just come gets a part of its share also while all others are slow.
The rest is as in `targets.pick`.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.targets.balance.weights import Weights
from proxy.targets.pick import EXPLORE, MARGIN, Figures, make_pick_of_two


class Weighted:
    """The plan."""

    __slots__ = ("_handicap", "_in_flight", "_latency_us", "_pick_of_two", "_rand", "_weights")

    def __init__(self, offers: Sequence[Offer], given: Mapping[str, float], figures: Figures) -> None:
        """given: weights by instance."""
        self._in_flight, self._latency_us, self._rand = figures.in_flight, figures.latency_us, figures.rand
        self._handicap = figures.shares.handicap
        self._pick_of_two = make_pick_of_two(figures)
        self._weights = Weights(offers, given, figures.shares)

    def choose(self, exchange: Exchange | None) -> Offer:
        """Return one of the candidates."""
        weights, rand = self._weights, self._rand
        weights.refresh()
        if weights.is_even:
            return self._pick_of_two(weights.offers) or weights.offers[0]
        offers, values, bounds, last = weights.offers, weights.values, weights.bounds, weights.last
        first = bisect_right(bounds, rand() * bounds[-1], 0, last)
        one, weight = offers[first], values[first]
        luck = rand()
        if not last or luck < EXPLORE:
            return one
        # The second is drawn from what is left without the first, which the draw steps over.
        draw = rand() * (bounds[-1] - weight)
        second = bisect_right(bounds, draw + weight if draw >= bounds[first] - weight else draw, 0, last)
        other, other_weight = offers[second], values[second]
        in_flight, latency_us, handicap = self._in_flight, self._latency_us, self._handicap
        here, there = one.slot, other.slot
        busy, other_busy = in_flight[here] / weight, in_flight[there] / other_weight
        slow, other_slow = latency_us[here] * handicap[here], latency_us[there] * handicap[there] * MARGIN
        if not (slow and other_slow):
            is_behind = other_busy < busy
        elif (other_busy + 1) * other_slow >= (busy + 1) * slow:
            is_behind = False
        else:
            is_behind = busy > other_busy or luck * slow * slow >= other_slow * other_slow
        return other if is_behind and (other_weight >= weight or rand() * weight < other_weight) else one


def pick_by_shares(offers: Sequence[Offer], figures: Figures) -> Offer:
    """Return one of some offers, once."""
    return Weighted(offers, {}, figures).choose(None)
