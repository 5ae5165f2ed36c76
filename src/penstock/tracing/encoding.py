"""Spans as OTLP has them on the wire: protobuf, written by hand, since objects for each attribute cost ten times more.

Of protobuf (https://protobuf.dev/programming-guides/encoding/) it takes three things: varints, fixed numbers, and what
has a length before it. The numbers of fields are those of opentelemetry/proto/trace/v1/trace.proto. Attributes are put
together in two steps: what is known of a key is made once (`key`), its values later.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Final

_TABLE_SIZE: Final = 2_048


def _long_varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


_VARINTS: Final = tuple(_long_varint(number) for number in range(_TABLE_SIZE))
_ONE_BYTE: Final = 0x80
_TIMES: Final = struct.Struct("<BQBQ")

SERVER: Final = 2
CLIENT: Final = 3
"""Kinds of spans (enum SpanKind)."""

ERROR: Final = b"\x7a\x02\x18\x02"
"""A span's status, without a description: field 15, of one byte pair, code 2."""


def varint(number: int) -> bytes:
    """Return a number that is not negative."""
    return _VARINTS[number] if number < _TABLE_SIZE else _long_varint(number)


def sized(tag: int, body: bytes) -> bytes:
    """Return a field that has a length: bytes, text or a message. tag: the field's number << 3 | 2, below 128."""
    return _VARINTS[tag] + varint(len(body)) + body


def key(name: str) -> bytes:
    """Return what `text`, `number` and `switch` take for the key of an attribute."""
    return sized(0x0A, name.encode())


def text(made_key: bytes, value: bytes) -> bytes:
    """Return an attribute of a span with a text, which is UTF-8; nothing where that is empty."""
    if not value:
        return b""
    count = len(value)
    size = len(made_key) + count + 4
    if size < _ONE_BYTE:  # as most are: all lengths have one byte
        return b"\x4a%c%b\x12%c\x0a%c%b" % (size, made_key, count + 2, count, value)
    return sized(0x4A, made_key + sized(0x12, sized(0x0A, value)))


def number(made_key: bytes, value: int) -> bytes:
    """Return an attribute of a span with a number that is not negative."""
    made = varint(value)
    count = len(made)
    size = len(made_key) + count + 3
    if size < _ONE_BYTE:
        return b"\x4a%c%b\x12%c\x18%b" % (size, made_key, count + 1, made)
    return sized(0x4A, made_key + sized(0x12, b"\x18" + made))


def switch(made_key: bytes) -> bytes:
    """Return an attribute of a span that is true."""
    return sized(0x4A, made_key + b"\x12\x02\x10\x01")


def failed(description: bytes) -> bytes:
    """Return a span's status: an error, with words."""
    return sized(0x7A, sized(0x12, description) + b"\x18\x02") if description else ERROR


def head(name: bytes, kind: int) -> bytes:
    """Return a span's name and kind."""
    return sized(0x2A, name) + bytes((0x30, kind))


def ids(trace_id: bytes, span_id: bytes, parent_id: bytes) -> bytes:
    """Return whose span it is: 16, 8 and 8 bytes, the last ones empty for none."""
    parent = b"\x22\x08" + parent_id if parent_id else b""
    return b"\x0a\x10" + trace_id + b"\x12\x08" + span_id + parent


def times(start_us: int, end_us: int) -> bytes:
    """Return when it began and ended, in microseconds since 1970."""
    return _TIMES.pack(0x39, start_us * 1_000, 0x41, end_us * 1_000)


def span(*parts: bytes) -> bytes:
    """Return a span of these fields."""
    return sized(0x12, b"".join(parts))


def request(resource: Mapping[str, str], scope: str, version: str, spans: Iterable[bytes]) -> bytes:
    """Return all that is sent (ExportTraceServiceRequest): spans of one resource and one scope."""
    attributes = b"".join(
        sized(0x0A, key(name) + sized(0x12, sized(0x0A, value.encode()))) for name, value in resource.items()
    )
    made_by = sized(0x0A, scope.encode()) + sized(0x12, version.encode())
    return sized(0x0A, sized(0x0A, attributes) + sized(0x12, sized(0x0A, made_by) + b"".join(spans)))
