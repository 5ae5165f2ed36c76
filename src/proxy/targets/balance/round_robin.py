"""One candidate after the other, each as often as its weight says.

Each has a time at which it is due next, one step of 1 / weight after the other; the one that is due first is chosen
(earliest deadline first). So one of twice the weight comes twice as often, evenly spread, and weights may change at any
moment. They begin at random within their first step: several gateways and routes do not begin with the same one.

It does not look at load at all: for requests that all cost the same.
"""

import heapq
from collections.abc import Mapping, Sequence

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.targets.balance.weights import Weights
from proxy.targets.pick import Figures


class RoundRobin:
    """The plan."""

    __slots__ = ("_due", "_weights")

    def __init__(self, offers: Sequence[Offer], given: Mapping[str, float], figures: Figures) -> None:
        """given: weights by instance."""
        self._weights = Weights(offers, given, figures.shares)
        self._due = [(figures.rand() / weight, at) for at, weight in enumerate(self._weights.values)]
        heapq.heapify(self._due)

    def choose(self, exchange: Exchange) -> Offer:
        """Return the candidate whose turn it is."""
        weights = self._weights
        weights.refresh()
        due, at = self._due[0]
        heapq.heapreplace(self._due, (due + 1 / weights.values[at], at))
        return weights.offers[at]
