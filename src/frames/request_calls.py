"""The wire's calls about one request: its head, its fields, and its connection while that is handed over.

Contract of the C side: csrc/wire.h. `frames.wire.Wire` has these calls; they stand here to be found.
"""

from typing import Any

from frames._native import ffi, lib
from frames.frame import FieldId
from frames.head_calls import ROOM_BYTES, HeadCalls
from frames.wire_values import NO_IDENTITY, ForwardedFields, Framing, HandBack, Handed, WireResult


class RequestCalls(HeadCalls):
    """Calls about requests of this batch, and about exchanges that were handed over."""

    def __init__(self, wire: Any) -> None:
        """wire: the ``wire *``."""
        super().__init__(wire)
        self._id = ffi.new("uint8_t[]", lib.WIRE_ID_BYTES_MAX)
        self._handed = ffi.new("wire_handed *")
        self._body_at = ffi.new("uint32_t *")
        self._address = ffi.new("char[]", lib.WIRE_CLIENT_BYTES_MAX)

    # ---- connections that are handed over ----

    def hand_over(self, exchange: int) -> Handed | None:
        """Take the connection of an undecided exchange of this batch out of the wire's hands; None: it is gone."""
        if lib.wire_hand_over(self._wire, exchange, self._handed) != WireResult.OK:
            return None
        return self._taken()

    def take_over(self, exchange: int) -> Handed | None:
        """Take the connection of an exchange whose answer has turned out to stream; None: its client is gone."""
        if lib.wire_take_over(self._wire, exchange, self._handed) != WireResult.OK:
            return None
        return self._taken()

    def _taken(self) -> Handed:
        handed = self._handed[0]
        held = bytes(ffi.buffer(handed.held, handed.held_bytes)) if handed.held_bytes else b""
        return Handed(
            handed.descriptor,
            handed.connection,
            held,
            bool(handed.closes),
            handed.route,
            handed.method,
            handed.remaining_ms,
            handed.flags,
        )

    def hand_back(self, exchange: int, how: HandBack, rest: bytes = b"", received: int = 0) -> int:
        """End the exchange and give its connection back. rest: what came behind the request; received: bytes in all."""
        result: int = lib.wire_hand_back(self._wire, exchange, how, rest, len(rest), received)
        return result

    def open(
        self,
        exchange: int,
        connection: int,
        route: int,
        endpoint: int,
        remaining_ms: int,
        target: bytes,
        fields: ForwardedFields,
        body: bytes = b"",
        *,
        end: bool,
        gauge: int = 0,
        how: int = 0,
        attempt: int = 1,
        body_length: int | None = None,
        upgrade: bytes = b"",
        identity: Any = NO_IDENTITY,
    ) -> int:
        """Send a handed-over exchange as a REQUEST frame; its frames then come as STREAM events.

        fields: as they came, with the client's credentials; identity says whether those go on (`make_identity`); gauge
        and how: as for ``send``; what HOLD and TELL ask holds after ``hand_in``.
        """
        length = b"" if body_length is None else b"%d" % body_length
        result: int = lib.wire_open(
            self._wire,
            exchange,
            connection,
            route,
            endpoint,
            gauge,
            how,
            attempt,
            remaining_ms,
            target,
            len(target),
            fields.block,
            fields.count,
            len(fields.block),
            length,
            len(length),
            upgrade,
            len(upgrade),
            body,
            len(body),
            end,
            identity,
        )
        return result

    def hand_in(self, exchange: int, rest: bytes, received: int, remaining_ms: int) -> int:
        """Give the connection back after ``open`` with ``end``: the wire waits for the answer, as after ``send``."""
        result: int = lib.wire_hand_in(self._wire, exchange, rest, len(rest), received, remaining_ms)
        return result

    def response_head(
        self,
        exchange: int,
        at: int,
        count: int,
        framing: Framing,
        length: int = 0,
        upgrade: bytes = b"",
        *,
        close: bool,
    ) -> tuple[bytes, int] | int:
        """Return the HTTP head that a RESPONSE of this batch makes, and where in its payload the body begins.

        A negative number when it cannot be passed on: minus 100 and less an ``http1_response_error``, else a
        `WireResult`.
        """
        written = lib.wire_response_head(
            self._wire,
            exchange,
            at,
            count,
            framing,
            length,
            upgrade,
            len(upgrade),
            close,
            self._head_room,
            ROOM_BYTES,
            self._body_at,
        )
        return (bytes(ffi.buffer(self._head_room, written)), self._body_at[0]) if written >= 0 else int(written)

    def answer_head(self, exchange: int, status: int, lines: bytes, body_bytes: int, *, close: bool) -> bytes:
        """Return the HTTP head of an answer of the gateway's own; empty when there is no such exchange."""
        written = lib.wire_answer_head(
            self._wire, exchange, status, lines, len(lines), body_bytes, close, self._head_room, ROOM_BYTES
        )
        return bytes(ffi.buffer(self._head_room, written)) if written > 0 else b""

    def trailers(self, at: int, count: int) -> bytes | int:
        """Return the trailer section that a TRAILERS frame of this batch makes; negative as for ``response_head``."""
        written = lib.wire_trailers(self._wire, at, count, self._head_room, ROOM_BYTES)
        return bytes(ffi.buffer(self._head_room, written)) if written >= 0 else int(written)

    def want_room(self, connection: int) -> int:
        """1: there is room for more DATA now. 0: FRAMED_ROOM or FRAMED_CLOSED will tell. Negative: it is gone."""
        result: int = lib.wire_want_room(self._wire, connection)
        return result

    # ---- looking ----

    def request_body(self, exchange: int) -> bytes:
        """Return the body of a plain request of this batch."""
        body = lib.wire_body(self._wire, exchange, self._field_count)
        return b"" if body == ffi.NULL else bytes(ffi.buffer(body, self._field_count[0]))

    def client_address(self, exchange: int) -> str:
        """Return the client's address, without port; empty when it has none or is gone.

        The one that a trusted proxy told, where that was set as context in this batch; else the connection's.
        """
        count = lib.wire_client_address(self._wire, exchange, self._address)
        return bytes(ffi.buffer(self._address, count)).decode("ascii") if count > 0 else ""

    def age_ms(self, exchange: int) -> int:
        """Return the milliseconds since the first byte of the request; negative when there is no such exchange."""
        return int(lib.wire_age_ms(self._wire, exchange))

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set a context field of an undecided exchange."""
        result: int = lib.wire_set_context(self._wire, exchange, field, value, len(value))
        return result

    def context(self, exchange: int, field: FieldId) -> bytes:
        """Return the request id or the correlation id of an exchange; empty when there is no such exchange."""
        count = lib.wire_get_context(self._wire, exchange, field, self._id)
        return bytes(ffi.buffer(self._id, count)) if count > 0 else b""

    def is_secured(self, exchange: int) -> bool:
        """Return whether the request came over TLS."""
        return bool(lib.wire_is_secured(self._wire, exchange))

    def is_head(self, exchange: int) -> bool:
        """Return whether the request is HEAD, so that no answer to it has a body."""
        return bool(lib.wire_is_head(self._wire, exchange))
