"""Consistent hashing with bounded loads: an asker always gets the same instance, as long as that has room.

An instance has room while it has fewer requests in flight than load_factor times its fair share of all that are, this
one counted. A key whose instance has none goes to the next one on the ring that has (V. Mirrokni, M. Thorup, M.
Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018). So one key that everybody asks for does not bring down
the instance that it belongs to, and few keys move: those that found no room, for as long as there is none.

Weights give an instance more of the ring, and more room. A share, such as of one that has just come, gives it less room
and moves no key. A request without the key goes to one of two at random.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.request_key import ReadKey
from proxy.targets.balance.ring import Ring, ring_of
from proxy.targets.balance.weighted import Weighted
from proxy.targets.balance.weights import Weights
from proxy.targets.pick import Figures

MOVED = "moved"
KEYLESS = "keyless"


class Standing(NamedTuple):
    """A key, the instance that it belongs to, how many requests that has in flight, and for how many it has room."""

    key: bytes
    own: str
    in_flight: int
    room: int


class ConsistentHash:
    """The plan. It counts `MOVED`, requests whose own instance had no room, and `KEYLESS` ones."""

    __slots__ = ("_figures", "_keyless", "_load_factor", "_read_key", "_weights", "ring")

    def __init__(
        self,
        offers: Sequence[Offer],
        given: Mapping[str, float],
        figures: Figures,
        read_key: ReadKey,
        load_factor: float,
    ) -> None:
        """given: weights by instance."""
        ordered = sorted(offers, key=lambda offer: offer.instance.instance)
        self._figures = figures
        self._weights = Weights(ordered, given, figures.shares)
        names = tuple(offer.instance.instance for offer in self._weights.offers)
        self.ring: Ring = ring_of(names, tuple(self._weights.given))
        self._read_key = read_key
        self._load_factor = load_factor
        self._keyless = Weighted(ordered, given, figures)

    def choose(self, exchange: Exchange) -> Offer:
        """Return the instance that the request's key belongs to, or the next one that has room."""
        key = self._read_key(exchange)
        if not key:
            self._figures.tally[KEYLESS] += 1
            return self._keyless.choose(exchange)
        offers, in_flight = self._weights.offers, self._figures.in_flight
        own = self.ring.preferred(key)
        if not in_flight[offers[own].slot]:  # there is always room for one
            return offers[own]
        room = self._rooms()
        if in_flight[offers[own].slot] < room[own]:
            return offers[own]
        self._figures.tally[MOVED] += 1
        return next(
            (offers[at] for at in self.ring.preference(key) if in_flight[offers[at].slot] < room[at]), offers[own]
        )

    def standing(self, exchange: Exchange) -> "Standing | None":
        """Return how it stands with a request's key, for people; None where there is none."""
        key = self._read_key(exchange)
        if not key:
            return None
        own = self.ring.preferred(key)
        offer = self._weights.offers[own]
        return Standing(key, offer.instance.instance, self._figures.in_flight[offer.slot], self._rooms()[own])

    def _rooms(self) -> list[int]:
        """Return how many requests each may have in flight now. They add up to more than there are."""
        weights = self._weights
        weights.refresh()
        in_flight = self._figures.in_flight
        each = self._load_factor * (sum(in_flight[offer.slot] for offer in weights.offers) + 1) / weights.bounds[-1]
        return [ceil(each * weight) for weight in weights.values]
