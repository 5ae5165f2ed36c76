"""What the HTTP/1.1 tests share: the C scanner and writer as plain functions of bytes."""

from pathlib import Path
from typing import NamedTuple

from frames._native import ffi, lib

SEEDS = Path(__file__).resolve().parents[2] / "csrc/fuzz/seeds/http1_head"
METHODS = {
    getattr(lib, f"METHOD_{name}"): name.encode()
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def names_of(type_name: str, prefix: str) -> dict[int, str]:
    """Return the names of a C enum by value, without their prefix."""
    return {value: name.removeprefix(prefix) for value, name in ffi.typeof(type_name).elements.items()}


VERDICTS = names_of("enum http1_verdict", "HEAD_")
ERRORS = names_of("enum http1_response_error", "RESPONSE_ERROR_")


class Limits(NamedTuple):
    """The fields of http1_limits, with the gateway's defaults."""

    head_bytes_max: int = 16384
    fields_max: int = 100
    target_bytes_max: int = 8192
    body_bytes_max: int = 65536


DEFAULT_LIMITS = Limits()


class Head(NamedTuple):
    """A scanned head. All but verdict and method are empty when it is malformed."""

    verdict: str
    method: bytes = b""
    target: bytes = b""
    path: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body_bytes: int = 0
    flags: int = 0
    content_length: int = 0


def is_malformed(verdict: str) -> bool:
    """Return whether a verdict is one of those that refuse a head."""
    return verdict != "PLAIN" and not verdict.startswith("UNUSUAL_")


def find_end(data: bytes, head_bytes_max: int = 16384) -> int:
    """Return what http1_head_end finds in data that came at once."""
    return int(lib.http1_head_end(data, len(data), head_bytes_max, ffi.new("uint32_t *")))


def scan_head(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Head:
    """Scan a whole head; field names are lower-cased, as they are when a request goes on."""
    head = ffi.new("http1_head *")
    copy = ffi.new("uint8_t[]", data) if data else ffi.NULL
    verdict = VERDICTS[lib.http1_head_scan(copy, len(data), ffi.new("http1_limits *", limits), head)]
    method = METHODS.get(head.method, b"")
    assert VERDICTS[head.verdict] == verdict
    if is_malformed(verdict):
        return Head(verdict, method)
    target = data[head.target : head.target + head.target_bytes]
    fields = tuple(
        (data[f.name : f.name + f.name_bytes].lower(), data[f.value : f.value + f.value_bytes])
        for f in head.fields[0 : head.field_count]
    )
    path = target[: head.path_bytes]
    return Head(verdict, method, target, path, fields, head.body_bytes, head.flags, head.content_length)


class Framing(NamedTuple):
    """How an answer says where it ends, as in http1_answer."""

    framing: int = lib.FRAMING_LENGTH
    length: int | None = None
    upgrade: bytes = b""


BY_LENGTH = Framing()


def make_answer(framing: Framing, *, close: bool, head: bool) -> tuple[object, object]:
    """Return an http1_answer, and what must live as long as it does."""
    kept = [ffi.new("uint8_t[]", text) for text in (b"r-1", b"c-1", DATE, framing.upgrade)]
    fields = {
        "request_id": kept[0],
        "correlation_id": kept[1],
        "date": kept[2],
        "request_id_bytes": 3,
        "correlation_id_bytes": 3,
        "close": close,
        "head_method": head,
        "framing": framing.framing,
        "has_length": framing.length is not None,
        "length": framing.length or 0,
        "upgrade": kept[3],
        "upgrade_bytes": len(framing.upgrade),
    }
    return ffi.new("http1_answer *", fields), kept


def make_view(status: int, fields: list[tuple[bytes, bytes]], body_bytes: int = 0) -> tuple[bytes, object, object]:
    """Return bytes, frame_view and frame_field array as frame_scan would give them."""
    table = ffi.new("frame_field[]", max(1, len(fields)))
    at = 0
    for entry, (name, value) in zip(table, fields, strict=False):
        entry.name, entry.name_bytes = at, len(name)
        entry.value, entry.value_bytes = at + len(name), len(value)
        at += len(name) + len(value)
    view = ffi.new("frame_view *", {"status": status, "field_count": len(fields), "body_bytes": body_bytes})
    return b"".join(name + value for name, value in fields), view, table


def write_response(
    status: int,
    fields: list[tuple[bytes, bytes]],
    body_bytes: int = 0,
    *,
    close: bool = False,
    head: bool = False,
    room: int = 65536,
    framing: Framing = BY_LENGTH,
) -> bytes | str:
    """Return the answer's head that the C writer makes of a service's response, or why it makes none."""
    answer, _kept = make_answer(framing, close=close, head=head)
    text, view, table = make_view(status, fields, body_bytes)
    out = ffi.new("uint8_t[]", max(1, room))
    written = lib.http1_response_write(text, view, table, answer, out, room)
    return ERRORS[written] if written < 0 else bytes(ffi.buffer(out, written))


def write_answer(status: int, lines: bytes, body_bytes: int = 0, *, close: bool = False) -> bytes | str:
    """Return the head of an answer of the gateway's own, or why there is none."""
    answer, _kept = make_answer(BY_LENGTH, close=close, head=False)
    out = ffi.new("uint8_t[]", 65536)
    written = lib.http1_answer_write(status, lines, len(lines), body_bytes, answer, out, 65536)
    return ERRORS[written] if written < 0 else bytes(ffi.buffer(out, written))


def write_trailers(fields: list[tuple[bytes, bytes]]) -> bytes | str:
    """Return the trailer section that the C writer makes of a service's trailers, or why it makes none."""
    text, view, table = make_view(0, fields)
    out = ffi.new("uint8_t[]", 65536)
    written = lib.http1_trailers_write(text, view, table, out, 65536)
    return ERRORS[written] if written < 0 else bytes(ffi.buffer(out, written))


def write_date(unix_seconds: int) -> bytes:
    """Return the IMF-fixdate of a time."""
    out = ffi.new("uint8_t[29]")
    lib.http1_date_write(unix_seconds, out)
    return bytes(out)
