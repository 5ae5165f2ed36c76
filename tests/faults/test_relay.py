"""The relay by itself: what it says it does to bytes, it does, and to nothing else."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from relay import Direction, Fault, Kind, Relay, open_relay

SENT = bytes(range(256)) * 8


@asynccontextmanager
async def between(fault: Fault | None) -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream, Relay]]:
    """The two ends of a connection through a relay: who has connected, and who was connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(server))
        async with open_relay(server.getsockname(), fault) as (relay, port):
            near = await trio.open_tcp_stream("127.0.0.1", port)
            with trio.fail_after(10):
                far = await listener.accept()
            async with near, far:
                yield near, far, relay


async def read_all(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(10):
        return b"".join([part async for part in stream])


@pytest.mark.parametrize("kind", [Kind.LATENCY, Kind.JITTER, Kind.SLICING])
@pytest.mark.parametrize("after", [0, 100])
async def test_what_only_delays_changes_nothing(kind: Kind, after: int) -> None:
    async with between(Fault(kind, after_bytes=after, milliseconds=1)) as (near, far, _):
        await near.send_all(SENT)
        await near.send_eof()
        assert await read_all(far) == SENT
        await far.send_all(SENT)
        await far.send_eof()
        assert await read_all(near) == SENT


async def test_slow_is_a_rate() -> None:
    async with between(Fault(Kind.SLOW, bytes_per_second=5_000, after_bytes=1_548)) as (near, far, _):
        began = trio.current_time()
        await near.send_all(SENT)
        await near.send_eof()
        assert await read_all(far) == SENT
        assert trio.current_time() - began > 0.09  # 500 bytes at 5,000 a second


@pytest.mark.parametrize("direction", Direction)
async def test_a_cut_is_an_end_at_both_sides_behind_the_bytes_that_pass(direction: Direction) -> None:
    async with between(Fault(Kind.CUT, direction, 100)) as (near, far, _):
        sender, receiver = (near, far) if direction is Direction.UP else (far, near)
        await sender.send_all(SENT)
        assert await read_all(receiver) == SENT[:100]
        assert await read_all(sender) == b""


async def test_a_reset_is_one_at_both_sides() -> None:
    async with between(Fault(Kind.RESET, after_bytes=100)) as (near, far, _):
        await near.send_all(SENT)
        for one in (near, far):
            with pytest.raises(trio.BrokenResourceError):
                await read_all(one)


async def test_a_half_close_ends_one_direction_alone() -> None:
    async with between(Fault(Kind.HALF_CLOSE, after_bytes=100)) as (near, far, _):
        await near.send_all(SENT)
        assert await read_all(far) == SENT[:100]
        await far.send_all(SENT)
        await far.send_eof()
        assert await read_all(near) == SENT


async def test_a_black_hole_lets_nothing_more_pass_and_tells_nobody() -> None:
    async with between(Fault(Kind.BLACK_HOLE, after_bytes=100)) as (near, far, _):
        await near.send_all(SENT)
        assert await far.receive_some(1_000) == SENT[:100]
        with trio.move_on_after(0.05) as waited:
            await far.receive_some(1)
        assert waited.cancelled_caught
        await far.send_all(b"back")
        assert await near.receive_some(10) == b"back"


async def test_bytes_are_counted_from_when_it_was_armed_and_what_ends_waits_until_it_is_time() -> None:
    async with between(None) as (near, far, relay):
        await near.send_all(SENT)
        assert await far.receive_some(len(SENT)) == SENT
        is_time = False
        relay.arm(Fault(Kind.CUT, after_bytes=10), lambda: is_time)
        await near.send_all(SENT)
        assert await far.receive_some(1_000) == SENT[:10]
        is_time = True
        assert await read_all(far) == b""
