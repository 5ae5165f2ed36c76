"""Calls of other services over the connections to the gateways: one REQUEST and one RESPONSE each.

A call goes over the connection that brought the call for which it is made, or else over the one of those that pass
calls on over which the fewest are under way: a gateway may have several workers. One that is refused was not started,
so it goes over the next. It is cancelled when its deadline passes, and when whoever waits for it is.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import trio

from frames.fields import decode_fields, encode_block
from frames.frame import END, CancelReason, FieldId, FrameType, RefusedReason
from frames.limits import FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from frames.wire_values import EventKind, ForwardedFields
from penstock.asking import Question, Reply
from penstock.call import Call
from penstock.errors import CallDeadline, CallError, CallLost, CallRefused, CallUnreachable
from penstock.fields import Headers
from penstock.port import Arena, WireEvent
from penstock.rooms import Rooms

__all__ = ["ASKS_MAX", "AskPort", "AskedLink", "Asks"]

ASKS_MAX = 1_024
"""Calls of other services under way at once in one process: four for each handler that may run at once by default."""

RESPONSE = int(FrameType.RESPONSE)
STREAM = int(EventKind.STREAM)
REFUSED = int(EventKind.REFUSED)


class AskPort(Protocol):
    """What is needed of the wire; `frames.wire.Wire` has it."""

    @property
    def arena(self) -> Arena:
        """What came in with this batch."""
        ...

    def begin(self, method: int, /) -> int:
        """Begin an exchange; 0 where there is no room."""
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
        body: bytes = b"",
        *,
        end: bool,
    ) -> int:
        """Send it; 0, or a negative `frames.wire.WireResult`."""
        ...

    def cancel(self, exchange: int, reason: int, /) -> int:
        """Take it back."""
        ...

    def end(self, exchange: int, /) -> int:
        """End it."""
        ...

    def flush_soon(self) -> None:
        """Send what was written within this pass of the scheduler."""
        ...


class AskedLink(Protocol):
    """The connection to a gateway."""

    @property
    def may_ask(self) -> bool:
        """Whether it passes calls on, and is not going away."""
        ...


class _Refusal(msgspec.Struct, frozen=True):
    """It was not started."""

    reason: str


class _Waiting:
    """One who waits for a reply."""

    __slots__ = ("connection", "event", "outcome", "question")

    def __init__(self, question: Question, connection: int) -> None:
        self.question = question
        self.connection = connection
        self.event = trio.Event()
        self.outcome: Reply | _Refusal | CallError | None = None

    def settle(self, outcome: Reply | _Refusal | CallError) -> None:
        self.outcome = outcome
        self.event.set()


class Asks:
    """The calls of other services that are under way."""

    def __init__(
        self, wire: AskPort, rooms: Rooms, links: Mapping[int, AskedLink], is_running: Callable[[Call], bool]
    ) -> None:
        """links: by connection, the oldest first; is_running: whether a call is still being handled."""
        self._wire = wire
        self._rooms = rooms
        self._links = links
        self.is_running = is_running
        self._waiting: dict[int, _Waiting] = {}
        self._under_way: dict[int, int] = {}
        """How many wait, by connection."""

    async def ask(self, question: Question) -> Reply:
        """Send a question and return the reply. Raises a `CallError`."""
        tried: set[int] = set()
        why = "no gateway is connected that passes calls on"
        while (connection := self._choose(question.prefers, tried)) is not None:
            tried.add(connection)
            outcome = await self._ask_over(connection, question)
            if isinstance(outcome, Reply):
                return outcome
            why = outcome.reason
        if tried:
            raise CallRefused(f"{question}: it was not started: {why}")
        raise CallUnreachable(f"{question}: {why}; does the gateway know of calls, and is it there?")

    def take(self, event: WireEvent) -> None:
        """Take an event of the wire about an exchange that was begun here."""
        waiting = self._waiting.get(event[0])
        if waiting is None:
            return  # whoever waited has gone
        if event[2] == STREAM:
            self._take_frame(waiting, event)
        elif event[2] == REFUSED:
            waiting.settle(_Refusal(_refusal(event[3])))
        else:
            waiting.settle(self._lost(waiting, "the connection to the gateway was lost"))

    def waits_over(self, connection: int) -> bool:
        """Whether a call waits for its answer over a connection."""
        return any(waiting.connection == connection for waiting in self._waiting.values())

    def drop(self, connection: int) -> None:
        """A connection is gone."""
        for waiting in self._waiting.values():
            if waiting.connection == connection and waiting.outcome is None:
                waiting.settle(self._lost(waiting, "the connection to the gateway was lost"))

    def _choose(self, prefers: int | None, tried: set[int]) -> int | None:
        """Return the connection that is preferred, or else the one over which the fewest are under way."""
        usable = [connection for connection, link in self._links.items() if link.may_ask and connection not in tried]
        if prefers in usable or len(usable) < 2:
            return prefers if prefers in usable else next(iter(usable), None)
        return min(usable, key=lambda connection: self._under_way.get(connection, 0))

    def _end(self, exchange: int) -> None:
        connection = self._waiting.pop(exchange).connection
        self._under_way[connection] -= 1
        if not self._under_way[connection]:
            del self._under_way[connection]

    async def _ask_over(self, connection: int, question: Question) -> Reply | _Refusal:
        exchange = self._wire.begin(question.method) if len(self._waiting) < ASKS_MAX else 0
        if not exchange:
            raise CallRefused(f"{question}: {ASKS_MAX:,} calls of other services are under way already")
        waiting = self._waiting[exchange] = _Waiting(question, connection)
        self._under_way[connection] = self._under_way.get(connection, 0) + 1
        cancelled_by = CancelReason.CLIENT_GONE
        try:
            with trio.move_on_at(question.deadline):
                if await self._send(exchange, waiting):
                    await waiting.event.wait()
            if waiting.outcome is None:
                cancelled_by = CancelReason.DEADLINE
                raise CallDeadline(f"{question}: there was no answer before the deadline")
            if isinstance(waiting.outcome, CallError):
                raise waiting.outcome
            return waiting.outcome
        finally:
            self._end(exchange)
            if waiting.outcome is None:
                self._wire.cancel(exchange, cancelled_by)
                self._wire.flush_soon()
            self._wire.end(exchange)

    async def _send(self, exchange: int, waiting: _Waiting) -> bool:
        """Write the REQUEST when there is room for it. False: it cannot be written; then its outcome is known."""
        question, connection = waiting.question, waiting.connection
        if not self._rooms.has_room(connection):
            await self._rooms.wait(connection)
        for field, value in question.context:
            self._wire.set_context(exchange, field, value)
        table, text = encode_block(question.fields)
        forwarded = ForwardedFields(len(question.fields), table + text)
        result = self._wire.open(
            exchange, connection, 0, 0, question.remaining_ms, question.target, forwarded, question.body, end=True
        )
        self._rooms.pass_on(connection)
        if result:
            waiting.settle(_Refusal("the gateway's connection took nothing more"))
            return False
        self._wire.flush_soon()
        return True

    def _take_frame(self, waiting: _Waiting, event: WireEvent) -> None:
        is_response = event[3] == RESPONSE
        if is_response and event[7] < 200:
            return  # interim: nobody here has use for it
        if is_response and event[4] & END:
            at = event[5]
            waiting.settle(_reply(self._wire.arena[at : at + event[6]], event[7], event[8], waiting))
            return
        if is_response:
            self._wire.cancel(event[0], CancelReason.BAD_RESPONSE)
        waiting.settle(self._lost(waiting, "its answer was given up"))

    def _lost(self, waiting: _Waiting, why: str) -> CallLost:
        return CallLost(f"{waiting.question}: {why}; it is not known whether it was carried out")


def _reply(payload: bytes, status: int, body_bytes: int, waiting: _Waiting) -> Reply:
    count = int.from_bytes(payload[2:4])
    fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count)
    headers = Headers((name, value) for field, name, value in fields if field == FieldId.NAMED)
    return Reply(status, headers, payload[-body_bytes:] if body_bytes else b"", str(waiting.question))


def _refusal(reason: int) -> str:
    try:
        return f"the gateway refused it ({RefusedReason(reason).name.lower()})"
    except ValueError:
        return "the gateway refused it"
