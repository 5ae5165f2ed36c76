"""The wire's calls about the head of a request: what stages and tasks read of it.

Contract of the C side: csrc/wire.h. `frames.wire.Wire` has these calls; they stand here to be found. All are about
requests of the batch at hand: later there is no head any more.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from frames._native import ffi, lib
from frames.wire_values import ForwardedFields, HeadField, KnownName, RequestHead

ROOM_BYTES: Final = 131_072
"""For a head in HTTP or in a frame: the longest that the limits allow, and an entry of four bytes for each field."""
_FIELD = struct.Struct("=IIHBB")
"""``http1_field``: name, value, value bytes, name bytes, known."""
_untouched = ffi.new_allocator(should_clear_after_alloc=False)


def _bind_caller(wire: Any, room: Any, view: Any) -> Callable[[int], bytes]:
    """Return the function that tells who asks. It is called for every request that says so."""
    call = lib.wire_caller

    def caller(exchange: int) -> bytes:
        """Return tenant, authorization and API key as they came, with line feeds between; empty: none of the three."""
        count = call(wire, exchange, room, ROOM_BYTES)
        value: bytes = view[:count] if count > 0 else b""
        return value

    return caller


def _bind_named_field(wire: Any, room: Any, view: Any) -> Callable[[int, bytes], bytes | None]:
    """Return the function that tells any field by its name, for what is split or limited by one."""
    call = lib.wire_field

    def named_field(exchange: int, name: bytes) -> bytes | None:
        """Return the value of the field of a lower-case name; of several, all, with ``, `` between. None: absent."""
        count = call(wire, exchange, name, len(name), room, ROOM_BYTES)
        value: bytes | None = view[:count] if count >= 0 else None
        return value

    return named_field


class HeadCalls:
    """Calls about the head of a request of this batch."""

    def __init__(self, wire: Any) -> None:
        """wire: the ``wire *``."""
        self._wire = wire
        self._head_bytes = ffi.new("const uint8_t **")
        self._head_room = _untouched("uint8_t[]", ROOM_BYTES)
        self._head_view = ffi.buffer(self._head_room, ROOM_BYTES)
        self._field_count = ffi.new("uint32_t *")
        self.caller = _bind_caller(wire, self._head_room, self._head_view)
        self.named_field = _bind_named_field(wire, self._head_room, self._head_view)

    def request_head(self, exchange: int) -> RequestHead | None:
        """Return what was read of the head of a request of this batch."""
        head = lib.wire_head(self._wire, exchange, self._head_bytes)
        if head == ffi.NULL:
            return None
        target = bytes(ffi.buffer(self._head_bytes[0] + head.target, head.target_bytes))
        return RequestHead(head.verdict, head.flags, target, head.path_bytes, head.content_length)

    def request_fields(self, exchange: int) -> ForwardedFields:
        """Return the fields of a request of this batch that go on to its service; none when it is gone."""
        count = lib.wire_forward(self._wire, exchange, self._head_room, ROOM_BYTES, self._field_count)
        if count < 0:
            return ForwardedFields(0, b"")
        return ForwardedFields(self._field_count[0], self._head_view[:count])

    def request_head_fields(self, exchange: int) -> list[HeadField]:
        """Return a copy of all fields, in their order: (`KnownName` or another number, lower-case name, value)."""
        head = lib.wire_head(self._wire, exchange, self._head_bytes)
        if head == ffi.NULL:
            return []
        text = ffi.buffer(self._head_bytes[0], head.head_bytes)[:]
        fields = _FIELD.iter_unpack(ffi.buffer(head.fields, head.field_count * _FIELD.size))
        return [
            (known, text[name : name + name_bytes].lower(), text[value : value + value_bytes])
            for name, value, value_bytes, name_bytes, known in fields
        ]

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        """Return the value of a known field of a request of this batch."""
        head = lib.wire_head(self._wire, exchange, self._head_bytes)
        if head == ffi.NULL:
            return None
        for index in range(head.field_count):
            field = head.fields[index]
            if field.known == name:
                return bytes(ffi.buffer(self._head_bytes[0] + field.value, field.value_bytes))
        return None

    def request_field_values(self, exchange: int, name: KnownName) -> list[bytes]:
        """Return the values of all fields of a known name of a request of this batch, in their order."""
        head = lib.wire_head(self._wire, exchange, self._head_bytes)
        if head == ffi.NULL:
            return []
        start = self._head_bytes[0]
        found = (head.fields[index] for index in range(head.field_count))
        return [bytes(ffi.buffer(start + field.value, field.value_bytes)) for field in found if field.known == name]
