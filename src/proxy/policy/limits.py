"""Limits: how long a body may be, and how much of all bodies may be held at once.

A body whose length was said is refused before any of it is read. One that comes in chunks is counted as it comes, by
whoever carries it, against the same two bounds.
"""

from typing import TYPE_CHECKING, Protocol

from frames.wire_values import HEAD_ODD, RequestHead
from proxy.errors import BODY_TOO_LARGE, INTERNAL
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Stage, for_odd_heads, for_routes


def make_check_limits(call_bytes: int, buffered_bytes: int) -> Stage:
    """Return the stage. call_bytes: for an endpoint that streams; buffered_bytes: for one that does not.

    It comes before anybody was picked, so it asks whether anybody who offers the route streams. Who carries the body
    counts it against the bound of who was picked.
    """

    @for_odd_heads
    def check_limits(exchange: Exchange) -> Answer | None:
        if not exchange.flags & HEAD_ODD:
            return None  # carried in the batch: its body is there, and shorter than both bounds
        length, route = exchange.content_length, exchange.route
        stated = route.policy.body_bytes
        if stated is None and length <= buffered_bytes and length <= call_bytes:
            return None
        most = call_bytes if route.streams else buffered_bytes
        return _judge(length, most if stated is None else min(most, stated))

    return check_limits


if TYPE_CHECKING:

    class HeadPort(Protocol):
        """What is asked of the wire."""

        def request_head(self, exchange: int, /) -> RequestHead | None:
            """Return what was read of a head."""
            ...


def make_check_body(port: "HeadPort") -> Stage:
    """Return the stage that holds a body which has come with its request to what its route says."""

    @for_routes(lambda route: route.policy.body_bytes is not None)
    def check_body(exchange: Exchange) -> Answer | None:
        if exchange.flags & HEAD_ODD:
            return None  # check_limits has
        head, most = port.request_head(exchange.id), exchange.route.policy.body_bytes
        if head is None:
            return Answer(INTERNAL)
        return None if most is None else _judge(head.content_length, most)

    return check_body


def _judge(length: int, most: int) -> Answer | None:
    return Answer(BODY_TOO_LARGE, f"At most {most} bytes are taken here.") if length > most else None


class BytesInFlight:
    """The memory for all bodies together. Nobody waits for it: what does not fit is refused, or not read yet."""

    __slots__ = ("bytes_max", "held", "peak", "refused")

    def __init__(self, bytes_max: int) -> None:
        """Begin with nothing held."""
        self.bytes_max = bytes_max
        self.held = 0
        self.peak = 0
        """The most that was held at once."""
        self.refused = 0
        """How often something did not fit."""

    def reserve(self, byte_count: int) -> bool:
        """Hold this many bytes, all or none of them. What is held must be released, once."""
        if byte_count < 0:
            raise ValueError(f"cannot hold {byte_count} bytes")
        held = self.held + byte_count
        if held > self.bytes_max:
            self.refused += 1
            return False
        self.held = held
        self.peak = max(self.peak, held)
        return True

    def release(self, byte_count: int) -> None:
        """Let go of bytes that are held. More than are held is a fault of the caller's: ValueError."""
        if not 0 <= byte_count <= self.held:
            raise ValueError(f"cannot release {byte_count} bytes of {self.held}")
        self.held -= byte_count

    def __repr__(self) -> str:
        """All of it on one line."""
        return f"<BytesInFlight {self.held} of {self.bytes_max}, peak {self.peak}, refused {self.refused}>"
