"""The offer: an endpoint of one instance, as a request can be sent to it. Match finds it, pick chooses, send uses."""

from typing import TYPE_CHECKING, Final

import msgspec

from frames.endpoint import EndpointOffer
from proxy.breaker_state import BreakerState

if TYPE_CHECKING:
    from proxy.targets.breaker import Breaker
    from proxy.targets.instance import Instance

NOTHING_DECLARED: Final = EndpointOffer(id=0, method="GET", path="/")


class Offer(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Compared by identity: an instance whose health or HELLO is another has other offers.

    slot: the connection's, for the wire's arrays; deadline_ms: the endpoint's own, if any; declared: all that the
    service said of the endpoint; version and region: the instance's; is_degraded: chosen only where no healthy one is.
    """

    slot: int
    connection: int
    endpoint_id: int
    deadline_ms: int | None
    idempotent: bool
    streams: bool
    upgrades: tuple[str, ...] = ()
    instance: "Instance"
    declared: EndpointOffer = NOTHING_DECLARED
    version: str = "0.0.0"
    region: str = "local"
    is_degraded: bool = False
    gauge: int = 0
    """What the wire counts its good answers by; 0: nothing."""
    breaker: BreakerState = BreakerState.CLOSED
    """The worse of the instance's and the endpoint's own."""
    breakers: "tuple[Breaker, ...]" = ()
    """Those that are not closed."""
