"""The C wire as a citizen of Trio: sockets in batches, decisions in Python, one scheduler.

    wire = Wire(WireSettings())
    wire.listen(listening_socket, SocketKind.FRAMED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)

``run`` takes a step (everything that is ready, in one call), hands the events to ``decide``, and flushes what it
decided. It waits on one descriptor: the wire's epoll, which is readable when any of its sockets is. After a step that
found something it *lingers*: it waits in the kernel for up to ``linger_us`` microseconds, because a batch is rarely
alone and going through the scheduler costs more. It never keeps other tasks waiting for longer than a millisecond of
its own work and one linger.

Contract of the C side: csrc/wire.h. This module and ``codec`` are the only ones that see the library.
"""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import partial
from typing import Any, Final, NoReturn, cast

import msgspec
import trio

from frames._native import ffi, lib
from frames.frame import FieldId
from frames.tls_port import TlsPort

Event = tuple[int, int, int, int, int, int, int, int, int, int, int]
"""(exchange, connection, kind, detail, flags, at, bytes, a, b, c, d): one ``wire_event``, explained in csrc/wire.h."""

Request = tuple[int, int, int, int, int]
"""(exchange, path, path bytes, method, flags): one ``wire_request``; ``path`` is an offset into the arena."""

Decide = Callable[[Iterator[Event]], None]

_EVENT = struct.Struct("=QIHHIIIIIII4x")
_REQUEST = struct.Struct("=QIHBB")
_HEAD_ROOM_BYTES = 131_072
"""For a head in HTTP or in a frame: the longest that the limits allow, and an entry of four bytes for each field."""
_LIVELY_STEPS = 4
"""After a sign of life from tasks with sockets of their own: a few rounds of a peer's answer to what they wrote."""
_untouched = ffi.new_allocator(should_clear_after_alloc=False)
_YIELD_SECONDS = 0.001
"""Own work between two looks at what other tasks want."""


class EventKind(IntEnum):
    """What a step reports (``enum wire_event_kind``)."""

    BAD_REQUEST = lib.EVENT_BAD_REQUEST
    CLIENT_GONE = lib.EVENT_CLIENT_GONE
    EXPIRED = lib.EVENT_EXPIRED
    LOST = lib.EVENT_LOST
    REFUSED = lib.EVENT_REFUSED
    BAD_RESPONSE = lib.EVENT_BAD_RESPONSE
    FRAMED_OPENED = lib.EVENT_FRAMED_OPENED
    FRAMED_CLOSED = lib.EVENT_FRAMED_CLOSED
    FRAME = lib.EVENT_FRAME
    CALL = lib.EVENT_CALL
    STREAM = lib.EVENT_STREAM
    FRAMED_ROOM = lib.EVENT_FRAMED_ROOM
    TLS_INPUT = lib.EVENT_TLS_INPUT
    TLS_CLOSED = lib.EVENT_TLS_CLOSED


class WireResult(IntEnum):
    """What ``send``, ``answer``, ``cancel``, ``frame`` and ``close`` return (``enum wire_result``)."""

    OK = lib.WIRE_OK
    NO_EXCHANGE = lib.WIRE_NO_EXCHANGE
    NO_CONNECTION = lib.WIRE_NO_CONNECTION
    FULL = lib.WIRE_FULL
    NO_ROOM = lib.WIRE_NO_ROOM
    SYSTEM = lib.WIRE_SYSTEM
    INVALID = lib.WIRE_INVALID


class CloseCause(IntEnum):
    """Why a framed connection closed (``enum wire_close_cause``)."""

    EOF = lib.CLOSE_EOF
    ERROR = lib.CLOSE_ERROR
    PROTOCOL = lib.CLOSE_PROTOCOL
    ASKED = lib.CLOSE_ASKED


class HandBack(IntEnum):
    """How a handed-over connection is given back (``enum wire_hand_back_how``)."""

    KEEP = lib.HAND_BACK_KEEP
    LINGER = lib.HAND_BACK_LINGER
    CLOSE = lib.HAND_BACK_CLOSE
    RESET = lib.HAND_BACK_RESET


class Framing(IntEnum):
    """How the end of an answer's body is known (``enum http1_framing``; RFC 9112, section 6.3)."""

    LENGTH = lib.FRAMING_LENGTH
    CHUNKED = lib.FRAMING_CHUNKED
    NONE = lib.FRAMING_NONE
    UPGRADE = lib.FRAMING_UPGRADE


class SocketKind(IntEnum):
    """What speaks on a socket: HTTP clients, the same inside TLS, or frames."""

    EDGE = lib.SOCKET_EDGE
    FRAMED = lib.SOCKET_FRAMED
    EDGE_TLS = lib.SOCKET_EDGE_TLS


class KnownName(IntEnum):
    """Request fields that the head scanner knows (``enum http1_name``)."""

    HOST = lib.NAME_HOST
    TENANT = lib.NAME_TENANT
    CORRELATION_ID = lib.NAME_CORRELATION_ID
    REQUEST_ID = lib.NAME_REQUEST_ID
    TRACEPARENT = lib.NAME_TRACEPARENT
    TRACESTATE = lib.NAME_TRACESTATE
    REQUEST_TIMEOUT = lib.NAME_REQUEST_TIMEOUT
    EXPECT = lib.NAME_EXPECT
    UPGRADE = lib.NAME_UPGRADE
    FORWARDED = lib.NAME_FORWARDED
    X_FORWARDED_FOR = lib.NAME_X_FORWARDED_FOR
    X_FORWARDED_PROTO = lib.NAME_X_FORWARDED_PROTO


HEAD_HAS_TENANT: Final[int] = lib.HEAD_HAS_TENANT
HEAD_HAS_CORRELATION_ID: Final[int] = lib.HEAD_HAS_CORRELATION_ID
HEAD_HAS_REQUEST_ID: Final[int] = lib.HEAD_HAS_REQUEST_ID
HEAD_HAS_TRACEPARENT: Final[int] = lib.HEAD_HAS_TRACEPARENT
HEAD_HAS_TRACESTATE: Final[int] = lib.HEAD_HAS_TRACESTATE
HEAD_HAS_REQUEST_TIMEOUT: Final[int] = lib.HEAD_HAS_REQUEST_TIMEOUT
HEAD_ODD: Final[int] = lib.HEAD_ODD
HEAD_CLOSE: Final[int] = lib.HEAD_CLOSE
HEAD_HAS_FORWARDED: Final[int] = lib.HEAD_HAS_FORWARDED
HEAD_TAKES_TRAILERS: Final[int] = lib.HEAD_TAKES_TRAILERS
HEAD_HTTP_1_0: Final[int] = lib.HEAD_HTTP_1_0
HEAD_EXPECTS_CONTINUE: Final[int] = lib.HEAD_EXPECTS_CONTINUE
HEAD_CHUNKED: Final[int] = lib.HEAD_CHUNKED
HEAD_HAS_LENGTH: Final[int] = lib.HEAD_HAS_LENGTH
HEAD_UPGRADE: Final[int] = lib.HEAD_UPGRADE
HEAD_PLAIN: Final[int] = lib.HEAD_PLAIN
HEAD_UNUSUAL_PATH: Final[int] = lib.HEAD_UNUSUAL_PATH


def slot_of(connection: int) -> int:
    """Return the index of a framed connection into ``in_flight``, ``latency_us`` and ``unsent``."""
    return connection & 4095


class RequestHead(msgspec.Struct, frozen=True):
    """What the scanner read of a request's head (``http1_head``). flags: all ``HEAD_`` bits, those above 255 too."""

    verdict: int
    flags: int
    target: bytes
    path_bytes: int
    content_length: int


class Handed(msgspec.Struct, frozen=True):
    """A connection that was handed over.

    descriptor: to be read from and written to, and never closed; connection: the handle that it keeps; held: what came
    behind the request's head, or, behind a plain request, its body; closes: it is to close after this answer.
    """

    descriptor: int
    connection: int
    held: bytes
    closes: bool


class ForwardedFields(msgspec.Struct, frozen=True):
    """The client's fields that go on to the service: a field table and its text (docs/protocol.md, section 3)."""

    count: int
    block: bytes


class WireSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a wire (``wire_settings`` and ``http1_limits`` in csrc/wire.h and csrc/http1_head.h)."""

    edge_connections_max: int = 16_384
    framed_connections_max: int = 256
    exchanges_max: int = 65_536
    routes_max: int = 4_096
    framed_output_bytes_max: int = 4_194_304
    head_ms: int = 10_000
    body_bytes_per_second: int = 1_024
    idle_ms: int = 75_000
    idle_jitter_percent: int = 10
    write_ms: int = 30_000
    failure_us: int = 1_000_000
    tls_handshake_ms: int = 10_000
    linger_ms: int = 2_000
    connection_requests_max: int = 0
    connection_age_ms: int = 0
    connection_bytes_max: int = 0
    connections_per_address_max: int = 0
    keeps_malformed: int = 0
    head_bytes_max: int = 16_384
    fields_max: int = 100
    target_bytes_max: int = 8_192
    body_bytes_max: int = 65_536


_HTTP1_LIMITS = ("head_bytes_max", "fields_max", "target_bytes_max", "body_bytes_max")


def _native_settings(settings: WireSettings) -> Any:
    values = msgspec.structs.asdict(settings)
    limits = {name: values.pop(name) for name in _HTTP1_LIMITS}
    return ffi.new("wire_settings *", {**values, "http1": limits})


def _bind_frame(wire: Any) -> Callable[[int, int, int, int, bytes | memoryview], int]:
    """Return the function that writes frames. It is called for every answer, so what it needs is looked up once."""
    call, from_buffer = lib.wire_frame, ffi.from_buffer

    def frame(connection: int, frame_type: int, flags: int, exchange: int, payload: bytes | memoryview) -> int:
        """Write any frame to a framed connection; it goes out with the next flush."""
        given = payload if type(payload) is bytes else from_buffer("uint8_t[]", payload)
        result: int = call(wire, connection, frame_type, flags, exchange, given, len(payload))
        return result

    return frame


class Wire:
    """A set of sockets, drained and flushed in batches.

    Resource handling: ``listen`` and ``adopt`` take a socket over, whatever they return or raise. ``run`` closes
    everything when it ends, for whatever cause; calls after that find no exchange and no connection. Without ``run``,
    ``close_all`` does it.

    Error handling: decisions return a ``WireResult`` and do not raise: what they name may be gone at any moment, and
    that is no error.
    """

    def __init__(self, settings: WireSettings | None = None, *, linger_us: int = 200) -> None:
        """Make a wire with its bounds.

        Raises:
            OSError: memory or descriptors are short, or a setting is out of range.
        """
        self.settings = settings or WireSettings()
        self.linger_us = linger_us
        wire = lib.wire_new(_native_settings(self.settings))
        if wire == ffi.NULL:
            raise OSError(ffi.errno, f"cannot make a wire: {os.strerror(ffi.errno)}")
        self._wire = ffi.gc(wire, lib.wire_free)
        self.arena = ffi.buffer(lib.wire_arena(wire), lib.WIRE_ARENA_BYTES)
        # Slices of these are copies. Of a memoryview they would not be, but CPython 3.11 crashes when it collects an
        # iterator over one in a cycle, as the traceback of what decide raised is.
        self._events = ffi.buffer(lib.wire_events(wire), lib.WIRE_EVENTS_MAX * _EVENT.size)
        self._requests = ffi.buffer(lib.wire_requests(wire), lib.WIRE_EVENTS_MAX * _REQUEST.size)
        connections = self.settings.framed_connections_max
        self.in_flight = self._array(lib.wire_in_flight(wire), connections, "I")
        self.latency_us = self._array(lib.wire_latency_us(wire), connections, "f")
        self.unsent = self._array(lib.wire_unsent(wire), connections, "I")
        self._heard = self._array(lib.wire_heard(wire), connections, "I")
        self._head_bytes = ffi.new("const uint8_t **")
        self._id = ffi.new("uint8_t[]", lib.WIRE_ID_BYTES_MAX)
        self._handed = ffi.new("wire_handed *")
        self._head_room = _untouched("uint8_t[]", _HEAD_ROOM_BYTES)
        self._field_count = ffi.new("uint32_t *")
        self._body_at = ffi.new("uint32_t *")
        self._address = ffi.new("char[]", lib.WIRE_ADDRESS_BYTES_MAX)
        self._flusher: trio.lowlevel.Task | None = None
        self._flush_is_wanted = False
        self._yields_wanted = 0
        self._lively_steps = 0
        # Bound once: these are called for every request.
        self.send: Callable[[int, int, int, int, int, int], int] = partial(lib.wire_send, self._wire)
        self.flush: Callable[[], None] = partial(lib.wire_flush, self._wire)
        self.frame = _bind_frame(self._wire)
        self.tls = TlsPort(self._wire)

    @staticmethod
    def _array(pointer: Any, count: int, form: str) -> memoryview:
        return memoryview(ffi.buffer(pointer, count * 4)).cast("B").cast(cast("Any", form))

    # ---- sockets ----

    def listen(self, listener: socket.socket, kind: SocketKind) -> None:
        """Take over a listening socket.

        Raises:
            OSError: it cannot be watched, or there are 16 already.
        """
        listener.setblocking(False)
        descriptor = listener.detach()
        if lib.wire_listen(self._wire, descriptor, kind) != WireResult.OK:
            os.close(descriptor)
            raise OSError("cannot listen on one more socket")

    def stop_listening(self, kind: SocketKind) -> None:
        """Close the listening sockets of a kind. What is connected stays."""
        lib.wire_stop_listening(self._wire, kind)

    def adopt(self, connected: socket.socket, kind: SocketKind, *, dialled: bool = False) -> int:
        """Take over a connected stream socket and return its handle (0 for an edge socket).

        Raises:
            OSError: a bound of the settings is reached, or the socket cannot be watched.
        """
        connected.setblocking(False)
        handle = int(lib.wire_adopt(self._wire, connected.detach(), kind, dialled))
        if handle < 0:
            raise OSError(f"cannot take over the socket: {WireResult(handle).name.lower()}")
        return handle

    def close_all(self) -> None:
        """Close every descriptor. Nothing can be used after it but what tells figures."""
        lib.wire_shut(self._wire)

    # ---- decisions ----

    def answer(self, exchange: int, status: int, lines: bytes, body: bytes, close: bool) -> int:
        """Answer an undecided exchange; ``lines`` are whole field lines, each with its CRLF."""
        result: int = lib.wire_answer(self._wire, exchange, status, lines, len(lines), body, len(body), close)
        return result

    def cancel(self, exchange: int, reason: int) -> int:
        """Take a sent exchange back, with a CANCEL to its target; it is over if its client is gone, else undecided."""
        result: int = lib.wire_cancel(self._wire, exchange, reason)
        return result

    def close(self, connection: int) -> int:
        """Close a framed connection after a last try to send what waits."""
        result: int = lib.wire_close(self._wire, connection)
        return result

    def drain_edge(self, spread_ms: int = 0) -> None:
        """Close each client's connection at a random moment within the spread: when it is idle, or with its answer."""
        lib.wire_drain_edge(self._wire, spread_ms)

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set a context field of an undecided exchange."""
        result: int = lib.wire_set_context(self._wire, exchange, field, value, len(value))
        return result

    # ---- connections that are handed over ----

    def hand_over(self, exchange: int) -> Handed | None:
        """Take the connection of an undecided exchange of this batch out of the wire's hands; None: it is gone."""
        if lib.wire_hand_over(self._wire, exchange, self._handed) != WireResult.OK:
            return None
        handed = self._handed[0]
        held = bytes(ffi.buffer(handed.held, handed.held_bytes)) if handed.held_bytes else b""
        return Handed(handed.descriptor, handed.connection, held, bool(handed.closes))

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
        attempt: int = 1,
        body_length: int | None = None,
        upgrade: bytes = b"",
    ) -> int:
        """Send a handed-over exchange as a REQUEST frame; its frames then come as STREAM events."""
        length = b"" if body_length is None else b"%d" % body_length
        result: int = lib.wire_open(
            self._wire,
            exchange,
            connection,
            route,
            endpoint,
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
            _HEAD_ROOM_BYTES,
            self._body_at,
        )
        return (bytes(ffi.buffer(self._head_room, written)), self._body_at[0]) if written >= 0 else int(written)

    def answer_head(self, exchange: int, status: int, lines: bytes, body_bytes: int, *, close: bool) -> bytes:
        """Return the HTTP head of an answer of the gateway's own; empty when there is no such exchange."""
        written = lib.wire_answer_head(
            self._wire, exchange, status, lines, len(lines), body_bytes, close, self._head_room, _HEAD_ROOM_BYTES
        )
        return bytes(ffi.buffer(self._head_room, written)) if written > 0 else b""

    def trailers(self, at: int, count: int) -> bytes | int:
        """Return the trailer section that a TRAILERS frame of this batch makes; negative as for ``response_head``."""
        written = lib.wire_trailers(self._wire, at, count, self._head_room, _HEAD_ROOM_BYTES)
        return bytes(ffi.buffer(self._head_room, written)) if written >= 0 else int(written)

    def want_room(self, connection: int) -> int:
        """1: there is room for more DATA now. 0: FRAMED_ROOM or FRAMED_CLOSED will tell. Negative: it is gone."""
        result: int = lib.wire_want_room(self._wire, connection)
        return result

    # ---- looking ----

    def request_head(self, exchange: int) -> RequestHead | None:
        """Return what was read of the head of a request of this batch."""
        head = lib.wire_head(self._wire, exchange, self._head_bytes)
        if head == ffi.NULL:
            return None
        target = bytes(ffi.buffer(self._head_bytes[0] + head.target, head.target_bytes))
        return RequestHead(head.verdict, head.flags, target, head.path_bytes, head.content_length)

    def request_fields(self, exchange: int) -> ForwardedFields:
        """Return the fields of a request of this batch that go on to its service; none when it is gone."""
        count = lib.wire_forward(self._wire, exchange, self._head_room, _HEAD_ROOM_BYTES, self._field_count)
        if count < 0:
            return ForwardedFields(0, b"")
        return ForwardedFields(self._field_count[0], bytes(ffi.buffer(self._head_room, count)))

    def request_body(self, exchange: int) -> bytes:
        """Return the body of a plain request of this batch."""
        body = lib.wire_body(self._wire, exchange, self._field_count)
        return b"" if body == ffi.NULL else bytes(ffi.buffer(body, self._field_count[0]))

    def client_address(self, exchange: int) -> str:
        """Return the client's address, without port; empty when it has none or is gone."""
        count = lib.wire_client_address(self._wire, exchange, self._address)
        return bytes(ffi.buffer(self._address, count)).decode("ascii") if count > 0 else ""

    def age_ms(self, exchange: int) -> int:
        """Return the milliseconds since the first byte of the request; negative when there is no such exchange."""
        return int(lib.wire_age_ms(self._wire, exchange))

    def context(self, exchange: int, field: FieldId) -> bytes:
        """Return the request id or the correlation id of an exchange; empty when there is no such exchange."""
        count = lib.wire_get_context(self._wire, exchange, field, self._id)
        return bytes(ffi.buffer(self._id, count)) if count > 0 else b""

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

    def is_secured(self, exchange: int) -> bool:
        """Return whether the request came over TLS."""
        return bool(lib.wire_is_secured(self._wire, exchange))

    def peer(self, connection: int) -> str:
        """Return the peer's address, for logs; ``unknown`` when the connection is gone."""
        room = ffi.new("char[64]")
        count = lib.wire_peer(self._wire, connection, room, 64)
        return bytes(ffi.buffer(room, count)).decode("ascii") if count > 0 else "unknown"

    def frames_heard(self, connection: int) -> int:
        """Return how many frames came on a framed connection's slot, answers included; it wraps at 2^32."""
        return self._heard[slot_of(connection)]

    def sent_exchanges(self) -> list[int]:
        """Return the exchanges that are with a service."""
        ids = ffi.new("uint64_t[]", self.settings.exchanges_max)
        count: int = lib.wire_sent(self._wire, ids, self.settings.exchanges_max)
        return list(ffi.unpack(ids, count)) if count else []

    def counters(self) -> dict[str, int]:
        """Return ``wire_counters`` by name."""
        counters = lib.wire_count(self._wire)
        return {name: getattr(counters, name) for name, _ in ffi.typeof("wire_counters").fields}

    def route_statuses(self, route: int) -> tuple[int, ...]:
        """Return how many responses of a route had each status class; index 1 to 5."""
        return tuple(ffi.unpack(lib.wire_route_statuses(self._wire, route), 6))

    def route_latency(self, route: int) -> tuple[int, ...]:
        """Return the counts of a route's times to respond, by bucket (see csrc/wire.h); empty when there are none."""
        counts = lib.wire_route_latency(self._wire, route)
        return () if counts == ffi.NULL else tuple(ffi.unpack(counts, lib.WIRE_LATENCY_COUNTS))

    def reset_route(self, route: int) -> None:
        """Zero a route's counts, for an index that is given to another route."""
        lib.wire_route_reset(self._wire, route)

    def advance_clock(self, milliseconds: int) -> None:
        """Move the wire's clock ahead, so that a test need not wait."""
        lib.wire_advance_clock(self._wire, milliseconds)

    # ---- the loop ----

    def step(self, wait_us: int = 0) -> Iterator[Event]:
        """Take in what is ready and return its events. ``run`` does this; a test may drive the wire by hand."""
        count = lib.wire_step(self._wire, wait_us)
        if count < 0:
            raise OSError(ffi.errno, f"the wire cannot step: {os.strerror(ffi.errno)}")
        return cast("Iterator[Event]", _EVENT.iter_unpack(self._events[: count * _EVENT.size]))

    def requests(self) -> Iterator[Request]:
        """Return the requests of the step. To be looked at after its events: they say who is gone."""
        count = lib.wire_request_count(self._wire)
        return cast("Iterator[Request]", _REQUEST.iter_unpack(self._requests[: count * _REQUEST.size]))

    async def run(self, decide: Decide) -> NoReturn:
        """Step, decide and flush until cancelled; then close every socket."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._flush_when_asked)
                await self._turn(decide)
        finally:
            self.close_all()

    async def _turn(self, decide: Decide) -> NoReturn:
        wire, flush = self._wire, self.flush
        was_active, has_more, clock = lib.wire_was_active, lib.wire_has_more, time.monotonic
        descriptor = lib.wire_descriptor(wire)
        wait_us = 0
        await trio.lowlevel.checkpoint()
        yielded_at = clock()
        while True:
            decide(self.step(wait_us))
            flush()
            if was_active(wire) or has_more(wire):
                wait_us = 0 if self._lively_steps else self.linger_us
                self._lively_steps -= self._lively_steps > 0
                if self._yields_wanted or clock() - yielded_at > _YIELD_SECONDS:
                    self._yields_wanted -= self._yields_wanted > 0
                    await trio.lowlevel.checkpoint()
                    yielded_at = clock()
            else:
                await trio.lowlevel.wait_readable(descriptor)
                yielded_at = clock()
                wait_us = 0

    def yield_soon(self) -> None:
        """Let the tasks that ``decide`` has woken run now, or after one more step: Trio draws lots who is first."""
        self._yields_wanted = 2

    def tasks_are_lively(self) -> None:
        """Yield soon, and do not linger for a few steps: tasks have sockets of their own, unseen by the wire."""
        self._yields_wanted = 2
        self._lively_steps = _LIVELY_STEPS

    def flush_soon(self) -> None:
        """Flush once the tasks that are about to run have run: for tasks that call ``frame`` outside ``decide``."""
        if self._flush_is_wanted:
            return
        self._flush_is_wanted = True
        if self._flusher is not None:
            trio.lowlevel.reschedule(self._flusher)
            self._flusher = None

    async def _flush_when_asked(self) -> None:
        def give_up(_: object) -> trio.lowlevel.Abort:
            self._flusher = None
            return trio.lowlevel.Abort.SUCCEEDED

        while True:
            if not self._flush_is_wanted:
                self._flusher = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(give_up)
            self._flush_is_wanted = False
            self.flush()
            await trio.lowlevel.checkpoint()
