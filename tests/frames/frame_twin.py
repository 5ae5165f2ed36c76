"""The frame codec once more, in plain Python, by docs/protocol.md alone: the oracle that the C codec is held to.

It is written to be checked against the page by eye, not to be fast, and shares no code or table with ``frames``.
"""

from dataclasses import dataclass, field
from typing import Any

PAYLOAD_MAX = {"HELLO": 262_144, "WELCOME": 262_144, "FAULT": 4 + 1_024, "DATA": 65_536}
PAYLOAD_EXACT = {"HEARTBEAT": 8, "GOAWAY": 8, "CREDIT": 4, "CANCEL": 4, "REFUSED": 8}
PAYLOAD_MIN = {"FAULT": 4, "REQUEST": 12, "RESPONSE": 4, "TRAILERS": 4}
TYPES = (
    *("HELLO", "WELCOME", "HEARTBEAT", "GOAWAY", "FAULT"),
    *("REQUEST", "RESPONSE", "DATA", "TRAILERS", "CREDIT", "CANCEL", "REFUSED"),
)
ABOUT_CONNECTION = TYPES[:5]
MAY_END = ("REQUEST", "RESPONSE", "DATA", "TRAILERS")


class FormError(Exception):
    """A rule is broken; the argument is its name in enum frame_error."""


@dataclass
class Frame:
    """One frame; what does not belong to its type keeps its default."""

    type: int
    flags: int
    exchange: int
    payload: bytes
    remaining_ms: int = 0
    endpoint: int = 0
    method: int = 0
    attempt: int = 0
    status: int = 0
    target: bytes = b""
    fields: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class Found:
    """What a scan found; as frame_scan_result in csrc/frame.h."""

    frames: list[Frame]
    consumed: int
    needed: int
    error: str


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def scan(data: bytes) -> Found:
    """Return the whole frames at the start of the data, however many there are."""
    frames: list[Frame] = []
    at = 0
    while at < len(data):
        header = data[at : at + 16]
        if len(header) < 16:
            return Found(frames, at, 16, "OK")
        try:
            name, length = check_header(header)
            payload = data[at + 16 : at + 16 + length]
            if len(payload) < length:
                return Found(frames, at, 16 + length, "OK")
            frames.append(read_frame(name, Frame(header[4], header[5], number(header[8:]), payload)))
        except FormError as bad:
            return Found(frames, at, 0, str(bad))
        at += 16 + length
    return Found(frames, at, 0, "OK")


def check_header(header: bytes) -> tuple[str, int]:
    """Return name and payload length; the order of the checks is part of what is compared."""
    length, flags, exchange = number(header[:4]), header[5], number(header[8:])
    if not 1 <= header[4] <= len(TYPES):
        raise FormError("TYPE")
    name = TYPES[header[4] - 1]
    if header[6:8] != b"\0\0":
        raise FormError("RESERVED")
    if length > 1_048_576 or length > PAYLOAD_MAX.get(name, length):
        raise FormError("TOO_LONG")
    if length != PAYLOAD_EXACT.get(name, length):
        raise FormError("PAYLOAD")
    if flags not in (0, 1) or (flags and name not in MAY_END) or (not flags and name == "TRAILERS"):
        raise FormError("FLAGS")
    if (exchange == 0) != (name in ABOUT_CONNECTION):
        raise FormError("EXCHANGE")
    if length < PAYLOAD_MIN.get(name, 0):
        raise FormError("PAYLOAD")
    return name, length


def read_frame(name: str, frame: Frame) -> Frame:
    """Fill in what belongs to the type, or raise FormError."""
    reader = READERS.get(name)
    if reader is not None:
        reader(frame)
    return frame


def read_fields(payload: bytes, count: int, table_at: int, text_at: int) -> tuple[list[tuple[int, bytes, bytes]], int]:
    """Return the fields and where their text ends."""
    fields: list[tuple[int, bytes, bytes]] = []
    for entry_at in range(table_at, table_at + 4 * count, 4):
        field_id, name_bytes, value_bytes = (
            payload[entry_at],
            payload[entry_at + 1],
            number(payload[entry_at + 2 : entry_at + 4]),
        )
        if (field_id == 0) != (name_bytes > 0):
            raise FormError("FIELDS")
        if 1 <= field_id <= 12 and any(field_id == earlier for earlier, _, _ in fields):
            raise FormError("FIELDS")
        value_at = text_at + name_bytes
        fields.append((field_id, payload[text_at:value_at], payload[value_at : value_at + value_bytes]))
        text_at = value_at + value_bytes
    if text_at > len(payload):
        raise FormError("FIELDS")
    return fields, text_at


def read_request(frame: Frame) -> None:
    payload = frame.payload
    frame.remaining_ms, frame.endpoint = number(payload[:4]), number(payload[4:6])
    frame.method, frame.attempt = payload[6], payload[7]
    target_bytes, count = number(payload[8:10]), number(payload[10:12])
    if not 1 <= frame.method <= 7 or frame.attempt == 0:
        raise FormError("PAYLOAD")
    target_at = 12 + 4 * count
    if count > 128 or target_at > len(payload):
        raise FormError("FIELDS")
    frame.target = payload[target_at : target_at + target_bytes]
    if not 1 <= target_bytes <= 8_192 or len(frame.target) != target_bytes or frame.target[:1] != b"/":
        raise FormError("TARGET")
    frame.fields, end = read_fields(payload, count, 12, target_at + target_bytes)
    frame.body = payload[end:]


def read_response(frame: Frame) -> None:
    payload = frame.payload
    frame.status, count = number(payload[:2]), number(payload[2:4])
    if not 100 <= frame.status <= 599:
        raise FormError("PAYLOAD")
    if frame.status < 200 and frame.flags:
        raise FormError("FLAGS")
    if count > 128 or 4 + 4 * count > len(payload):
        raise FormError("FIELDS")
    frame.fields, end = read_fields(payload, count, 4, 4 + 4 * count)
    frame.body = payload[end:]
    if frame.status < 200 and frame.body:
        raise FormError("PAYLOAD")


def read_trailers(frame: Frame) -> None:
    payload = frame.payload
    count = number(payload[:2])
    if payload[2:4] != b"\0\0":
        raise FormError("RESERVED")
    if count > 128 or 4 + 4 * count > len(payload):
        raise FormError("FIELDS")
    frame.fields, end = read_fields(payload, count, 4, 4 + 4 * count)
    if end != len(payload):
        raise FormError("FIELDS")


def read_data(frame: Frame) -> None:
    frame.body = frame.payload
    if not frame.body and not frame.flags:
        raise FormError("PAYLOAD")


def read_heartbeat(frame: Frame) -> None:
    if frame.payload[1]:
        raise FormError("RESERVED")
    if frame.payload[0] > 2:
        raise FormError("PAYLOAD")


def read_fault(frame: Frame) -> None:
    if frame.payload[2:4] != b"\0\0":
        raise FormError("RESERVED")


def read_credit(frame: Frame) -> None:
    if number(frame.payload) == 0:
        raise FormError("PAYLOAD")


def read_reason(frame: Frame) -> None:
    if frame.payload[1:4] != b"\0\0\0":
        raise FormError("RESERVED")


READERS: dict[str, Any] = {
    "REQUEST": read_request,
    "RESPONSE": read_response,
    "TRAILERS": read_trailers,
    "DATA": read_data,
    "HEARTBEAT": read_heartbeat,
    "FAULT": read_fault,
    "CREDIT": read_credit,
    "GOAWAY": read_reason,
    "CANCEL": read_reason,
    "REFUSED": read_reason,
}
