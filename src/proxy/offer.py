"""The offer: an endpoint of one instance, as a request can be sent to it. Match finds it, pick chooses, send uses."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from frames.greeting import EndpointOffer
    from proxy.targets.instance import Instance


class Offer(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Compared by identity. slot: the connection's, for the wire's arrays; deadline_ms: the endpoint's own, if any."""

    slot: int
    connection: int
    endpoint_id: int
    deadline_ms: int | None
    idempotent: bool
    streams: bool
    upgrades: tuple[str, ...] = ()
    instance: "Instance"
    version: str = ""
    """Of its instance, as that said it in HELLO."""
    region: str = ""
    """That its instance is in."""
    is_degraded: bool = False
    """Whether its instance is: it gets requests only where no healthy one is as near."""
    declared: "EndpointOffer | None" = None
    """What HELLO says of the endpoint."""
