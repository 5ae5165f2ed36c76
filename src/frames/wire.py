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
from functools import partial
from typing import Any, NoReturn, cast

import msgspec
import trio

from frames._native import ffi, lib
from frames.record_calls import RecordCalls
from frames.tls_port import TlsPort
from frames.wire_values import (
    Decide,
    Event,
    Request,
    SocketKind,
    WireResult,
    WireSettings,
    slot_of,
)

_EVENT = struct.Struct("=QIHHIIIIIII4x")
_REQUEST = struct.Struct("=QIHBB")
_LIVELY_STEPS = 4
"""After a sign of life from tasks with sockets of their own: a few rounds of a peer's answer to what they wrote."""
_YIELD_SECONDS = 0.001
"""Own work between two looks at what other tasks want."""

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


class Wire(RecordCalls):
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
        super().__init__(ffi.gc(wire, lib.wire_free))
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
        self.gauge_answers = self._array(lib.wire_gauge_answers(wire), lib.WIRE_GAUGES_MAX, "I")
        self.route_in_flight = self._array(lib.wire_route_in_flight(wire), self.settings.routes_max, "I")
        self.group_in_flight = self._array(lib.wire_group_in_flight(wire), lib.WIRE_GROUPS_MAX, "I")
        self.on_turn: list[Callable[[], None]] = []
        """Called after each ``decide``; each may take itself out. To be kept empty while there is no need."""
        self._flusher: trio.lowlevel.Task | None = None
        self._flush_is_wanted = False
        self._yields_wanted = 0
        self._lively_steps = 0
        # Bound once: these are called for every request.
        self.send: Callable[[int, int, int, int, int, int, int, int, Any], int] = partial(lib.wire_send, self._wire)
        """(exchange, connection, route, endpoint, gauge, how, deadline_ms, attempt_ms, identity).

        how: of `SendHow`; identity: NO_IDENTITY, or of make_identity. MAY_STREAM: the answer may turn out to stream
        (`take_over`); KEEP: ``again`` can send it, where ``facts`` tell that it was kept. attempt_ms: 0 for none.
        """
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

    def hold_accepting(self, holds: bool) -> None:
        """Accept no client until this is called again: who comes waits in the kernel's queue, or goes elsewhere."""
        lib.wire_hold_accepting(self._wire, holds)

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

    def begin(self, method: int) -> int:
        """Begin an exchange that no client has asked (``Method``), for ``open``. Its id, or 0: no room."""
        exchange: int = lib.wire_begin(self._wire, method)
        return exchange

    def end(self, exchange: int) -> int:
        """End an exchange that ``begin`` began. ``cancel`` it before, where it is with a service."""
        result: int = lib.wire_end(self._wire, exchange)
        return result

    def close(self, connection: int) -> int:
        """Close a framed connection after a last try to send what waits."""
        result: int = lib.wire_close(self._wire, connection)
        return result

    def drain_edge(self, spread_ms: int = 0) -> None:
        """Close each client's connection at a random moment within the spread: when it is idle, or with its answer."""
        lib.wire_drain_edge(self._wire, spread_ms)

    # ---- looking ----

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
        away = lib.wire_away
        descriptor = lib.wire_descriptor(wire)
        wait_us = 0
        await trio.lowlevel.checkpoint()
        yielded_at = clock()
        while True:
            decide(self.step(wait_us))
            if self.on_turn:
                for look in tuple(self.on_turn):
                    look()
            flush()
            if was_active(wire) or has_more(wire):
                wait_us = 0 if self._lively_steps else self.linger_us
                self._lively_steps -= self._lively_steps > 0
                if self._yields_wanted or clock() - yielded_at > _YIELD_SECONDS:
                    self._yields_wanted -= self._yields_wanted > 0
                    left_at = clock()
                    await trio.lowlevel.checkpoint()
                    yielded_at = clock()
                    away(wire, int((yielded_at - left_at) * 1_000_000))
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
