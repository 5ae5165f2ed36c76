"""The wire as a citizen of Trio: who runs when, who closes what, and what is returned. Its bytes are tested in C."""

import gc
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import trio
import trio.testing
from wire_support import BEAT, WAIT_S, descriptors, has_ended, listening, nothing, pair

from frames.codec import encode_frame, scan
from frames.frame import END, FieldId, FrameType
from frames.wire import Wire
from frames.wire_values import (
    NO_IDENTITY,
    CloseCause,
    Event,
    EventKind,
    Framing,
    HandBack,
    KnownName,
    SocketKind,
    WireResult,
    WireSettings,
    slot_of,
)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire(WireSettings(edge_connections_max=4, framed_connections_max=4, exchanges_max=8, routes_max=4))
    yield wire
    wire.close_all()


# ---- lifetimes ----


async def test_cancelling_closes_everything() -> None:
    near, far = pair()
    edge_near, edge_far = pair()
    listener, address = listening()
    before = descriptors() - {str(sock.fileno()) for sock in (near, edge_near, listener)}
    wire = Wire()
    wire.adopt(near, SocketKind.FRAMED)
    wire.adopt(edge_near, SocketKind.EDGE)
    wire.listen(listener, SocketKind.EDGE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, nothing)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert has_ended(far)
    assert has_ended(edge_far)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert descriptors() == before
    for sock in (far, edge_far):
        sock.close()


async def test_what_decide_raises_ends_the_run_and_closes_everything(wire: Wire) -> None:
    near, far = pair()
    wire.adopt(near, SocketKind.FRAMED)
    far.send(encode_frame(FrameType.HEARTBEAT, 0, 0, BEAT))

    def decide(events: Iterator[Event]) -> None:
        for _ in events:
            raise LookupError("a bug of the caller's")

    with trio.fail_after(WAIT_S), pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        await wire.run(decide)
    far.recv(1 << 16)
    assert has_ended(far)
    far.close()


async def test_run_once_closed_raises_and_does_not_spin(wire: Wire) -> None:
    wire.close_all()
    with trio.fail_after(WAIT_S), pytest.RaisesGroup(OSError, flatten_subgroups=True):
        await wire.run(nothing)


def test_without_run_close_all_closes(wire: Wire) -> None:
    near, far = pair()
    wire.adopt(near, SocketKind.FRAMED)
    wire.close_all()
    assert has_ended(far)
    wire.close_all()
    far.close()


def test_a_wire_that_is_forgotten_closes_its_sockets() -> None:
    before = descriptors()
    near, far = pair()
    wire = Wire()
    wire.adopt(near, SocketKind.FRAMED)
    del wire
    gc.collect()
    assert has_ended(far)
    far.close()
    assert descriptors() == before


AFTER_THE_END: dict[str, tuple[Callable[[Wire], object], object]] = {
    "send": (lambda wire: wire.send(1, 1, 0, 0, 0, 0, 100, 0, NO_IDENTITY), WireResult.NO_EXCHANGE),
    "answer": (lambda wire: wire.answer(1, 200, b"", b"", False), WireResult.NO_EXCHANGE),
    "cancel": (lambda wire: wire.cancel(1, 1), WireResult.NO_EXCHANGE),
    "set_context": (lambda wire: wire.set_context(1, FieldId.TENANT, b"a"), WireResult.NO_EXCHANGE),
    "frame": (lambda wire: wire.frame(1, FrameType.HEARTBEAT, 0, 0, BEAT), WireResult.NO_CONNECTION),
    "close": (lambda wire: wire.close(1), WireResult.NO_CONNECTION),
    "context": (lambda wire: wire.context(1, FieldId.REQUEST_ID), b""),
    "request_field": (lambda wire: wire.request_field(1, KnownName.HOST), None),
    "peer": (lambda wire: wire.peer(1), "unknown"),
    "flush": (lambda wire: wire.flush(), None),
    "flush_soon": (lambda wire: wire.flush_soon(), None),
    "drain_edge": (lambda wire: wire.drain_edge(), None),
    "stop_listening": (lambda wire: wire.stop_listening(SocketKind.EDGE), None),
    "advance_clock": (lambda wire: wire.advance_clock(100_000), None),
    "reset_route": (lambda wire: wire.reset_route(0), None),
    "route_latency": (lambda wire: wire.route_latency(0), ()),
    "route_statuses": (lambda wire: wire.route_statuses(0), (0,) * 6),
    "in_flight": (lambda wire: sum(wire.in_flight) + sum(wire.unsent), 0),
    "counters": (lambda wire: wire.counters()["framed_open_now"], 0),
}


@pytest.mark.parametrize(("call", "result"), AFTER_THE_END.values(), ids=AFTER_THE_END)
def test_every_call_is_safe_after_the_end(wire: Wire, call: Callable[[Wire], object], result: object) -> None:
    near, far = pair()
    wire.adopt(near, SocketKind.FRAMED)
    edge_near, edge_far = pair()
    wire.adopt(edge_near, SocketKind.EDGE)
    edge_far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    nothing(wire.step(1000))
    wire.close_all()
    assert call(wire) == result
    with pytest.raises(OSError, match="cannot step"):
        wire.step()
    far.close()
    edge_far.close()


def test_sockets_are_taken_over_and_closed_even_after_the_end(wire: Wire) -> None:
    wire.close_all()
    before = descriptors()
    listener, _ = listening()
    with pytest.raises(OSError, match="cannot listen"):
        wire.listen(listener, SocketKind.EDGE)
    for kind in SocketKind:
        near, far = pair()
        with pytest.raises(OSError, match="cannot take over the socket"):
            wire.adopt(near, kind)
        far.close()
    assert descriptors() == before


# ---- bounds ----


@pytest.mark.parametrize(
    "setting",
    [
        {"edge_connections_max": 0},
        {"framed_connections_max": 4_097},
        {"exchanges_max": 0},
        {"routes_max": 65_537},
        {"fields_max": 129},
        {"head_bytes_max": 65_537},
        {"target_bytes_max": 8_193},
        {"body_bytes_per_second": 0},
    ],
)
def test_a_setting_out_of_its_range(setting: dict[str, int]) -> None:
    before = descriptors()
    with pytest.raises(OSError, match="cannot make a wire: Invalid argument"):
        Wire(WireSettings(**setting))
    assert descriptors() == before


@pytest.mark.parametrize("kind", SocketKind)
def test_one_connection_too_many(wire: Wire, kind: SocketKind) -> None:
    fars = []
    for _ in range(4):
        near, far = pair()
        handle = wire.adopt(near, kind)
        assert (handle > 0) == (kind is SocketKind.FRAMED)
        fars.append(far)
    near, far = pair()
    with pytest.raises(OSError, match="no_room"):
        wire.adopt(near, kind)
    assert has_ended(far)
    assert not any(has_ended(one) for one in fars)
    for one in (far, *fars):
        one.close()


def test_one_listener_too_many(wire: Wire) -> None:
    before = descriptors()
    for _ in range(16):
        wire.listen(listening()[0], SocketKind.EDGE)
    listener, address = listening()
    with pytest.raises(OSError, match="cannot listen on one more socket"):
        wire.listen(listener, SocketKind.EDGE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    wire.stop_listening(SocketKind.EDGE)
    assert descriptors() == before
    wire.listen(listening()[0], SocketKind.EDGE)


class NotASocket(socket.socket):
    """A descriptor that epoll does not take, in a socket's clothes."""

    def __init__(self) -> None:
        super().__init__()
        plain = os.open("/dev/null", os.O_RDONLY)
        os.dup2(plain, self.fileno())
        os.close(plain)

    def setblocking(self, flag: bool) -> None:
        pass


def test_what_cannot_be_watched_is_closed_and_said(wire: Wire) -> None:
    before = descriptors()
    for kind in SocketKind:
        with pytest.raises(OSError, match="cannot take over the socket: system"):
            wire.adopt(NotASocket(), kind)
        with pytest.raises(OSError, match="cannot listen"):
            wire.listen(NotASocket(), kind)
    assert descriptors() == before


# ---- results ----


def test_results_of_an_exchange(wire: Wire) -> None:
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    edge_near, edge_far = pair()
    wire.adopt(edge_near, SocketKind.EDGE)
    edge_far.send(b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-Tenant-Id: acme\r\n\r\n")
    assert list(wire.step(1000)) == []
    ((exchange, at, count, method, flags),) = wire.requests()
    assert (wire.arena[at : at + count], method, flags) == (b"/a", 1, 2)
    assert wire.request_field(exchange, KnownName.TENANT) == b"acme"
    assert wire.request_field(exchange, KnownName.REQUEST_ID) is None
    assert wire.set_context(exchange, FieldId.TENANT, b"") == WireResult.INVALID
    assert wire.set_context(exchange, FieldId.REQUEST_ID, b"r" * 65) == WireResult.INVALID
    assert wire.set_context(exchange, FieldId.TRACE, b"short") == WireResult.INVALID
    assert wire.set_context(exchange, FieldId.REQUEST_ID, b"r-1") == WireResult.OK
    assert wire.context(exchange, FieldId.REQUEST_ID) == b"r-1"
    assert len(wire.context(exchange, FieldId.CORRELATION_ID)) == 32
    assert wire.context(exchange, FieldId.TENANT) == b""
    assert wire.answer(exchange, 199, b"", b"", False) == WireResult.INVALID
    assert wire.answer(exchange, 600, b"", b"", False) == WireResult.INVALID
    assert wire.send(exchange, connection + 1, 0, 0, 0, 0, 100, 0, NO_IDENTITY) == WireResult.NO_CONNECTION
    assert wire.send(exchange, connection, 4, 0, 0, 0, 100, 0, NO_IDENTITY) == WireResult.INVALID
    assert wire.send(exchange, connection, 3, 7, 0, 0, 100, 0, NO_IDENTITY) == WireResult.OK
    assert wire.send(exchange, connection, 3, 7, 0, 0, 100, 0, NO_IDENTITY) == WireResult.NO_EXCHANGE
    assert wire.answer(exchange, 200, b"", b"", False) == WireResult.NO_EXCHANGE
    assert wire.in_flight[slot_of(connection)] == 1
    wire.flush()
    (frame,) = scan(far.recv(1 << 16)).frames
    assert (frame.type, frame.exchange, frame.endpoint) == (FrameType.REQUEST, exchange, 7)
    far.send(encode_frame(FrameType.RESPONSE, END, exchange, b"\0\xc8\0\0"))
    assert list(wire.step(1000)) == []
    assert edge_far.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    assert wire.cancel(exchange, 1) == WireResult.NO_EXCHANGE
    assert wire.route_statuses(3) == (0, 0, 1, 0, 0, 0)
    assert sum(wire.route_latency(3)) == 1
    assert wire.route_latency(2) == ()
    assert wire.latency_us[slot_of(connection)] > 0
    wire.reset_route(3)
    assert sum(wire.route_statuses(3)) + sum(wire.route_latency(3)) == 0
    for sock in (far, edge_far):
        sock.close()


def test_a_request_that_is_refused_and_an_exchange_that_is_lost(wire: Wire) -> None:
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    edge_near, edge_far = pair()
    wire.adopt(edge_near, SocketKind.EDGE)
    edge_far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    nothing(wire.step(1000))
    ((exchange, *_),) = wire.requests()
    wire.send(exchange, connection, 0, 0, 0, 0, 100, 0, NO_IDENTITY)
    far.close()
    lost, closed = list(wire.step(1000))
    assert (lost[2], lost[0], lost[3]) == (EventKind.LOST, exchange, CloseCause.EOF)
    assert (closed[2], closed[1], closed[3]) == (EventKind.FRAMED_CLOSED, connection, CloseCause.EOF)
    assert wire.answer(exchange, 502, b"a: b\r\n", b"body", True) == WireResult.OK
    said = edge_far.recv(1 << 16)
    assert said.startswith(b"HTTP/1.1 502 ")
    assert b"\r\na: b\r\n" in said
    assert said.endswith(b"\r\n\r\nbody")
    edge_far.close()


def test_frames_over_the_bound_of_a_connection() -> None:
    wire = Wire(WireSettings(framed_output_bytes_max=1_000_000))
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    assert wire.frame(connection, FrameType.DATA, 0, 1, bytes(1_048_577)) == WireResult.FULL
    assert wire.frame(connection, FrameType.DATA, 0, 1, bytes(1_000_000)) == WireResult.FULL
    assert wire.frame(connection, FrameType.DATA, 0, 1, bytes(999_000)) == WireResult.OK
    assert wire.unsent[slot_of(connection)] == 999_016
    assert wire.frame(connection, FrameType.DATA, 0, 1, bytes(1_000)) == WireResult.FULL
    assert wire.frame(connection, 256, 0, 1, b"") == WireResult.INVALID
    assert wire.frame(connection, FrameType.DATA, 256, 1, b"") == WireResult.INVALID
    wire.close_all()
    far.close()


async def test_peers_are_named(wire: Wire) -> None:
    listener, address = listening()
    wire.listen(listener, SocketKind.FRAMED)
    with socket.create_connection(address) as far:
        ((_, connection, kind, *_),) = wire.step(100_000)
        assert kind == EventKind.FRAMED_OPENED
        assert wire.peer(connection) == f"127.0.0.1:{far.getsockname()[1]}"
        assert wire.close(connection) == WireResult.OK
        assert wire.close(connection) == WireResult.NO_CONNECTION
        assert wire.peer(connection) == "unknown"


# ---- what is said of it ----


def test_constants_are_those_of_the_c_side() -> None:
    assert slot_of((7 << 12) | 5) == 5
    assert sorted(EventKind) == list(range(2, 2 + len(EventKind)))
    assert sorted(WireResult) == list(range(-8, 1))
    assert sorted(KnownName) == [1, 2, 3, 4, 8, 9, *range(14, 23)]
    assert sorted(HandBack) == list(range(4))
    assert sorted(Framing) == list(range(4))


@pytest.mark.parametrize("module", ["frames", "frames.codec", "frames.session", "frames.greeting"])
def test_frames_can_be_had_without_trio(module: str) -> None:
    code = f"import sys, {module}; sys.exit('trio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
