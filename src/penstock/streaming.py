"""Streaming calls: one whose body may still be on its way, and whose answer may be sent piece by piece.

The gateway keeps the time (docs/protocol.md, section 7.5): there is no deadline here, its CANCEL ends the handler.

When a handler fails before its answer was begun, it is answered as any other; after that, CANCEL `aborted` tells the
gateway that the body must not look whole. What is left of the request's body when the handler ends is dropped.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import trio

from frames.fields import Field, decode_fields, response_head
from frames.fixed import encode_cancel
from frames.frame import END, CancelReason, FieldId, FrameError, FrameType
from frames.limits import FIELD_ENTRY_BYTES, INTERIM_MAX, RESPONSE_FIXED_BYTES
from penstock.answer import Fields, header_fields
from penstock.body import RequestBody
from penstock.call import Call
from penstock.errors import AnswerError, StreamBroken, StreamCause, StreamMisuse
from penstock.handler import Endpoint
from penstock.lazy import lazy
from penstock.outbox import Outbox
from penstock.port import STREAM_WINDOW_BYTES, WireEvent, WirePort
from penstock.respond import StreamedResponse, answer_streaming
from penstock.rooms import Rooms
from penstock.stream import Stream
from penstock.turn import ANSWERED, log_failure

__all__ = ["StreamCall", "Streams", "run_streaming"]

RESPONSE = int(FrameType.RESPONSE)
CANCEL = int(FrameType.CANCEL)
FRAME_END = END << 16
ABORTED = encode_cancel(CancelReason.ABORTED)

_GONE = (StreamCause.CANCELLED, StreamCause.LOST)
_CONTINUE = 100
_SWITCHING = 101


class StreamCall(Call):
    """A call of a streaming endpoint."""

    def __init__(
        self,
        event: WireEvent,
        payload: bytes,
        endpoint: Endpoint,
        arrived: float,
        clock: Callable[[], float],
        outbox: Outbox,
        open_flow: Callable[[WireEvent], Stream] | None,
        forget: Callable[["StreamCall"], None],
    ) -> None:
        """open_flow: makes the stream; None when the gateway knows nothing of streams, and so the body is here.

        forget: called at the end.
        """
        super().__init__(event, payload, endpoint, arrived, clock)
        self._outbox = outbox
        self._open_flow = open_flow
        self._maybe_flow: Stream | None = None
        self._gone: StreamCause | None = None
        self._forget = forget
        self._interims = 0
        self.has_begun = False
        """The final answer's head was sent."""
        self._is_aborted = False
        self._go_away: Callable[[], Awaitable[None]] | None = None
        self._draining: trio.Nursery | None = None
        self.on_gone: Callable[[], None] | None = None
        """Called once nobody waits for the answer any more."""
        if not self.is_whole:
            self._start_flow()

    @property
    def flow(self) -> Stream:
        """Both bodies, under credit. Where both are whole it is never asked for, and never made."""
        return self._start_flow() if self._maybe_flow is None else self._maybe_flow

    def _start_flow(self) -> Stream:
        if self._open_flow is None:
            raise StreamMisuse(f"{self._where} cannot stream: the gateway does not; update it, or return whole answers")
        flow = self._maybe_flow = self._open_flow(self._event)
        if self.is_whole:
            flow.take_first(b"", END)
        else:
            if self.body_length is not None:
                flow.declare_receive_length(self.body_length)
            flow.take_first(super().body)
        if self.has_begun:
            flow.began(end=True)
        if self._gone is not None:
            flow.close(self._gone)
        return flow

    @property
    def is_gone(self) -> bool:
        """Nobody waits for the answer any more: the gateway has given the call up, or is gone itself."""
        return self._gone is not None

    @property
    def is_answered(self) -> bool:
        """The answer has ended, or is given up, or is a WebSocket, which ends itself."""
        flow = self._maybe_flow  # without one, it was answered whole
        return flow is None or flow.has_sent_end or flow.cause is not None or flow.is_upgraded

    @property
    def is_whole(self) -> bool:
        """The request came with its whole body."""
        return bool(self._event[4] & FRAME_END)

    @property
    def upgrade(self) -> str | None:
        """The protocol that the client wants to go on with on this exchange."""
        return self._context(FieldId.UPGRADE)

    @property
    def body_length(self) -> int | None:
        """How many bytes the request's body has, if the client said so before it sent them."""
        length = self._context(FieldId.BODY_LENGTH)
        return int(length) if length is not None and length.isdecimal() else None

    @property
    def body(self) -> bytes:
        """The body, if it came with the request. Raises `StreamMisuse` while it is still on its way."""
        if not self.is_whole:
            raise StreamMisuse("the body is still on its way; read it with call.stream()")
        return super().body

    @lazy
    def _request_body(self) -> RequestBody:
        if self.is_whole:
            return RequestBody.whole(super().body)
        expects = self.headers.get("expect", "").lower() == "100-continue"
        return RequestBody(self.flow, self.body_length, self._invite if expects else None)

    def respond(self, status: int = 200, headers: Fields = (), *, length: int | None = None) -> StreamedResponse:
        """Begin an answer that is sent piece by piece."""
        return StreamedResponse(self, status, headers, length)

    async def interim(self, status: int, headers: Fields = ()) -> None:
        """Send an interim answer."""
        if not _CONTINUE <= status <= 199 or status == _SWITCHING:
            raise AnswerError(f"the interim status is {status!r}; it must be from 100 to 199, and not 101")
        if self.has_begun:
            raise StreamMisuse("the answer was begun already; an interim answer comes before it")
        if self._interims >= INTERIM_MAX:
            raise StreamMisuse(f"{INTERIM_MAX} interim answers were sent already")
        await self.flow.open(RESPONSE, _head(status, header_fields(headers)))
        self._interims += 1

    async def begin(self, status: int, fields: list[Field], *, length: int | None = None, end: bool = False) -> None:
        """Send the head of the final answer; 101 is one when the exchange goes on with another protocol."""
        if length is not None:
            fields = [(FieldId.BODY_LENGTH, b"", b"%d" % length), *fields]
        await self._begin(_head(status, fields), length, end)

    async def begin_again(self, head: bytes, length: int, *, end: bool) -> None:
        """The same with a head that was made already, to which the length is added."""
        count = int.from_bytes(head[2:4])
        fields = decode_fields(head, RESPONSE_FIXED_BYTES, count, RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count)
        await self.begin(int.from_bytes(head[:2]), fields, length=length, end=end)

    async def begin_with(self, head: bytes, *, end: bool = False) -> None:
        """The same with a head that was made already, and a body of a length that nobody knows yet."""
        await self._begin(head, None, end)

    def answer(self, payload: bytes) -> None:
        """Send a whole answer."""
        self.has_begun = True
        if self._gone is not None:
            return
        if self._maybe_flow is not None:
            self._maybe_flow.began(end=True)
        self._outbox.answer(self, payload)
        self._outbox.flush_soon()

    def when_draining(self, go_away: Callable[[], Awaitable[None]]) -> None:
        """Have this called when the service drains, or now if it does."""
        self._go_away = go_away
        if self._draining is not None:
            self._draining.start_soon(go_away)

    @property
    def is_draining(self) -> bool:
        """Whether the service drains, or the gateway's process is about to go that waits for the answer."""
        return self._draining is not None

    def part(self, spread_s: float, nursery: trio.Nursery) -> None:
        """The gateway's process is about to go: as if the service drained, at a moment within the next seconds."""

        async def drain_later() -> None:
            await trio.sleep(random.uniform(0, spread_s))  # noqa: S311 - clients come back, but not all at once
            if self._draining is None and self._gone is None:
                self.drain(nursery)

        nursery.start_soon(drain_later)

    def drain(self, nursery: trio.Nursery) -> None:
        """The service drains."""
        self._draining = nursery
        if self._go_away is not None:
            nursery.start_soon(self._go_away)

    def gone(self, cause: StreamCause) -> None:
        """The gateway has given the call up, or is lost."""
        if self._gone is None:
            self._gone = cause
            if self._maybe_flow is not None:
                self._maybe_flow.close(cause)
            if self.on_gone is not None:
                self.on_gone()

    def end(self) -> None:
        """The handler has ended: what is left of the request's body is not wanted."""
        if self._maybe_flow is not None:
            self._maybe_flow.stop_receiving()
        self._forget(self)

    def abort(self) -> None:
        """Give up an answer that was begun and has not ended; the caller must not take it for whole."""
        flow = self._maybe_flow
        if flow is None or not self.has_begun or self._is_aborted or flow.has_sent_end or flow.cause in _GONE:
            return
        self._is_aborted = True
        flow.close(StreamCause.GIVEN_UP)
        self._outbox.write(self._event[1], CANCEL, 0, self._event[0], ABORTED)
        self._outbox.flush_soon()

    async def _begin(self, head: bytes, length: int | None, end: bool) -> None:
        if self.has_begun:
            raise StreamMisuse("the request was answered already")
        flow = self.flow
        if length is not None and not end:
            flow.declare_send_length(length)
        await flow.open(RESPONSE, head, end=end)
        self.has_begun = True

    async def _invite(self) -> None:
        """The client waits for a word before it sends the body."""
        if not self.has_begun and not self.flow.received_bytes and not self.flow.has_received_end:
            await self.interim(_CONTINUE)


def _head(status: int, fields: list[Field]) -> bytes:
    try:
        return response_head(status, fields)
    except FrameError as error:
        raise AnswerError(f"headers: {error}") from error


class Streams:
    """The streaming calls of one process."""

    def __init__(self, wire: WirePort, outbox: Outbox, rooms: Rooms, credit_of: Callable[[int], int | None]) -> None:
        """credit_of: by connection, what its gateway grants for a new stream; None when it knows nothing of streams."""
        self._wire = wire
        self._outbox = outbox
        self._rooms = rooms
        self._credit_of = credit_of
        self._calls: dict[tuple[int, int], StreamCall] = {}
        self._parting: dict[int, tuple[float, trio.Nursery]] = {}
        self.has_news = False
        """Frames came for a call since this was last set to False: its task will run."""

    @property
    def open_calls(self) -> Mapping[tuple[int, int], StreamCall]:
        """The calls that were taken and have not ended, by connection and exchange."""
        return self._calls

    def open(
        self, event: WireEvent, payload: bytes, endpoint: Endpoint, now: float, clock: Callable[[], float]
    ) -> StreamCall | None:
        """Make the call of a REQUEST. None: its body is to come as a stream, and no streams were agreed upon."""
        credit = self._credit_of(event[1])
        if credit is None and not event[4] & FRAME_END:
            return None
        open_flow = None if credit is None else partial(self._open_flow, credit)
        return StreamCall(event, payload, endpoint, now, clock, self._outbox, open_flow, self.forget)

    def _open_flow(self, credit: int, event: WireEvent) -> Stream:
        return Stream(
            self._wire, self._rooms, event[1], event[0], send_credit=credit, receive_window=STREAM_WINDOW_BYTES
        )

    def add(self, call: StreamCall) -> None:
        """From now on, frames find the call."""
        self._calls[call.key] = call
        parting = self._parting.get(call.key[0])
        if parting is not None:
            call.part(*parting)

    def take(self, connection: int, exchange: int, frame_type: int, flags: int, payload: bytes) -> None:
        """Take a frame of an exchange that a gateway opened. For one that has ended, it is dropped."""
        call = self._calls.get((connection, exchange))
        if call is not None:
            call.flow.take_frame(frame_type, flags, payload)
            self.has_news = True

    def cancel(self, connection: int, exchange: int) -> None:
        """The gateway has given a call up."""
        self._end(connection, exchange, StreamCause.CANCELLED)

    def cancel_connection(self, connection: int) -> None:
        """A connection is lost, and with it its calls."""
        for key in [key for key in self._calls if key[0] == connection]:
            self._end(*key, StreamCause.LOST)
        self._rooms.drop(connection)
        self._parting.pop(connection, None)

    def part(self, connection: int, spread_s: float, nursery: trio.Nursery) -> None:
        """Tell the calls of one connection, those to come too, that it is about to go: each within spread_s seconds."""
        self._parting[connection] = (spread_s, nursery)
        for key, call in self._calls.items():
            if key[0] == connection:
                call.part(spread_s, nursery)

    def drain(self, nursery: trio.Nursery) -> None:
        """Tell the calls that want to know it that the service drains."""
        for call in self._calls.values():
            call.drain(nursery)

    def forget(self, call: StreamCall) -> None:
        """The call has ended: what still comes for it is dropped."""
        if self._calls.get(call.key) is call:
            del self._calls[call.key]

    def _end(self, connection: int, exchange: int, cause: StreamCause) -> None:
        call = self._calls.pop((connection, exchange), None)
        if call is not None:
            call.gone(cause)


async def run_streaming(invoke: Callable[[Call], Any], call: StreamCall) -> object:
    """Run a streaming endpoint's handler and send its answer; return `ANSWERED`.

    What the handler raises before its answer was begun goes on to the caller, who answers it.
    """
    try:
        value = invoke(call)
        if not hasattr(value, "__aiter__"):  # else it is an async generator
            value = await value
        await answer_streaming(call, value)
    except Exception as error:
        if not _fails(call, error):
            raise
    finally:
        call.abort()  # unless its answer has ended
        call.end()
    return ANSWERED


def _fails(call: StreamCall, error: Exception) -> bool:
    """Deal with what a handler raised: True when nothing is left to be sent."""
    if isinstance(error, StreamBroken) and error.cause in _GONE:
        return True  # nobody is there to be told
    if call.has_begun:
        log_failure(call, "handler failed after its answer was begun, which is cut off", error)
        call.abort()
    return call.has_begun
