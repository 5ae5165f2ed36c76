"""Deadline: until when the answer must be there (third stage)."""

from frames.wire_values import HEAD_HAS_REQUEST_TIMEOUT
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer


def set_deadline(exchange: Exchange) -> Answer | None:
    """Set the least of what the edge, the route and the client allow. The client may ask for less, never for more."""
    deadline_ms = exchange.route.deadline_ms or exchange.snapshot.limits.deadline_ms
    if exchange.flags & HEAD_HAS_REQUEST_TIMEOUT and exchange.requested_ms < deadline_ms:
        deadline_ms = exchange.requested_ms
    exchange.deadline_ms = deadline_ms
    return None
