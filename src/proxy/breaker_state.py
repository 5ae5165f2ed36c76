"""How the breaker of an instance or of one of its endpoints stands; and candidates beside which somebody recovers."""

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.request.offer import Offer


class BreakerState(IntEnum):
    """From the best on, so that of two the greater counts. All but CLOSED are true as a condition."""

    CLOSED = 0
    """It gets requests as any other."""
    RAMPING = 1
    """It works again, and gets a part of its share that grows."""
    HALF_OPEN = 2
    """One request is let through at a time, to see how it is."""
    OPEN = 3
    """It gets nothing."""


class Recovering(tuple["Offer", ...]):
    """Candidates as any others, beside which somebody is half-open, or that are used in panic; made only there.

    probing: half-open ones, which are not among them but in panic; is_panic: too few others are left, so that breakers
    are not heeded.
    """

    probing: "tuple[Offer, ...]"
    is_panic: bool

    def __new__(
        cls, offers: "Iterable[Offer]", *, probing: "tuple[Offer, ...]" = (), is_panic: bool = False
    ) -> "Recovering":
        """Make the tuple, and note who recovers."""
        made = super().__new__(cls, offers)
        made.probing, made.is_panic = probing, is_panic
        return made


class Probe(tuple["Offer", ...]):
    """The only candidate of a request that is a probe. of: the candidates that it would have had."""

    of: Recovering

    def __new__(cls, offer: "Offer", of: Recovering) -> "Probe":
        """Make the tuple."""
        made = super().__new__(cls, (offer,))
        made.of = of
        return made
