"""The loop of the wire beside other tasks: nobody waits long, nothing is flushed twice, it can always be cancelled."""

import socket
from collections.abc import Iterator

import trio
import trio.testing
from wire_support import BEAT, WAIT_S, nothing, pair

from frames.codec import encode_frame, scan
from frames.fields import encode_response
from frames.frame import END, CancelReason, FrameType
from frames.wire import Wire
from frames.wire_values import (
    CloseCause,
    Event,
    EventKind,
    ForwardedFields,
    HandBack,
    SocketKind,
    WireResult,
    WireSettings,
)


async def test_others_run_while_there_is_always_more_to_do() -> None:
    """Two ends in one wire send each other a frame for ever: no step is without an event."""
    wire = Wire(linger_us=5_000)
    ends = [wire.adopt(sock, SocketKind.FRAMED) for sock in socket.socketpair()]
    wire.frame(ends[0], FrameType.HEARTBEAT, 0, 0, BEAT)

    def decide(events: Iterator[Event]) -> None:
        for event in events:
            wire.frame(event[1], FrameType.HEARTBEAT, 0, 0, BEAT)

    passes = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        with trio.fail_after(WAIT_S):
            while passes < 50 or wire.counters()["frames_in"] < 1_000:
                await trio.lowlevel.checkpoint()
                passes += 1
        nursery.cancel_scope.cancel()
    # It goes through the scheduler now and then only, which is what lingering is for.
    assert wire.counters()["steps"] > passes


async def test_an_idle_loop_takes_no_turns() -> None:
    wire = Wire()
    near, far = pair()
    wire.adopt(near, SocketKind.FRAMED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, nothing)
        await trio.testing.wait_all_tasks_blocked()
        steps = wire.counters()["steps"]
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert wire.counters()["steps"] == steps
        nursery.cancel_scope.cancel()
    far.close()


async def test_who_is_woken_by_decide_runs_soon_when_that_is_asked() -> None:
    wire = Wire()
    ends = [wire.adopt(sock, SocketKind.FRAMED) for sock in socket.socketpair()]
    wire.frame(ends[0], FrameType.HEARTBEAT, 0, 0, BEAT)
    woken, steps_until_woken, steps = trio.Event(), [], 0

    def decide(events: Iterator[Event]) -> None:
        nonlocal steps
        steps += 1
        for event in events:
            wire.frame(event[1], FrameType.HEARTBEAT, 0, 0, BEAT)
        if not woken.is_set():
            steps = 0
            woken.set()
            wire.yield_soon()

    async def be_woken() -> None:
        nonlocal woken
        for _ in range(50):
            await woken.wait()
            steps_until_woken.append(steps)
            woken = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        with trio.fail_after(WAIT_S):
            await be_woken()
        nursery.cancel_scope.cancel()
    assert max(steps_until_woken) <= 1


async def test_frames_of_other_tasks_go_out_within_one_pass_and_together() -> None:
    wire = Wire()
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    flushes = 0
    flush = wire.flush

    def count_flush() -> None:
        nonlocal flushes
        flushes += 1
        flush()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, nothing)
        await trio.testing.wait_all_tasks_blocked()
        wire.flush = count_flush
        for _ in range(10):
            assert wire.frame(connection, FrameType.HEARTBEAT, 0, 0, BEAT) == WireResult.OK
            wire.flush_soon()
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        assert len(scan(far.recv(1 << 16)).frames) == 10
        assert flushes == 1
        await trio.testing.wait_all_tasks_blocked()
        wire.frame(connection, FrameType.HEARTBEAT, 0, 0, BEAT)
        wire.flush_soon()
        await trio.testing.wait_all_tasks_blocked()
        assert len(scan(far.recv(1 << 16)).frames) == 1
        nursery.cancel_scope.cancel()
    far.close()


async def test_what_was_asked_before_run_began_is_flushed() -> None:
    wire = Wire()
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    wire.frame(connection, FrameType.HEARTBEAT, 0, 0, BEAT)
    wire.flush_soon()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, nothing)
        await trio.testing.wait_all_tasks_blocked()
        assert len(scan(far.recv(1 << 16)).frames) == 1
        nursery.cancel_scope.cancel()
    far.close()


async def test_cancelling_ends_it_even_if_somebody_asks_to_flush_in_each_pass() -> None:
    wire = Wire()
    ended = False

    async def ask() -> None:
        with trio.fail_after(WAIT_S):
            while not ended:
                wire.flush_soon()
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as running:
                running.start_soon(wire.run, nothing)
                await trio.lowlevel.checkpoint()
                scope.cancel()
        ended = True


async def test_closing_a_connection_from_a_task_is_told_at_once() -> None:
    wire = Wire()
    near, far = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    closed = trio.Event()

    def decide(events: Iterator[Event]) -> None:
        for event in events:
            assert (event[1], event[2], event[3]) == (connection, EventKind.FRAMED_CLOSED, CloseCause.ASKED)
            closed.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        await trio.testing.wait_all_tasks_blocked()
        wire.close(connection)
        with trio.fail_after(WAIT_S):
            await closed.wait()
        nursery.cancel_scope.cancel()
    far.close()


async def test_moving_the_clock_is_noticed_by_a_loop_that_waits() -> None:
    wire = Wire(WireSettings(idle_ms=1_000, idle_jitter_percent=0))
    near, far = pair()
    wire.adopt(near, SocketKind.EDGE)
    end = trio.socket.from_stdlib_socket(far)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, nothing)
        await trio.testing.wait_all_tasks_blocked()
        wire.advance_clock(1_100)
        with trio.fail_after(0.9):
            assert await end.recv(1) == b""
        nursery.cancel_scope.cancel()
    assert wire.counters()["edge_idle_closed"] == 1
    end.close()


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_connection_that_a_task_gives_back_is_looked_at_at_once() -> None:
    """What came back with it is a request, and so is what it left in the socket; neither waits for another event."""
    wire = Wire()
    near, far = pair()
    wire.adopt(near, SocketKind.EDGE)
    to_task, asked = trio.open_memory_channel[int](1)

    def decide(events: Iterator[Event]) -> None:
        nothing(events)
        for exchange, *_ in wire.requests():
            assert wire.hand_over(exchange) is not None
            to_task.send_nowait(exchange)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        far.send(GET)
        with trio.fail_after(WAIT_S):
            for rest, unread in ((GET, b""), (b"", GET), (GET[:5], GET[5:]), (b"", b"")):
                exchange = await asked.receive()
                far.send(unread)
                await trio.testing.wait_all_tasks_blocked()
                assert wire.hand_back(exchange, HandBack.KEEP, rest, len(rest)) == WireResult.OK
        await trio.testing.wait_all_tasks_blocked()
        assert wire.counters()["requests"] == 4
        nursery.cancel_scope.cancel()
    far.close()


async def test_what_a_task_hands_in_is_answered_and_expires_although_nobody_flushes() -> None:
    wire = Wire()
    near, far = pair()
    edge_near, client = pair()
    wire.adopt(edge_near, SocketKind.EDGE)
    connection = wire.adopt(near, SocketKind.FRAMED)
    to_task, asked = trio.open_memory_channel[int](1)
    expired = trio.Event()

    def decide(events: Iterator[Event]) -> None:
        for event in events:
            assert event[2] == EventKind.EXPIRED
            assert wire.cancel(event[0], CancelReason.DEADLINE) == WireResult.OK
            wire.answer(event[0], 504, b"", b"", False)
            expired.set()
        for exchange, *_ in wire.requests():
            assert wire.hand_over(exchange) is not None
            to_task.send_nowait(exchange)

    async def hand_in() -> int:
        client.send(GET)
        exchange = await asked.receive()
        await trio.testing.wait_all_tasks_blocked()
        opened = wire.open(exchange, connection, 0, 1, 900, b"/", ForwardedFields(0, b""), end=True)
        assert opened == wire.hand_in(exchange, b"", 0, 60_000) == WireResult.OK
        await trio.testing.wait_all_tasks_blocked()
        return exchange

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        with trio.fail_after(WAIT_S):
            answered = await hand_in()
            far.send(encode_frame(FrameType.RESPONSE, END, answered, encode_response(200)))
            await trio.testing.wait_all_tasks_blocked()
            await trio.lowlevel.wait_readable(client)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
            await hand_in()
            wire.advance_clock(60_100)
            await expired.wait()
            await trio.lowlevel.wait_readable(client)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 504 ")
        nursery.cancel_scope.cancel()
    far.close()
    client.close()
