"""The service's side of a streamed exchange: its frames, as the batch hands them over, become heads and a body.

Nothing waits here. What the service does wrong is told once, by ``on_fault``, and then nothing more is taken.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import trio

from frames.fields import find_field
from frames.fixed import decode_credit
from frames.frame import END, FieldId, FrameType
from frames.limits import BODY_LENGTH_DIGITS_MAX, FIELD_ENTRY_BYTES, RESPONSE_FIXED_BYTES
from frames.wire_values import HEAD_HTTP_1_0, HEAD_TAKES_TRAILERS, Event, Framing
from penstock.errors import StreamCause
from penstock.stream import Stream
from proxy.edge.faults import RESPONSE_FAULTS
from proxy.edge.task.framing import AnswerFraming, frame_answer
from proxy.edge.task.job import Job

INTERIM_MAX: Final = 16
"""Interim responses of one exchange (docs/protocol.md, section 7)."""
SWITCHING: Final = 101
UPGRADE_REQUIRED: Final = 426
NO_BODY: Final = AnswerFraming(Framing.NONE, has_body=False)


class AnsweringPort(Protocol):
    """What makes HTTP of frames; the wire is one."""

    def response_head(
        self, exchange: int, at: int, count: int, framing: Framing, length: int, upgrade: bytes, *, close: bool
    ) -> tuple[bytes, int] | int:
        """Return the head that a RESPONSE of this batch makes and where its body begins, or a negative number."""
        ...

    def trailers(self, at: int, count: int, /) -> bytes | int:
        """Return the trailer section that a TRAILERS frame of this batch makes, or a negative number."""
        ...


class Arena(Protocol):
    """The bytes that a step took in."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part out."""
        ...


class Head(NamedTuple):
    """A head as the client is to read it."""

    status: int
    text: bytes
    framing: AnswerFraming

    @property
    def is_final(self) -> bool:
        """Whether no other head follows."""
        return self.status >= 200 or self.status == SWITCHING


class Answering:
    """What a service answers, frame by frame."""

    def __init__(
        self,
        port: AnsweringPort,
        job: Job,
        stream: Stream,
        *,
        closes: Callable[[bool], bool],
        on_fault: Callable[[str], None],
    ) -> None:
        """closes: asked once, with what the answer's framing wants, whether the head says that the connection closes.

        on_fault: told in a few words what was wrong, for the log.
        """
        self._port = port
        self._job = job
        self._stream = stream
        self._closes = closes
        self._on_fault = on_fault
        self._heads: list[Head] = []
        self._interims = 0
        self._waiter: trio.lowlevel.Task | None = None
        self.has_final = False
        """The final RESPONSE has come."""
        self.trailers = b"\r\n"
        """The trailer section that ends a chunked body."""

    def take(self, event: Event, arena: Arena) -> None:
        """Take DATA, CREDIT, RESPONSE or TRAILERS of the exchange."""
        _, _, _, frame_type, flags, at, count, status, body_bytes, *_ = event
        if frame_type == FrameType.DATA:
            if self.has_final:
                self._stream.take_data(arena[at : at + count], flags)
            else:
                self._on_fault("DATA before its RESPONSE")
        elif frame_type == FrameType.CREDIT:
            self._stream.take_credit(decode_credit(arena[at : at + count]))
        elif frame_type == FrameType.RESPONSE:
            self._take_response(arena[at : at + count], status, body_bytes, flags, at)
        elif frame_type == FrameType.TRAILERS:
            self._take_trailers(at, count)
        elif frame_type == FrameType.REFUSED:
            self._on_fault("REFUSED after a RESPONSE")

    async def next_head(self) -> Head:
        """Wait for the next head. Cancelled, it has taken none."""
        while not self._heads:
            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
        return self._heads.pop(0)

    # ---- what the frames are made into ----

    def _take_response(self, payload: bytes, status: int, body_bytes: int, flags: int, at: int) -> None:
        if self.has_final:
            self._on_fault("a second final RESPONSE")
        elif status == SWITCHING:
            self._take_switching(payload, body_bytes, flags, at)
        elif status < 200:
            self._take_interim(payload, status, flags, at)
        else:
            self._take_final(payload, status, body_bytes, flags, at)

    def _take_interim(self, payload: bytes, status: int, flags: int, at: int) -> None:
        self._interims += 1
        text = self._make_head(payload, at, NO_BODY, close=False)
        if self._interims > INTERIM_MAX:
            self._on_fault(f"more than {INTERIM_MAX} interim responses")
        elif flags & END:
            self._on_fault("an interim RESPONSE with END")
        elif text is not None and not self._job.head.flags & HEAD_HTTP_1_0:  # which knows none (RFC 9110, section 15.2)
            self._put(Head(status, text, NO_BODY))

    def _take_switching(self, payload: bytes, body_bytes: int, flags: int, at: int) -> None:
        if not self._job.upgrade or flags & END or body_bytes:
            self._on_fault("101 that was not asked for, or with END or a body")
            return
        self.has_final = self._stream.is_upgraded = True
        framing = AnswerFraming(Framing.UPGRADE)
        text = self._make_head(payload, at, framing, close=False, upgrade=self._job.upgrade)
        if text is not None:
            self._put(Head(SWITCHING, text, framing))

    def _take_final(self, payload: bytes, status: int, body_bytes: int, flags: int, at: int) -> None:
        self.has_final = True
        is_whole, length = bool(flags & END), declared_length(payload)
        if length is not None and length < 0:
            self._on_fault("a body length that is no number")
            return
        is_http_1_0 = bool(self._job.head.flags & HEAD_HTTP_1_0)
        framing = frame_answer(status, self._job.method, body_bytes, length, is_whole=is_whole, is_http_1_0=is_http_1_0)
        if framing.framing is Framing.NONE and not framing.has_body and not is_whole and status in (204, 304):
            self._on_fault(f"more to come after a {status}")
            return
        asked_for = self._job.exchange.offer.upgrades if status == UPGRADE_REQUIRED else ()
        closes = self._closes(framing.closes)
        text = self._make_head(
            payload, at, framing, close=closes, upgrade=asked_for[0].encode("ascii") if asked_for else b""
        )
        if text is None:
            return
        if framing.has_body and length is not None:
            self._stream.declare_receive_length(length)
        body = payload[len(payload) - body_bytes :] if framing.has_body and body_bytes else b""
        self._stream.take_first(body, flags)
        self._put(Head(status, text, framing))

    def _take_trailers(self, at: int, count: int) -> None:
        section = self._port.trailers(at, count)
        if isinstance(section, int) or not self.has_final:
            self._on_fault("trailers that cannot be passed on")
            return
        if self._job.head.flags & HEAD_TAKES_TRAILERS:
            self.trailers = section
        self._stream.take_trailers([])

    def _make_head(
        self, payload: bytes, at: int, framing: AnswerFraming, *, close: bool, upgrade: bytes = b""
    ) -> bytes | None:
        made = self._port.response_head(
            self._job.id, at, len(payload), framing.framing, framing.length, upgrade, close=close
        )
        if isinstance(made, int):
            self._on_fault(RESPONSE_FAULTS.get(-made - 100, "a head that cannot be passed on"))
            return None
        return made[0]

    def _put(self, head: Head) -> None:
        self._heads.append(head)
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED


def declared_length(payload: bytes) -> int | None:
    """Return the body length that a RESPONSE declares; None where it says nothing, -1 where it is no number."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    value = find_field(payload, RESPONSE_FIXED_BYTES, count, text_at, FieldId.BODY_LENGTH)
    if value is None:
        return None
    return int(value) if len(value) <= BODY_LENGTH_DIGITS_MAX and value.isdigit() else -1


def fault_of(cause: StreamCause) -> str:
    """Return what a stream's cause says of the service, for the log."""
    return f"its body: {cause.value.replace('_', ' ')}"
