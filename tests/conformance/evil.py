"""What a bad response is, how its frames are written, and what must come of it.

Frames are put together by hand here: the encoders of the project refuse what an evil service sends.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from frames.frame import END, FieldId, FrameType

Frames = Callable[[int], bytes]
"""Frames of an exchange, as bytes."""

Pair = tuple[bytes, bytes]

OTHERS_EXCHANGE = 0x1000_0000_0000_0001
NO_FLAGS = 0


class Outcome(Enum):
    """What the client, and the service, must find."""

    REFUSED = "502 bad_response; the service stays connected"
    REFUSED_OR_CUT = "502 bad_response, or an answer that ends before its end; the service stays connected"
    SERVED = "the good answer, whole; the service stays connected"
    FAULT = "502, or an answer that ends before its end; the service is sent FAULT"
    GONE = "502, or an answer that ends before its end; the service has closed"


@dataclass(frozen=True, slots=True)
class BadResponse:
    """frames: all that the service answers; body: of the good answer, for SERVED."""

    id: str
    rule: str
    frames: tuple[Frames, ...]
    outcome: Outcome
    method: str = "GET"
    streams: bool = True
    closes: bool = False  # the service closes its connection behind the frames
    at_once: bool = False  # it is bad only if its frames come at once
    status: int = 200
    body: bytes = b""


def frame(frame_type: int, payload: bytes = b"", flags: int = NO_FLAGS, *, length: int | None = None) -> Frames:
    """Return a frame of the exchange. length: as the header says, where that is not the payload's."""

    def write(exchange: int) -> bytes:
        said = len(payload) if length is None else length
        return struct.pack(">IBBHQ", said, frame_type, flags, 0, exchange) + payload

    return write


def elsewhere(frames: Frames, exchange: int) -> Frames:
    """Return the same frames of another exchange."""
    return lambda _: frames(exchange)


def block(*fields: Pair | tuple[int, bytes]) -> tuple[bytes, bytes]:
    """Return table and text of fields: (name, value), or (number, value) for a context field."""
    table = text = b""
    for key, value in fields:
        number, name = (FieldId.NAMED, key) if isinstance(key, bytes) else (key, b"")
        table += struct.pack(">BBH", number, len(name), len(value))
        text += name + value
    return table, text


def response(
    status: int = 200, *fields: Pair | tuple[int, bytes], body: bytes = b"", flags: int = END, count: int | None = None
) -> Frames:
    """Return a RESPONSE. count: of fields, as the frame says, where that is not their number."""
    table, text = block(*fields)
    said = len(fields) if count is None else count
    return frame(FrameType.RESPONSE, struct.pack(">HH", status, said) + table + text + body, flags)


def begun(status: int = 200, *fields: Pair | tuple[int, bytes], body: bytes = b"") -> Frames:
    """Return a RESPONSE that goes on."""
    return response(status, *fields, body=body, flags=NO_FLAGS)


def interim(status: int = 103, *fields: Pair) -> Frames:
    """Return an interim RESPONSE."""
    return response(status, *fields, flags=NO_FLAGS)


def data(body: bytes, flags: int = NO_FLAGS) -> Frames:
    """Return DATA."""
    return frame(FrameType.DATA, body, flags)


def trailers(*fields: Pair | tuple[int, bytes], flags: int = END) -> Frames:
    """Return TRAILERS."""
    table, text = block(*fields)
    return frame(FrameType.TRAILERS, struct.pack(">Hxx", len(fields)) + table + text, flags)


def length(said: bytes) -> tuple[int, bytes]:
    """Return the context field that declares the body's length."""
    return FieldId.BODY_LENGTH, said


def reason(frame_type: int, number: int, bytes_after: int = 0) -> Frames:
    """Return CANCEL, or with four bytes more REFUSED."""
    return frame(frame_type, bytes((number, 0, 0, 0)) + bytes(bytes_after))
