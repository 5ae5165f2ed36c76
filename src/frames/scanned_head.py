"""The scanner of request heads on its own, for a request that nobody has sent: the same one that reads a client's."""

from typing import Final

import msgspec

from frames._native import ffi, lib
from frames.wire_values import HeadField, RequestHead, WireSettings


class ScannedHead(msgspec.Struct, frozen=True):
    """What the scanner read. method: a ``Method``, or 0; fields: all of them, in their order.

    Of a malformed head there are method and verdict alone.
    """

    method: int
    head: RequestHead
    fields: tuple[HeadField, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether no lane carries it: it is answered by its verdict."""
        return 0 < self.head.verdict <= _LAST_REFUSED


_LAST_REFUSED: Final[int] = lib.HEAD_UNUSUAL_METHOD


def scan_head(text: bytes, settings: WireSettings) -> ScannedHead:
    """Return what the scanner says of a head, which ends with an empty line. settings: its bounds."""
    limits = ffi.new(
        "http1_limits *",
        {
            name: getattr(settings, name)
            for name in ("head_bytes_max", "fields_max", "target_bytes_max", "body_bytes_max")
        },
    )
    head = ffi.new("http1_head *")
    verdict: int = lib.http1_head_scan(text, len(text), limits, head)
    if 0 < verdict <= _LAST_REFUSED:
        return ScannedHead(head.method, RequestHead(verdict, 0, b"", 0, 0))
    target = text[head.target : head.target + head.target_bytes]
    return ScannedHead(
        head.method,
        RequestHead(verdict, head.flags, target, head.path_bytes, head.content_length),
        tuple(_field(text, head.fields[index]) for index in range(head.field_count)),
    )


def _field(text: bytes, field: "ffi.CData") -> HeadField:
    name = text[field.name : field.name + field.name_bytes].lower()
    return field.known, name, text[field.value : field.value + field.value_bytes]
