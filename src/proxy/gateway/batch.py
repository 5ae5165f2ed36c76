"""The batch: gives each event and each request of a step to whom it is for, as long as the wire runs.

Events come first: one may say that an instance is lost, which a request of the same batch should know.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import trio

from frames.wire import Wire
from frames.wire_values import Decide, Event, EventKind, Request
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
        EventKind.ANSWERED,
    )
)
"""Events about an exchange of ours; in the others, the number is the peer's."""


if TYPE_CHECKING:

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

        def call(self, connection: int, exchange: int, flags: int, payload: bytes, /) -> None:
            """Take in a request."""
            ...

    class Waiting(Protocol):
        """Who carries what a task must carry: `proxy.edge.task.lane.TaskLane`."""

        def stream(self, event: Event, /) -> None:
            """Take a frame of an exchange that streams."""
            ...

        def lost(self, exchange: int, /) -> bool:
            """Take in that its service is lost, if it is carried here."""
            ...

        def refused(self, exchange: int, reason: int, retry_after_ms: int, /) -> bool:
            """Take in that its service refused it, if it is carried here."""
            ...

        def room(self, connection: int, /) -> None:
            """Take in that a framed connection has room again."""
            ...

        def dropped(self, connection: int, /) -> None:
            """Take in that a framed connection is gone."""
            ...

    class Tls(Protocol):
        """Who decrypts what comes by TLS: `proxy.edge.tls.batch.TlsEdge`."""

        def received(self, event: Event, /) -> None:
            """Take in ciphertext. The requests that it makes are then the batch's."""
            ...

        def closed(self, event: Event, /) -> None:
            """Take in that a connection is gone."""
            ...

    class Own(Protocol):
        """Who asks services for the gateway itself: `proxy.gateway.own_requests.OwnRequests`."""

        @property
        def takers(self) -> Mapping[int, Callable[[Event], None]]:
            """Who takes the events of an exchange that the gateway has begun, or parked (`proxy.request.parked`)."""
            ...

        def room(self, connection: int, /) -> None:
            """Take in that a framed connection has room again."""
            ...

    class Watching(Protocol):
        """Who wants to know what fails: `proxy.gateway.breaking.Breaking`."""

        def watching(self, handlers: Mapping[int, Callable[[Event], None]], /) -> Mapping[int, Callable[[Event], None]]:
            """Return handlers that tell first, and then do what these do."""
            ...

    class Arena(Protocol):
        """The bytes that a step took in."""

        def __getitem__(self, part: slice, /) -> bytes:
            """Copy a part out."""
            ...


def make_decide(
    lane: ExpressLane,
    waiting: "Waiting",
    transport: "Transport",
    arena: "Arena",
    requests: Callable[[], Iterator[Request]],
    own: "Own",
    tls: "Tls | None" = None,
    breaking: "Watching | None" = None,
) -> Decide:
    """Return what the wire calls once per batch."""
    begin, handlers, failures = lane.begin, _handlers(lane, waiting, transport, arena, own), Occasional()
    if tls is not None:
        handlers |= {EventKind.TLS_INPUT: tls.received, EventKind.TLS_CLOSED: tls.closed}
    if breaking is not None:
        handlers |= breaking.watching(handlers)
    # Whoever takes a refused head on, to repair it, takes its connection over: by then it must hold all that has come.
    refused: list[Event] = []
    last: dict[int, Callable[[Event], None]] = {EventKind.BAD_REQUEST: handlers[EventKind.BAD_REQUEST]}
    handlers[EventKind.BAD_REQUEST] = refused.append

    def handle(events: Iterable[Event], handlers: dict[int, Callable[[Event], None]]) -> None:
        for event in events:
            try:
                handlers[event[2]](event)
            except Exception:
                # One event's trouble must not end the traffic of all, nor leave its client waiting: an exchange that
                # had an event may have no deadline any more.
                held_back, is_of_exchange = failures.held_back(event[2]), event[2] in _OF_EXCHANGES
                if held_back is not None:
                    extra = lane.ids(event[0]) if is_of_exchange else None
                    _log.exception("an event could not be handled: %r (%d more)", event, held_back, extra=extra)
                if is_of_exchange:
                    lane.give_up(event[0])

    def decide(events: Iterator[Event]) -> None:
        handle(events, handlers)
        if refused:
            handle(refused, last)
            refused.clear()
        for exchange, at, count, method, flags in requests():
            begin(exchange, method, flags, arena[at : at + count])

    return decide


@asynccontextmanager
async def wire_running(wire: Wire, decide: Decide) -> AsyncIterator[None]:
    """Keep the wire running until all that is within has ended: it owns the sockets that tasks read and write."""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope(shield=True)

        async def run() -> None:
            with scope:
                await wire.run(decide)

        nursery.start_soon(run)
        try:
            yield
        finally:
            scope.cancel()


def _handlers(
    lane: ExpressLane, waiting: "Waiting", transport: "Transport", arena: "Arena", own: "Own"
) -> dict[int, Callable[[Event], None]]:
    takers = own.takers

    def lost(event: Event) -> None:
        take = takers.get(event[0])
        if take is not None:
            take(event)
        elif not waiting.lost(event[0]):
            lane.lost(event)

    def refused(event: Event) -> None:
        take = takers.get(event[0])
        if take is not None:
            take(event)
        elif not waiting.refused(event[0], event[3], event[7]):
            lane.refused(event)

    def client_gone(event: Event) -> None:
        take = takers.get(event[0])
        if take is not None:
            take(event)
        else:
            lane.client_gone(event[0])

    def expired(event: Event) -> None:
        take = takers.get(event[0])
        if take is not None:
            take(event)
        else:
            lane.expired(event)

    def answered(event: Event) -> None:
        take = takers.get(event[0])
        if take is not None:
            take(event)
        else:
            lane.answered(event)

    def stream(event: Event) -> None:
        (takers.get(event[0]) or waiting.stream)(event)

    def room(event: Event) -> None:
        waiting.room(event[1])
        own.room(event[1])

    def call(event: Event) -> None:
        exchange, connection, _, _, flags, at, count, *_ = event
        transport.call(connection, exchange, flags >> 16, arena[at : at + count])

    def closed(event: Event) -> None:
        waiting.dropped(event[1])
        transport.closed(event[1], event[3], event[4])

    def frame(event: Event) -> None:
        exchange, connection, _, frame_type, flags, at, count, *_ = event
        transport.frame(connection, exchange, frame_type, flags, arena[at : at + count])

    return {
        EventKind.BAD_REQUEST: lambda event: lane.refuse(event[0], event[3]),
        EventKind.CLIENT_GONE: client_gone,
        EventKind.EXPIRED: expired,
        EventKind.LOST: lost,
        EventKind.REFUSED: refused,
        EventKind.BAD_RESPONSE: lane.bad_response,
        EventKind.FRAMED_OPENED: lambda event: transport.opened(event[1]),
        EventKind.FRAMED_CLOSED: closed,
        EventKind.FRAMED_ROOM: room,
        EventKind.STREAM: stream,
        EventKind.ANSWERED: answered,
        EventKind.FRAME: frame,
        EventKind.CALL: call,
    }
