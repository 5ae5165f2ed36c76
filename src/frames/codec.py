"""Whole frames: bytes to frames with ``scan``, frames to bytes with ``encode_frame`` and the payload encoders.

The only module that sees the C library for frames. One ``scan`` is one call into C for all the frames that the bytes
hold; the field tables are decoded there. What Python pays for is only what it asks for: the rows come back as plain
tuples, read in one go from the array that C filled, and the text of fields is cut out when it is looked at.

    found = scan(received)
    for frame in found.frames:                # named tuples, for people
        handle(frame.type, found.fields(frame), found.body(frame))
    if found.error: ...                       # the frame at found.consumed breaks a rule: FAULT, close
    rest = received[found.consumed:]          # at least found.needed bytes of it are worth another call
"""

import struct
import threading
from collections.abc import Iterator
from typing import NamedTuple, cast

from frames._native import ffi, lib
from frames.fields import (
    Field,
    decode_fields,
    encode_request,
    encode_response,
    encode_trailers,
    response_head,
)
from frames.fixed import (
    Fault,
    Goaway,
    Heartbeat,
    Refused,
    decode_cancel,
    decode_credit,
    decode_fault,
    decode_goaway,
    decode_heartbeat,
    decode_refused,
    encode_cancel,
    encode_credit,
    encode_fault,
    encode_goaway,
    encode_heartbeat,
    encode_refused,
)
from frames.frame import FrameError, FrameErrorCode
from frames.limits import PAYLOAD_BYTES_MAX

__all__ = [
    "Fault",
    "Field",
    "FrameError",
    "FrameRow",
    "FrameView",
    "Goaway",
    "Heartbeat",
    "Refused",
    "Scan",
    "decode_cancel",
    "decode_credit",
    "decode_fault",
    "decode_fields",
    "decode_goaway",
    "decode_heartbeat",
    "decode_refused",
    "encode_cancel",
    "encode_credit",
    "encode_fault",
    "encode_frame",
    "encode_goaway",
    "encode_heartbeat",
    "encode_refused",
    "encode_request",
    "encode_response",
    "encode_trailers",
    "response_head",
    "scan",
]

FRAMES_PER_SCAN_MAX = 256
"""So many frames come from one scan at most; as many as a batch of the wire holds."""

_FIELDS_PER_SCAN_MAX = 16 * FRAMES_PER_SCAN_MAX

_HEADER = struct.Struct(">IBBHQ")
_VIEW = struct.Struct("=Q7I4H4B")  # frame_view, csrc/frame.h
_FIELD = struct.Struct("=IIHBB")  # frame_field
_RESULT = struct.Struct("=5I")  # frame_scan_result
_ERRORS = tuple(FrameErrorCode)

FrameRow = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int]
"""One scanned frame as a plain tuple, in the order of FrameView."""


class FrameView(NamedTuple):
    """One scanned frame. What does not belong to its type is zero; ``payload``, ``body`` and ``target`` are offsets."""

    exchange: int
    payload: int
    payload_bytes: int
    body: int
    body_bytes: int
    first_field: int
    remaining_ms: int
    target: int
    target_bytes: int
    field_count: int
    endpoint: int
    status: int
    type: int
    flags: int
    method: int
    attempt: int


class Scan:
    """What one scan found.

    Attributes:
        data: the bytes that were scanned; every offset counts from their start.
        consumed: how many of them were whole frames that are yielded here.
        needed: how many bytes from ``consumed`` on must be there before another scan can yield the unfinished frame; 0
            when there is none, or when this scan was full and bytes are left to scan again from ``consumed``.
        error: why the frame at ``consumed`` is bad, or ``FrameErrorCode.OK``, which is false. After an error, no more
            of the connection can be read.

    """

    __slots__ = ("_fields", "_views", "consumed", "data", "error", "needed")

    def __init__(
        self, data: bytes, views: bytes, fields: bytes, consumed: int, needed: int, error: FrameErrorCode
    ) -> None:
        """Made by ``scan``; ``views`` and ``fields`` are copies of the arrays that C filled."""
        self.data = data
        self._views = views
        self._fields = fields
        self.consumed = consumed
        self.needed = needed
        self.error = error

    def rows(self) -> Iterator[FrameRow]:
        """Return the frames as plain tuples: what a loop over many frames should use."""
        return cast("Iterator[FrameRow]", _VIEW.iter_unpack(self._views))

    @property
    def frames(self) -> list[FrameView]:
        """The frames with names for their values; made anew on each access."""
        return [FrameView._make(row) for row in _VIEW.iter_unpack(self._views)]

    def fields(self, frame: FrameRow) -> list[Field]:
        """Return the fields of a frame: id, name, value. Empty for types that carry none."""
        data = self.data
        first, count = frame[5], frame[9]
        entries = self._fields[_FIELD.size * first : _FIELD.size * (first + count)]
        return [
            (field_id, data[name : name + name_bytes], data[value : value + value_bytes])
            for name, value, value_bytes, name_bytes, field_id in _FIELD.iter_unpack(entries)
        ]

    def payload(self, frame: FrameRow) -> bytes:
        """Return a frame's payload."""
        return self.data[frame[1] : frame[1] + frame[2]]

    def body(self, frame: FrameRow) -> bytes:
        """Return what follows the fields of a REQUEST or RESPONSE, or the bytes of DATA; empty for other types."""
        return self.data[frame[3] : frame[3] + frame[4]]

    def target(self, frame: FrameRow) -> bytes:
        """Return the path and query of a REQUEST; empty for other types."""
        return self.data[frame[7] : frame[7] + frame[8]]

    def __repr__(self) -> str:
        """Say counts and state on one line."""
        count = len(self._views) // _VIEW.size
        return f"<Scan frames={count} consumed={self.consumed} needed={self.needed} error={self.error.name}>"


class _Arrays:
    """What C writes into, used again by every scan of one thread: C runs without the interpreter's lock."""

    def __init__(self) -> None:
        self.frames = ffi.new("frame_view[]", FRAMES_PER_SCAN_MAX)
        self.fields = ffi.new("frame_field[]", _FIELDS_PER_SCAN_MAX)
        self.result = ffi.new("frame_scan_result *")
        self.frame_bytes = ffi.buffer(self.frames)
        self.field_bytes = ffi.buffer(self.fields)
        self.result_bytes = ffi.buffer(self.result)


_of_thread = threading.local()


def _arrays() -> _Arrays:
    try:
        return cast("_Arrays", _of_thread.arrays)
    except AttributeError:
        arrays = _of_thread.arrays = _Arrays()
        return arrays


def scan(data: bytes) -> Scan:
    """Return the whole frames at the start of ``data``, at most FRAMES_PER_SCAN_MAX, and what comes after them.

    Bad frames are a value, not an exception: see ``Scan.error``. A scan that was not full and found no error leaves an
    unfinished frame or nothing. The caller keeps ``data`` from growing without bound by reading no more than
    ``needed``.
    """
    arrays = _arrays()
    result = arrays.result
    lib.frame_scan(data, len(data), arrays.frames, FRAMES_PER_SCAN_MAX, arrays.fields, _FIELDS_PER_SCAN_MAX, result)
    frame_count, field_count, consumed, needed, error = _RESULT.unpack(arrays.result_bytes)
    views = arrays.frame_bytes[: _VIEW.size * frame_count]
    fields = arrays.field_bytes[: _FIELD.size * field_count]
    return Scan(data, views, fields, consumed, needed, _ERRORS[error])


def encode_frame(frame_type: int, flags: int, exchange: int, payload: bytes = b"") -> bytes:
    """Return a frame: the header, then the payload.

    The payload's form is the business of who made it. Raises FrameError when it is too long for any frame, or when a
    value does not fit in the header.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        what = f"payload has {len(payload)} bytes; {PAYLOAD_BYTES_MAX} is the most"
        raise FrameError(FrameErrorCode.TOO_LONG, f"{what}: send the rest as DATA")
    try:
        return _HEADER.pack(len(payload), frame_type, flags, 0, exchange) + payload
    except struct.error as error:
        raise FrameError(FrameErrorCode.PAYLOAD, f"type, flags or exchange is out of range: {error}") from None
