"""The batch: gives each event and each request of a step to whom it is for.

Events come first: one may say that an instance is lost, which a request of the same batch should know.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from frames.wire import Decide, Event, EventKind, Request
from penstock.telemetry.occasional import Occasional
from proxy.edge.express import ExpressLane

_log = logging.getLogger("penstock.gateway")

_OF_EXCHANGES = frozenset(
    (
        EventKind.BAD_REQUEST,
        EventKind.CLIENT_GONE,
        EventKind.EXPIRED,
        EventKind.LOST,
        EventKind.REFUSED,
        EventKind.BAD_RESPONSE,
    )
)
"""Events about an exchange of ours; in the others, the number is the peer's."""


class Transport(Protocol):
    """Who takes what comes from services and is no answer."""

    def opened(self, connection: int, /) -> None:
        """Take in that a service has connected."""
        ...

    def closed(self, connection: int, cause: int, frame_error: int, /) -> None:
        """Take in that its connection is gone."""
        ...

    def frame(self, connection: int, exchange: int, frame_type: int, flags: int, payload: bytes, /) -> None:
        """Take in a frame."""
        ...

    def call(self, connection: int, exchange: int, flags: int, /) -> None:
        """Take in a request."""
        ...


class Arena(Protocol):
    """The bytes that a step took in."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part out."""
        ...


def make_decide(
    lane: ExpressLane, transport: Transport, arena: Arena, requests: Callable[[], Iterator[Request]]
) -> Decide:
    """Return what the wire calls once per batch."""
    begin, handlers, failures = lane.begin, _handlers(lane, transport, arena), Occasional()

    def decide(events: Iterator[Event]) -> None:
        for event in events:
            try:
                handlers[event[2]](event)
            except Exception:
                # One event's trouble must not end the traffic of all, nor leave its client waiting: an exchange that
                # had an event may have no deadline any more.
                held_back = failures.held_back(event[2])
                if held_back is not None:
                    _log.exception("an event could not be handled: %r (%d more)", event, held_back)
                if event[2] in _OF_EXCHANGES:
                    lane.give_up(event[0])
        for exchange, at, count, method, flags in requests():
            begin(exchange, method, flags, arena[at : at + count])

    return decide


def _handlers(lane: ExpressLane, transport: Transport, arena: Arena) -> dict[int, Callable[[Event], None]]:
    def frame(event: Event) -> None:
        exchange, connection, _, frame_type, flags, at, count, *_ = event
        transport.frame(connection, exchange, frame_type, flags, arena[at : at + count])

    return {
        EventKind.BAD_REQUEST: lambda event: lane.refuse(event[0], event[3]),
        EventKind.CLIENT_GONE: lambda event: lane.client_gone(event[0]),
        EventKind.EXPIRED: lambda event: lane.expired(event[0]),
        EventKind.LOST: lambda event: lane.lost(event[0]),
        EventKind.REFUSED: lambda event: lane.refused(event[0], event[3], event[7]),
        EventKind.BAD_RESPONSE: lambda event: lane.bad_response(event[0], event[3], event[1]),
        EventKind.FRAMED_OPENED: lambda event: transport.opened(event[1]),
        EventKind.FRAMED_CLOSED: lambda event: transport.closed(event[1], event[3], event[4]),
        EventKind.FRAME: frame,
        EventKind.CALL: lambda event: transport.call(event[1], event[0], event[4] >> 16),
    }
