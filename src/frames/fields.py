"""Field blocks, and the payloads that hold one: REQUEST, RESPONSE and TRAILERS (docs/protocol.md, sections 3 and 4).

A field is ``(id, name, value)``: name is empty unless id is ``FieldId.NAMED``. Encoders refuse what a receiver would
refuse, and what would be unsafe to turn into HTTP behind it; decoding trusts a payload that a scan has accepted.
"""

import re
import struct
from collections.abc import Sequence

from frames.frame import FORBIDDEN_NAMES, FieldId, FrameError, FrameErrorCode, Method
from frames.limits import (
    ENDPOINT_MAX,
    FIELD_ENTRY_BYTES,
    FIELDS_MAX,
    NAME_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    REMAINING_MS_MAX,
    RESPONSE_FIXED_BYTES,
    STATUS_MAX,
    STATUS_MIN,
    TARGET_BYTES_MAX,
    TRACE_BYTES,
    VALUE_BYTES_MAX,
)

__all__ = [
    "Field",
    "decode_fields",
    "decode_trailers",
    "encode_block",
    "encode_request",
    "encode_response",
    "encode_trailers",
    "find_field",
    "find_named",
    "response_head",
]

Field = tuple[int, bytes, bytes]
"""Id, name, value. The id is a ``FieldId``, or a number that this version does not know."""

_ENTRY = struct.Struct(">BBH")
_REQUEST = struct.Struct(">IHBBHH")
_RESPONSE = struct.Struct(">HH")
_TRAILERS = struct.Struct(">Hxx")

_METHODS = frozenset(Method)

_is_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch  # a token (RFC 9110, section 5.6.2) in lower case
_find_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search


def decode_fields(payload: bytes, table_offset: int, count: int, text_offset: int) -> list[Field]:
    """Return the fields of a payload that a scan has accepted.

    The text begins at ``text_offset``: behind the table in RESPONSE and TRAILERS, behind the target in REQUEST.
    Raises FrameError when the table or the text goes beyond the payload.
    """
    table = payload[table_offset : table_offset + FIELD_ENTRY_BYTES * count]
    if len(table) != FIELD_ENTRY_BYTES * count:
        raise FrameError(FrameErrorCode.FIELDS, f"field table of {count} entries goes beyond the payload's end")
    fields: list[Field] = []
    at = text_offset
    for field_id, name_bytes, value_bytes in _ENTRY.iter_unpack(table):
        value_at = at + name_bytes
        end = value_at + value_bytes
        fields.append((field_id, payload[at:value_at], payload[value_at:end]))
        at = end
    if at > len(payload):
        raise FrameError(FrameErrorCode.FIELDS, f"field text goes {at - len(payload)} bytes beyond the payload's end")
    return fields


def decode_trailers(payload: bytes) -> list[Field]:
    """Return the fields of a TRAILERS payload that a scan has accepted. Raises as ``decode_fields``."""
    count = int.from_bytes(payload[:2])
    return decode_fields(payload, RESPONSE_FIXED_BYTES, count, RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count)


def find_field(payload: bytes, table_offset: int, count: int, text_offset: int, wanted: int) -> bytes | None:
    """Return the value of a context field of a payload that a scan has accepted, or None when it is not there.

    Takes a quarter of the time of ``decode_fields``: context fields stand in front, and no other text is cut out.
    """
    at = text_offset
    for field_id, name_bytes, value_bytes in _ENTRY.iter_unpack(
        payload[table_offset : table_offset + FIELD_ENTRY_BYTES * count]
    ):
        if field_id == wanted:
            return payload[at : at + value_bytes]
        at += name_bytes + value_bytes
    return None


def find_named(payload: bytes, table_offset: int, count: int, text_offset: int, name: bytes) -> bytes | None:
    """Return the value of the first field with a name, which is in lower case; otherwise as ``find_field``."""
    wanted = len(name)
    at = text_offset
    for _, name_bytes, value_bytes in _ENTRY.iter_unpack(
        payload[table_offset : table_offset + FIELD_ENTRY_BYTES * count]
    ):
        value_at = at + name_bytes
        at = value_at + value_bytes
        if name_bytes == wanted and payload[value_at - wanted : value_at] == name:
            return payload[value_at:at]
    return None


def encode_request(
    remaining_ms: int,
    endpoint: int,
    method: int,
    target: bytes,
    fields: Sequence[Field] = (),
    body: bytes = b"",
    *,
    attempt: int = 1,
) -> bytes:
    """Return a REQUEST payload.

    ``method`` is a ``Method``. ``remaining_ms`` is what is left of the deadline; more than the protocol can say becomes
    the most that it can.
    Raises FrameError for values that the protocol has no room for or forbids.
    """
    if not (remaining_ms >= 0 and 0 <= endpoint <= ENDPOINT_MAX and 1 <= attempt <= 255 and method in _METHODS):
        what = f"remaining_ms {remaining_ms}, endpoint {endpoint}, method {method} or attempt {attempt} is out of range"
        raise FrameError(FrameErrorCode.PAYLOAD, f"REQUEST: {what}")
    if not target.startswith(b"/") or len(target) > TARGET_BYTES_MAX:
        what = f"target must begin with '/' and have at most {TARGET_BYTES_MAX} bytes"
        raise FrameError(FrameErrorCode.TARGET, f"REQUEST: {what}; it has {len(target)}")
    table, text = encode_block(fields)
    fixed = _REQUEST.pack(min(remaining_ms, REMAINING_MS_MAX), endpoint, method, attempt, len(target), len(fields))
    return _bounded(b"".join((fixed, table, target, text, body)))


def response_head(status: int, fields: Sequence[Field] = ()) -> bytes:
    """Return a RESPONSE payload up to its body, which is simply appended. Worth keeping where heads repeat.

    Raises FrameError for a status outside of 100 to 599 and for fields that the protocol forbids.
    """
    if not STATUS_MIN <= status <= STATUS_MAX:
        raise FrameError(FrameErrorCode.PAYLOAD, f"RESPONSE: status {status} is not from {STATUS_MIN} to {STATUS_MAX}")
    table, text = encode_block(fields)
    return b"".join((_RESPONSE.pack(status, len(fields)), table, text))


def encode_response(status: int, fields: Sequence[Field] = (), body: bytes = b"") -> bytes:
    """Return a RESPONSE payload. Raises FrameError as ``response_head`` does; an interim (1xx) one has no body."""
    if body and status < 200:
        raise FrameError(FrameErrorCode.PAYLOAD, f"RESPONSE: status {status} is interim and cannot have a body")
    return _bounded(response_head(status, fields) + body)


def encode_trailers(fields: Sequence[Field]) -> bytes:
    """Return a TRAILERS payload. Raises FrameError for fields that the protocol forbids."""
    table, text = encode_block(fields)
    return _bounded(b"".join((_TRAILERS.pack(len(fields)), table, text)))


def encode_block(fields: Sequence[Field]) -> tuple[bytes, bytes]:
    """Return a field block's table and text (section 3); raises FrameError for the first field that may not be sent."""
    if len(fields) > FIELDS_MAX:
        raise FrameError(
            FrameErrorCode.FIELDS, f"{len(fields)} fields are more than the {FIELDS_MAX} that a frame holds"
        )
    table: list[bytes] = []
    text: list[bytes] = []
    seen: set[int] = set()
    for field_id, name, value in fields:
        if field_id == FieldId.NAMED:
            _check_name(name)
        elif name or field_id in seen or not 0 < field_id <= 255:
            raise FrameError(
                FrameErrorCode.FIELDS, f"context field {field_id} has a name, came before, or is not a byte"
            )
        if field_id <= FieldId.SERVICE:
            seen.add(field_id)
        _check_value(field_id, name, value)
        table.append(_ENTRY.pack(field_id, len(name), len(value)))
        text += (name, value)
    return b"".join(table), b"".join(text)


def _check_name(name: bytes) -> None:
    if len(name) > NAME_BYTES_MAX or _is_name(name) is None:
        what = f"field name {name[:40]!r} is not a lower-case HTTP token of 1 to {NAME_BYTES_MAX} bytes"
        raise FrameError(FrameErrorCode.FIELDS, what)
    if name in FORBIDDEN_NAMES:
        raise FrameError(
            FrameErrorCode.FIELDS, f"field {name.decode()} belongs to one HTTP hop and may not be in a frame"
        )


def _check_value(field_id: int, name: bytes, value: bytes) -> None:
    """Check length and characters; the message never shows the value, which may be a secret."""
    what = name.decode() or f"context field {field_id}"
    if len(value) > VALUE_BYTES_MAX:
        raise FrameError(
            FrameErrorCode.FIELDS, f"value of {what} has {len(value)} bytes; {VALUE_BYTES_MAX} is the most"
        )
    if field_id == FieldId.TRACE:  # the one binary value of this version
        if len(value) != TRACE_BYTES:
            raise FrameError(FrameErrorCode.FIELDS, f"trace has {len(value)} bytes, not {TRACE_BYTES}")
    elif field_id <= FieldId.SERVICE and _find_control(value) is not None:
        raise FrameError(FrameErrorCode.FIELDS, f"value of {what} holds a control character")


def _bounded(payload: bytes) -> bytes:
    if len(payload) > PAYLOAD_BYTES_MAX:
        what = f"payload has {len(payload)} bytes; {PAYLOAD_BYTES_MAX} is the most"
        raise FrameError(FrameErrorCode.TOO_LONG, f"{what}: send the rest as DATA")
    return payload
