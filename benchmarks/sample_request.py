"""One request for the codec in both spellings: a REQUEST frame of 200 bytes with 8 fields, and as HTTP/1.1."""

import struct

TARGET = b"/invoices/42"
FRAME_BYTES = 200
_TRACE_ID, _SPAN_ID = bytes(range(16, 32)), bytes(range(1, 9))

# Field id (0: named by text), name, value. The user agent's length brings the frame to 200 bytes.
_FIELDS: tuple[tuple[int, bytes, bytes], ...] = (
    (1, b"", b"acme"),
    (2, b"", b"c-7f3a91d2e4b5"),
    (3, b"", b"r-0c9d8e7f6a5b"),
    (4, b"", _TRACE_ID + _SPAN_ID + b"\x01"),
    (8, b"", b"127.0.0.1"),
    (9, b"", b"http"),
    (0, b"accept", b"application/json"),
    (0, b"user-agent", b"loadtest/1.0 (x86_64) samp"),
)
_HTTP_NAMES = {
    1: b"x-tenant-id",
    2: b"x-correlation-id",
    3: b"x-request-id",
    4: b"traceparent",
    8: b"x-forwarded-for",
    9: b"x-forwarded-proto",
}


FIELD_COUNT = len(_FIELDS)


def as_frame() -> bytes:
    """Return the request as docs/protocol.md writes it."""
    table = b"".join(struct.pack("!BBH", number, len(name), len(value)) for number, name, value in _FIELDS)
    text = b"".join(name + value for _, name, value in _FIELDS)
    payload = struct.pack("!IHBBHH", 10_000, 0, 1, 1, len(TARGET), len(_FIELDS)) + table + TARGET + text
    frame = struct.pack("!IBBHQ", len(payload), 6, 1, 0, 42) + payload
    if len(frame) != FRAME_BYTES:
        raise ValueError(f"the frame has {len(frame)} bytes instead of {FRAME_BYTES}: change the user agent's length")
    return frame


def as_http() -> bytes:
    """Return the request as HTTP/1.1: the same method, target and fields, and no others."""
    lines = [b"GET " + TARGET + b" HTTP/1.1"]
    for number, name, value in _FIELDS:
        if number == 4:
            value = b"00-" + _TRACE_ID.hex().encode() + b"-" + _SPAN_ID.hex().encode() + b"-01"
        lines.append((name or _HTTP_NAMES[number]) + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
