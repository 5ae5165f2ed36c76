"""Plan: what the configuration says of one route that asks several; nothing in it changes while it serves."""

from enum import Enum
from typing import Final

import msgspec

from frames.frame import Method

ALL: Final = 0
"""As a leg's ``instances``: every one that may be chosen."""


class Combine(Enum):
    """What is made of the answers."""

    MERGE = "merge"
    """One JSON document with what became of each leg; one good answer is enough."""
    ALL = "all"
    """The same, if every leg has answered well."""
    QUORUM = "quorum"
    """The same, as soon as enough of them have."""
    FIRST = "first"
    """The first good answer, as it came."""


class LegPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One service that is asked.

    path: a template whose parameters are the route's, empty for the path that was asked; instances: how many of it,
    each a leg of its own, or `ALL`; name: what the merged document calls it.
    """

    name: str
    service: str
    path: str = ""
    instances: int = 1


class FanOutPlan(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One route that asks several. Compared by identity.

    width_max: legs; at_once: of them under way; leg_ms: for each; bytes_max: of all answers' bodies together;
    quorum: good answers that are needed, for `Combine.QUORUM`; stops: as soon as it can only fail; kept_ms: how long an
    answer is given again, 0 for never; in_flight_max: fan-outs of this route at once.
    """

    name: str
    service: str
    """Whose path it is: its hosts, and the rules for it, hold."""
    method: Method
    path: str
    legs: tuple[LegPlan, ...]
    combine: Combine = Combine.MERGE
    quorum: int = 0
    width_max: int = 16
    at_once: int = 16
    leg_ms: int = 1_000
    bytes_max: int = 262_144
    stops: bool = False
    kept_ms: int = 0
    in_flight_max: int = 64
    origin: str = ""
    """Where it stands: ``penstock.yaml:12``, or the variable."""

    def needed(self, legs: int) -> int:
        """Return how many good answers are needed of that many legs."""
        if self.combine is Combine.ALL or (self.combine is Combine.MERGE and self.stops):
            return legs
        return self.quorum if self.combine is Combine.QUORUM else 1

    @property
    def ends_when_met(self) -> bool:
        """Whether it is over as soon as enough good answers are there."""
        return self.combine in (Combine.QUORUM, Combine.FIRST)
