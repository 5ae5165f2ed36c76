"""Draws which faults a request gets: a plain function of the rule's faults, of the request's fields, and of chance.

Faults are drawn in their order, each by itself. Delays add up; of several rates the least counts; a fault that ends the
request ends the drawing, too.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from proxy.request.route_policy import Fault, FaultKind

_WHOLE = 100.0

HasFields = Callable[[tuple[tuple[bytes, bytes], ...]], bool]
"""Whether a request has all of these fields, by name and value."""


class Drawn(NamedTuple):
    """What a request gets.

    status: of an answer in place of the service's; cut_bytes: after so many of the answer its connection is reset, with
    0 before any service is asked; bytes_per_second: the rate at which the answer is written.
    """

    delay_ms: int = 0
    status: int | None = None
    cut_bytes: int | None = None
    bytes_per_second: int | None = None


NOTHING = Drawn()


def draw(faults: Iterable[Fault], has: HasFields, rand: Callable[[], float]) -> Drawn:
    """Return what a request gets. rand: of 0 up to 1; asked once for each fault whose fields the request has."""
    delay_ms, cut_bytes, rate, is_hit = 0, None, None, False
    for fault in faults:
        if (fault.headers and not has(fault.headers)) or rand() * _WHOLE >= fault.percent:
            continue
        is_hit = True
        amount = fault.amount
        if fault.kind is FaultKind.DELAY:
            delay_ms += amount + (int(rand() * (fault.jitter_ms + 1)) if fault.jitter_ms else 0)
        elif fault.kind is FaultKind.ABORT:
            return Drawn(delay_ms, status=amount)
        elif fault.kind is FaultKind.SLOW:
            rate = amount if rate is None else min(rate, amount)
        elif amount == 0:
            return Drawn(delay_ms, cut_bytes=0)
        else:
            cut_bytes = amount if cut_bytes is None else min(cut_bytes, amount)
    return Drawn(delay_ms, None, cut_bytes, rate) if is_hit else NOTHING
