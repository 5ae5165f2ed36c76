"""Originated exchanges: requests that the gateway sends by itself, each whole, and their answers, each gathered whole.

Calls of services, copies of requests, and questions of the gateway's own go this way. Each has one outcome, told once:
the answer, or why there is none. Nothing here has a task of its own but the deadlines, which share one.

    send       the REQUEST goes out now, or it is said why not
    take       frames of its answer, from the batch; DATA is granted again as it comes, up to the bound of an answer
    done       called with the outcome, from the batch or at the deadline; not when whoever asked gives up
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple, NoReturn, Protocol

import msgspec
import trio

from frames.fixed import encode_credit
from frames.frame import CancelReason, FieldId, FrameType
from frames.wire_values import NO_IDENTITY, Event, EventKind, ForwardedFields, WireResult
from proxy.errors import (
    BODY_TOO_LARGE,
    DEADLINE,
    EXCHANGES_FULL,
    INTERNAL,
    NO_INSTANCE,
    SERVICE_CONGESTED,
    SERVICE_LOST,
    reason_of_refusal,
)
from proxy.request.gathered import BAD, Arena, Ended, Gathered, Outcome, Whole
from proxy.request.outcomes import OutcomeKind, Told, kind_of_status, nobody_is_told
from proxy.request.stage import Answer

Takers = dict[int, Callable[[Event], None]]
"""Who takes the events of an exchange that was begun here, by its id: the batch looks here first."""

_NOT_OPENED: Final = {
    WireResult.FULL: Answer(SERVICE_CONGESTED),
    WireResult.NO_CONNECTION: Answer(NO_INSTANCE),
    WireResult.NO_ROOM: Answer(BODY_TOO_LARGE, "With what the gateway adds to it, it does not fit into a frame."),
}
_LOST: Final = Ended(Answer(SERVICE_LOST))
_LATE: Final = Ended(Answer(DEADLINE), CancelReason.DEADLINE)


class OriginatedPort(Protocol):
    """What is asked of the wire."""

    @property
    def arena(self) -> Arena:
        """The bytes that a step took in."""
        ...

    def begin(self, method: int, /) -> int:
        """Begin an exchange; 0: no room."""
        ...

    def set_context(self, exchange: int, field: FieldId, value: bytes, /) -> int:
        """Set a context field."""
        ...

    def open(
        self,
        exchange: int,
        connection: int,
        route: int,
        endpoint: int,
        remaining_ms: int,
        target: bytes,
        fields: ForwardedFields,
        body: bytes,
        *,
        end: bool,
        gauge: int = 0,
        identity: Any,
    ) -> int:
        """Send it."""
        ...

    def cancel(self, exchange: int, reason: int, /) -> int:
        """Take it back."""
        ...

    def end(self, exchange: int, /) -> int:
        """End it."""
        ...

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes, /) -> int:
        """Write a frame."""
        ...

    def flush_soon(self) -> None:
        """Send what was written outside of a batch."""
        ...


class Budget(Protocol):
    """The memory for all bodies together."""

    def reserve(self, byte_count: int, /) -> bool:
        """Hold this many bytes, all or none."""
        ...

    def release(self, byte_count: int, /) -> None:
        """Let go of them."""
        ...


class Place(NamedTuple):
    """Where a request goes: an endpoint of one instance, and by which index the wire counts it."""

    connection: int
    endpoint: int
    route: int
    may_stream: bool = False
    """Whether its answer may come without END."""
    gauge: int = 0
    """The offer's: what its good answers are counted by, and its failures told of."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the gateway's own. context: fields 1 to 5; what is left out is made by the wire, at random."""

    method: int
    target: bytes
    deadline_ms: int
    fields: ForwardedFields = ForwardedFields(0, b"")
    body: bytes = b""
    context: tuple[tuple[FieldId, bytes], ...] = ()
    identity: Any = NO_IDENTITY


Done = Callable[[Outcome], None]


class _Asked(NamedTuple):
    """An exchange that is open."""

    connection: int
    gathered: Gathered
    done: Done
    gauge: int
    deadline_ms: int


def _kind_of(ended: Ended) -> OutcomeKind:
    """Return what has become of it, where no event of the wire has told already."""
    if isinstance(ended.outcome, Whole):
        return kind_of_status(ended.outcome.status)
    return OutcomeKind.EXPIRED if ended is _LATE else OutcomeKind.OTHER


class Originated:
    """The exchanges that the gateway has begun. ``run`` keeps their deadlines; the other methods never wait."""

    def __init__(
        self,
        wire: OriginatedPort,
        takers: Takers,
        budget: Budget,
        *,
        window_bytes: int,
        count_max: int,
        frame_bits: Callable[[int], int] = lambda connection: 0,
    ) -> None:
        """takers: where the batch finds who takes an event; window_bytes: what our WELCOME grants on a new stream.

        count_max: at once, so that they leave exchanges to clients; frame_bits: what is added to the ids of our
        exchanges in the frames of a connection (docs/protocol.md, section 2).
        """
        self._wire = wire
        self._takers = takers
        self._budget = budget
        self._window_bytes = window_bytes
        self._count_max = count_max
        self._frame_bits = frame_bits
        self.tell_failure: Told = nobody_is_told
        """Told by gauge, kind and microseconds of what fails; may be set at any time."""
        self._open: dict[int, _Asked] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._wakes_at = float("inf")
        self._earlier = trio.Event()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._open)

    def __repr__(self) -> str:
        """Count and bound on one line."""
        return f"<Originated {len(self._open)} of {self._count_max}>"

    # ---- from who asks ----

    def send(self, place: Place, outgoing: Outgoing, done: Done, *, keeps: bool = True) -> int | Answer:
        """Send a request. Returns the exchange's id; or an answer where it cannot be sent, and then done is not called.

        keeps: the answer's body is wanted. What was written goes out with the batch, or after `flush_soon`.
        """
        wire = self._wire
        exchange = wire.begin(outgoing.method) if len(self._open) < self._count_max else 0
        if not exchange:
            return Answer(EXCHANGES_FULL)
        for field, value in outgoing.context:
            wire.set_context(exchange, field, value)
        result = wire.open(
            exchange,
            place.connection,
            place.route,
            place.endpoint,
            outgoing.deadline_ms,
            outgoing.target,
            outgoing.fields,
            outgoing.body,
            end=True,
            gauge=place.gauge,
            identity=outgoing.identity,
        )
        if result:
            wire.end(exchange)
            return _NOT_OPENED.get(WireResult(result), Answer(INTERNAL))
        gathered = Gathered(
            outgoing.method, self._window_bytes, self._budget.reserve, may_stream=place.may_stream, keeps=keeps
        )
        self._open[exchange] = _Asked(place.connection, gathered, done, place.gauge, outgoing.deadline_ms)
        self._takers[exchange] = self._take
        self._watch(exchange, outgoing.deadline_ms)
        return exchange

    def give_up(self, exchange: int, reason: CancelReason) -> None:
        """Nobody wants the answer any more: the service is told. Unknown ids are ignored."""
        asked = self._forget(exchange)
        if asked is not None:
            self._wire.cancel(exchange, reason)
            self._wire.end(exchange)

    # ---- deadlines ----

    async def run(self) -> NoReturn:
        """End what has passed its deadline, until cancelled."""
        while True:
            self._earlier = trio.Event()
            self._wakes_at = self._next_deadline()
            with trio.move_on_at(self._wakes_at):
                await self._earlier.wait()
            self._expire(trio.current_time())

    def _watch(self, exchange: int, deadline_ms: int) -> None:
        if len(self._deadlines) > 2 * len(self._open) + 64:  # most are over long before their deadlines
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._open]
            heapify(self._deadlines)
        deadline = trio.current_time() + deadline_ms / 1000
        heappush(self._deadlines, (deadline, exchange))
        if deadline < self._wakes_at:
            self._earlier.set()

    def _next_deadline(self) -> float:
        deadlines = self._deadlines
        while deadlines and deadlines[0][1] not in self._open:
            heappop(deadlines)
        return deadlines[0][0] if deadlines else float("inf")

    def _expire(self, now: float) -> None:
        while self._next_deadline() <= now:
            self._end(self._deadlines[0][1], _LATE)
            self._wire.flush_soon()

    # ---- from the batch ----

    def _forget(self, exchange: int) -> _Asked | None:
        asked = self._open.pop(exchange, None)
        if asked is not None:
            del self._takers[exchange]
            self._budget.release(asked.gathered.held_bytes)
        return asked

    def _end(self, exchange: int, ended: Ended) -> None:
        asked = self._forget(exchange)
        if asked is None:
            return
        if ended.cancel is not None:
            self._wire.cancel(exchange, ended.cancel)
        self._wire.end(exchange)
        kind = _kind_of(ended)
        if kind is not OutcomeKind.OTHER:
            self.tell_failure(asked.gauge, kind, asked.deadline_ms * 1000)
        asked.done(ended.outcome)

    def _take(self, event: Event) -> None:
        """Take an event about an exchange that is open."""
        exchange, kind = event[0], event[2]
        if kind == EventKind.STREAM:
            self._take_frame(exchange, event)
        elif kind == EventKind.REFUSED:
            retry_after_ms = event[7]
            retry_after_s = -(-retry_after_ms // 1000) if retry_after_ms else None
            self._end(exchange, Ended(Answer(reason_of_refusal(event[3]), retry_after_s=retry_after_s)))
        else:
            self._end(exchange, _LOST if kind == EventKind.LOST else BAD)

    def _take_frame(self, exchange: int, event: Event) -> None:
        asked = self._open[exchange]
        ended = asked.gathered.take(event, self._wire.arena)
        if ended is not None:
            self._end(exchange, ended)
        elif asked.gathered.owed:
            self._grant(asked, exchange)

    def _grant(self, asked: _Asked, exchange: int) -> None:
        """Grant again what was read; what the wire cannot take now is granted with the next DATA."""
        connection, gathered = asked.connection, asked.gathered
        bits = self._frame_bits(connection)
        payload = encode_credit(gathered.owed)
        if self._wire.frame(connection, FrameType.CREDIT, 0, exchange | bits, payload) == WireResult.OK:
            gathered.granted()
