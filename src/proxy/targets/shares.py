"""What the choice takes into account beside the wire's own figures: set where it changes, and only read for a choice.

    handicap   by how much the figures of an instance are made worse, for the load that it reports
    share      which part of its fair share an instance gets that has just come, or that a breaker lets back

Everybody has a handicap of 1 and a share of 1 until somebody says otherwise. While all shares are 1, which is nearly
always, the choice looks at ``is_even`` and at nothing else of them.
"""

from typing import Final

from proxy.request.offer import Offer

SHARE_MIN: Final = 0.001
"""A share of nothing would never be measured, and so never end."""


class Shares:
    """Handicaps by slot of a connection, shares by slot and gauge. ``version`` is new after each change of shares."""

    __slots__ = ("_gauges", "_ramps", "_starts", "handicap", "is_even", "version")

    def __init__(self, slots: int) -> None:
        """slots: how many connections of services there may be."""
        self.handicap: list[float] = [1.0] * slots
        """By slot; at least 1. Requests in flight x time to respond are multiplied by it."""
        self.is_even = True
        self.version = 0
        self._starts: dict[int, float] = {}
        self._ramps: dict[int, float] = {}
        self._gauges: dict[int, float] = {}

    def set_start(self, slot: int, share: float) -> None:
        """Set the share of an instance that has come, until it is 1."""
        self._set(self._starts, slot, share)

    def set_ramp(self, slot: int, share: float) -> None:
        """Set the share of an instance that a breaker lets back, until it is 1."""
        self._set(self._ramps, slot, share)

    def set_gauge(self, gauge: int, share: float) -> None:
        """Set the share of one endpoint of an instance that a breaker lets back, until it is 1."""
        self._set(self._gauges, gauge, share)

    def of(self, offer: Offer) -> float:
        """Return the share of an offer, above 0 and up to 1."""
        if self.is_even:
            return 1.0
        slot = offer.slot
        return self._starts.get(slot, 1.0) * self._ramps.get(slot, 1.0) * self._gauges.get(offer.gauge, 1.0)

    @property
    def starting(self) -> int:
        """How many instances have come a short while ago, and get less than their fair share."""
        return len(self._starts)

    def forget(self, slot: int) -> None:
        """Forget all about a slot, since its connection is gone or is another one."""
        self.handicap[slot] = 1.0
        self.set_start(slot, 1.0)
        self.set_ramp(slot, 1.0)

    def _set(self, shares: dict[int, float], key: int, share: float) -> None:
        before = shares.get(key, 1.0)
        if share < 1.0:
            shares[key] = max(share, SHARE_MIN)
        elif not shares.pop(key, 0.0):
            return
        if before != share:
            self.version += 1
            self.is_even = not (self._starts or self._ramps or self._gauges)

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Shares starting={len(self._starts)} ramped={len(self._ramps) + len(self._gauges)}>"
