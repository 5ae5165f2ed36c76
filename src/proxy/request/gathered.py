"""Gathered: the frames of an answer, one after the other, become one answer or the reason why it is none.

For exchanges that the gateway began itself, whose answers are wanted whole, or not at all. Nothing here waits or sends:
each frame has a verdict, and whoever owns the exchange acts by it.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from frames.fields import find_field
from frames.frame import END, CancelReason, FieldId, FrameType, Method
from frames.limits import (
    BODY_LENGTH_DIGITS_MAX,
    FIELD_ENTRY_BYTES,
    INTERIM_MAX,
    PAYLOAD_BYTES_MAX,
    RESPONSE_FIXED_BYTES,
)
from frames.wire_values import Event
from penstock.window import Window
from proxy.errors import BAD_RESPONSE, BYTES_IN_FLIGHT_FULL, SERVICE_LOST
from proxy.request.stage import Answer


class Whole(NamedTuple):
    """An answer. payload: of one RESPONSE with END; its last body_bytes are the body."""

    status: int
    payload: bytes
    body_bytes: int

    @property
    def body(self) -> bytes:
        """The body alone."""
        return self.payload[len(self.payload) - self.body_bytes :]


Outcome = Whole | Answer


class Ended(NamedTuple):
    """The exchange is over. cancel: its service is to be told so, since it may still work on it."""

    outcome: Outcome
    cancel: CancelReason | None = None


class Arena(Protocol):
    """The bytes that a step took in."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part out."""
        ...


BAD: Final = Ended(Answer(BAD_RESPONSE), CancelReason.BAD_RESPONSE)
_ABORTED: Final = Ended(Answer(SERVICE_LOST))
_TOO_LONG: Final = Ended(
    Answer(BAD_RESPONSE, "The answer is longer than a frame can carry."), CancelReason.PAYLOAD_TOO_LARGE
)
_NO_MEMORY: Final = Ended(Answer(BYTES_IN_FLIGHT_FULL), CancelReason.PAYLOAD_TOO_LARGE)
_UNKNOWN: Final = -1


class Gathered:
    """What has come of one answer."""

    __slots__ = (
        "_byte_count",
        "_interims",
        "_keeps",
        "_length",
        "_may_stream",
        "_method",
        "_parts",
        "_reserve",
        "_status",
        "_window",
        "held_bytes",
    )

    def __init__(
        self, method: int, window_bytes: int, reserve: Callable[[int], bool], *, may_stream: bool, keeps: bool
    ) -> None:
        """window_bytes: what our WELCOME grants on a new stream; reserve: holds bytes in memory, or says that it does
        not; may_stream: the answer may come without END; keeps: the body is wanted.
        """
        self._method = method
        self._window = Window(window_bytes)
        self._reserve = reserve
        self._may_stream = may_stream
        self._keeps = keeps
        self._parts: list[bytes] = []
        self._status = 0  # of the final RESPONSE, once that has come
        self._length = _UNKNOWN  # as declared
        self._byte_count = 0  # of the body
        self._interims = 0
        self.held_bytes = 0
        """What is reserved, and to be released by whoever ends the exchange."""

    @property
    def owed(self) -> int:
        """How many bytes are to be granted again now: 0 while that is not worth a frame."""
        return self._window.owed if self._window.is_due else 0

    def granted(self) -> None:
        """What is owed was granted."""
        self._window.granted()

    def take(self, event: Event, arena: Arena) -> Ended | None:
        """Take a frame of the exchange: EVENT_STREAM. None: more is to come."""
        _, _, _, frame_type, flags, at, count, status, body_bytes, *_ = event
        if frame_type == FrameType.RESPONSE:
            return self._take_response(arena[at : at + count], status, body_bytes, flags)
        if frame_type == FrameType.CANCEL:
            return _ABORTED
        if frame_type == FrameType.CREDIT:
            return None  # for a body that was sent whole
        if not self._status:
            return BAD  # before its RESPONSE
        if frame_type == FrameType.DATA:
            return self._take_data(arena[at : at + count], flags)
        if frame_type == FrameType.TRAILERS:
            return self._take_part(b"", 0, END)  # the fields themselves are for nobody here
        return BAD

    def _take_response(self, payload: bytes, status: int, body_bytes: int, flags: int) -> Ended | None:
        if self._status or status == 101:
            return BAD
        if status < 200:
            self._interims += 1
            return BAD if flags & END or self._interims > INTERIM_MAX else None
        if not flags & END and not self._may_stream:
            return BAD
        self._status = status
        length = _declared_length(payload)
        says_only = flags & END and not body_bytes and (status == 304 or self._method == Method.HEAD)
        if length is not None and not says_only:
            if length < 0:
                return BAD
            self._length = length
        return self._take_part(payload, body_bytes, flags)

    def _take_data(self, data: bytes, flags: int) -> Ended | None:
        """Take DATA within what was granted. As much is granted again: what is bounded is the whole."""
        window, count = self._window, len(data)
        if count > window.open:
            return BAD
        window.open -= count
        window.read(count)
        return self._take_part(data, count, flags)

    def _take_part(self, data: bytes, byte_count: int, flags: int) -> Ended | None:
        """Take a part, of whose bytes that many are body: RESPONSE's payload first, then DATA."""
        self._byte_count += byte_count
        is_whole = bool(flags & END)
        if self._length != _UNKNOWN and not self._fits_length(is_whole=is_whole):
            return Ended(BAD.outcome, None if is_whole else BAD.cancel)
        if self._keeps:
            ended = self._keep(data, is_whole=is_whole)
            if ended is not None:
                return ended
        if not is_whole:
            return None
        payload = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        return Ended(Whole(self._status, payload, self._byte_count if self._keeps else 0))

    def _fits_length(self, *, is_whole: bool) -> bool:
        return self._byte_count == self._length if is_whole else self._byte_count <= self._length

    def _keep(self, data: bytes, *, is_whole: bool) -> Ended | None:
        if is_whole and not self._parts:  # in one frame: it is gone again within this batch
            self._parts.append(data)
            return None
        if self.held_bytes + len(data) > PAYLOAD_BYTES_MAX:
            return _TOO_LONG
        if not self._reserve(len(data)):
            return _NO_MEMORY
        self.held_bytes += len(data)
        self._parts.append(data)
        return None


def _declared_length(payload: bytes) -> int | None:
    """Return the body length that a RESPONSE declares; None where it says nothing, -1 where it is no number."""
    count = int.from_bytes(payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    value = find_field(payload, RESPONSE_FIXED_BYTES, count, text_at, FieldId.BODY_LENGTH)
    if value is None:
        return None
    return int(value) if len(value) <= BODY_LENGTH_DIGITS_MAX and value.isdigit() else -1
