"""Outcomes that were not good: what whoever carries requests tells, and breakers are fed with.

Good answers are not told one by one: the wire counts them by gauge, and they are looked at when something fails.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from frames.frame import RefusedReason

FAILURE_STATUS: Final = 500
_TOO_MANY: Final = 429
_NOT_IMPLEMENTED: Final = 501


class OutcomeKind(IntEnum):
    """What became of a request. The first four are failures; pressure is none."""

    STATUS = 1
    """A service answered 500 or more."""
    LOST = 2
    """The connection was lost with the request on it."""
    EXPIRED = 3
    """No answer in time: the deadline, or the time of one attempt, has passed."""
    BAD_RESPONSE = 4
    """What it answered cannot be passed on."""
    PRESSURE = 5
    """The service works, and has too much to do: 429, or REFUSED as overloaded."""
    OTHER = 6
    """It says nothing of how the service is: REFUSED since it goes, say."""


FAILURES: Final = frozenset((OutcomeKind.STATUS, OutcomeKind.LOST, OutcomeKind.EXPIRED, OutcomeKind.BAD_RESPONSE))


def kind_of_status(status: int) -> OutcomeKind:
    """Return what an answer with this status is. 501 is no failure: it says what the service is, not how."""
    if status >= FAILURE_STATUS and status != _NOT_IMPLEMENTED:
        return OutcomeKind.STATUS
    return OutcomeKind.PRESSURE if status == _TOO_MANY else OutcomeKind.OTHER


def kind_of_refusal(reason: int) -> OutcomeKind:
    """Return what a REFUSED with this reason is."""
    return OutcomeKind.PRESSURE if reason == RefusedReason.OVERLOADED else OutcomeKind.OTHER


Told = Callable[[int, OutcomeKind, int], None]
"""Takes in what became of a request: its gauge, the kind, and microseconds."""


def nobody_is_told(gauge: int, kind: OutcomeKind, latency_us: int) -> None:
    """Do nothing, where nobody wants to know."""
