"""What explain says of breakers, where one of a route's instances is not closed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxy.breaker_state import Recovering
from proxy.explain.told import Line

if TYPE_CHECKING:
    from proxy.explain.words import View


def breakers(view: "View") -> Iterator[Line]:
    """Tell whether breakers are heeded, and who is probed."""
    offers = view.exchange.offers
    if not isinstance(offers, Recovering):
        return
    if offers.is_panic:
        origin = view.origins.setting("breakers.panic")
        yield Line("too few instances are left by their breakers: all are used", origin)
    for offer in offers.probing:
        yield Line(f"{offer.instance.instance} is half-open: a request that comes may be sent there as a probe")
