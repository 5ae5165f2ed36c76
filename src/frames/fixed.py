"""The small payloads of fixed form: HEARTBEAT, GOAWAY, FAULT, CREDIT, CANCEL, REFUSED (docs/protocol.md, section 4).

Each kind has an encoder that returns the payload, and a decoder that raises FrameError for any form that is not
exactly right. Reasons and codes come back as plain ``int``: one that this version does not know is valid, and means
the general case.
"""

import struct
from typing import NamedTuple

from frames.frame import FrameError, FrameErrorCode, HealthStatus
from frames.limits import FAULT_TEXT_BYTES_MAX, LOAD_UNKNOWN

__all__ = [
    "Fault",
    "Goaway",
    "Heartbeat",
    "Refused",
    "decode_cancel",
    "decode_credit",
    "decode_fault",
    "decode_goaway",
    "decode_heartbeat",
    "decode_refused",
    "encode_cancel",
    "encode_credit",
    "encode_fault",
    "encode_goaway",
    "encode_heartbeat",
    "encode_refused",
]

_HEARTBEAT = struct.Struct(">BBHI")
_REASON = struct.Struct(">BBH")  # reason, three reserved bytes
_REASON_AND_MS = struct.Struct(">BBHI")
_FAULT = struct.Struct(">HH")
_CREDIT = struct.Struct(">I")


class Heartbeat(NamedTuple):
    """How the sender is: status, load in 1/10,000 of its capacity (``LOAD_UNKNOWN``: not known), requests in flight."""

    status: HealthStatus
    load: int
    in_flight: int


class Goaway(NamedTuple):
    """The sender takes nothing new: a ``GoawayReason``, and milliseconds until it closes."""

    reason: int
    closes_in_ms: int


class Fault(NamedTuple):
    """The sender closes at once: a ``FaultCode``, and a line for the log."""

    code: int
    text: str


class Refused(NamedTuple):
    """The request was not started: a ``RefusedReason``, and when to come again, in milliseconds (0: no advice)."""

    reason: int
    retry_after_ms: int


def encode_heartbeat(status: HealthStatus, load: int = LOAD_UNKNOWN, in_flight: int = 0) -> bytes:
    """Return a HEARTBEAT payload."""
    return _pack("HEARTBEAT", _HEARTBEAT, status, 0, load, in_flight)


def decode_heartbeat(payload: bytes) -> Heartbeat:
    """Return what a HEARTBEAT says."""
    status, reserved, load, in_flight = _unpack("HEARTBEAT", _HEARTBEAT, payload)
    if reserved:
        raise _reserved("HEARTBEAT")
    if status > HealthStatus.DRAINING:
        raise FrameError(FrameErrorCode.PAYLOAD, f"HEARTBEAT: status {status} is not 0, 1 or 2")
    return Heartbeat(HealthStatus(status), load, in_flight)


def encode_goaway(reason: int, closes_in_ms: int) -> bytes:
    """Return a GOAWAY payload; ``reason`` is a ``GoawayReason``."""
    return _pack("GOAWAY", _REASON_AND_MS, reason, 0, 0, closes_in_ms)


def decode_goaway(payload: bytes) -> Goaway:
    """Return what a GOAWAY says."""
    return Goaway(*_unpack_reason_and_ms("GOAWAY", payload))


def encode_fault(code: int, text: str) -> bytes:
    """Return a FAULT payload; ``code`` is a ``FaultCode``.

    A text that is too long is cut, not refused: a FAULT must always go out.
    """
    cut = text.encode("utf-8", "replace")[:FAULT_TEXT_BYTES_MAX].decode("utf-8", "ignore")
    return _pack("FAULT", _FAULT, code, 0) + cut.encode()


def decode_fault(payload: bytes) -> Fault:
    """Return what a FAULT says. Bytes of its text that are not UTF-8 are replaced: it is only shown."""
    if len(payload) > _FAULT.size + FAULT_TEXT_BYTES_MAX:
        what = f"text has {len(payload) - _FAULT.size} bytes; {FAULT_TEXT_BYTES_MAX} is the most"
        raise FrameError(FrameErrorCode.TOO_LONG, f"FAULT: {what}")
    code, reserved = _unpack("FAULT", _FAULT, payload[: _FAULT.size])
    if reserved:
        raise _reserved("FAULT")
    return Fault(code, payload[_FAULT.size :].decode("utf-8", "replace"))


def encode_credit(credit_bytes: int) -> bytes:
    """Return a CREDIT payload: how many bytes the receiver may send in addition."""
    if credit_bytes == 0:
        raise FrameError(FrameErrorCode.PAYLOAD, "CREDIT: 0 bytes grant nothing; do not send it")
    return _pack("CREDIT", _CREDIT, credit_bytes)


def decode_credit(payload: bytes) -> int:
    """Return how many bytes may be sent in addition. That their sum stays in bounds is for who counts them."""
    (credit_bytes,) = _unpack("CREDIT", _CREDIT, payload)
    if credit_bytes == 0:
        raise FrameError(FrameErrorCode.PAYLOAD, "CREDIT: 0 bytes grant nothing")
    return credit_bytes


def encode_cancel(reason: int) -> bytes:
    """Return a CANCEL payload; ``reason`` is a ``CancelReason``."""
    return _pack("CANCEL", _REASON, reason, 0, 0)


def decode_cancel(payload: bytes) -> int:
    """Return the reason of a CANCEL, a ``CancelReason``."""
    reason, *reserved = _unpack("CANCEL", _REASON, payload)
    if any(reserved):
        raise _reserved("CANCEL")
    return reason


def encode_refused(reason: int, retry_after_ms: int = 0) -> bytes:
    """Return a REFUSED payload; ``reason`` is a ``RefusedReason``."""
    return _pack("REFUSED", _REASON_AND_MS, reason, 0, 0, retry_after_ms)


def decode_refused(payload: bytes) -> Refused:
    """Return what a REFUSED says."""
    return Refused(*_unpack_reason_and_ms("REFUSED", payload))


def _pack(what: str, form: struct.Struct, *values: int) -> bytes:
    try:
        return form.pack(*values)
    except struct.error as error:
        raise FrameError(FrameErrorCode.PAYLOAD, f"{what}: a value is out of range: {error}") from None


def _unpack(what: str, form: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) != form.size:
        raise FrameError(FrameErrorCode.PAYLOAD, f"{what}: payload has {len(payload)} bytes, not {form.size}")
    return form.unpack(payload)


def _unpack_reason_and_ms(what: str, payload: bytes) -> tuple[int, int]:
    reason, *reserved, milliseconds = _unpack(what, _REASON_AND_MS, payload)
    if any(reserved):
        raise _reserved(what)
    return reason, milliseconds


def _reserved(what: str) -> FrameError:
    return FrameError(FrameErrorCode.RESERVED, f"{what}: reserved bytes are not zero")
