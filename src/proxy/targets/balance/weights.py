"""The weight of each candidate: what the configuration gives to its instance, times the share that it gets now.

Weights are made again when shares have changed. They are relative: the largest is 1.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from proxy.request.offer import Offer
from proxy.targets.shares import Shares

EVEN: Final = 0.9
"""Shares that differ by less than a tenth count as equal: instances that have come within a second of each other."""


class Weights:
    """The candidates that have a weight, in their order, and the weights in ``values``: above 0, up to 1.

    bounds: the sums of the weights up to each, whose last one is never looked for: a point between 0 and it belongs to
    the candidate at ``bisect_right(bounds, point, 0, last)``. Those whose configured weight is 0 are left out, unless
    there is nobody else. is_even: whether nobody gets less than another one, but for so little that it does not count.
    """

    __slots__ = ("_is_given_evenly", "_shares", "_version", "bounds", "given", "is_even", "last", "offers", "values")

    def __init__(self, offers: Sequence[Offer], given: Mapping[str, float], shares: Shares) -> None:
        """given: by instance; who is not in it has 1."""
        weights = [given.get(offer.instance.instance, 1.0) for offer in offers] if given else [1.0] * len(offers)
        if not any(weights):
            weights = [1.0] * len(offers)
        self.offers = tuple(offer for offer, weight in zip(offers, weights, strict=True) if weight)
        self.last = len(self.offers) - 1
        self.given = [weight for weight in weights if weight]
        """What the configuration gives, without shares."""
        self._shares = shares
        self._version = shares.version - 1
        self._is_given_evenly = len(set(self.given)) == 1
        self.is_even = True
        self.values: list[float] = []
        self.bounds: list[float] = []
        self.refresh()

    def refresh(self) -> None:
        """Make them again if shares have changed."""
        if self._version == self._shares.version:
            return
        self._version = self._shares.version
        values = [given * self._shares.of(offer) for given, offer in zip(self.given, self.offers, strict=True)]
        most = max(values)
        self.values = [value / most for value in values]
        self.is_even = self._is_given_evenly and min(self.values) > EVEN
        self.bounds = list(accumulate(self.values))
