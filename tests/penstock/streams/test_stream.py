"""Streams on a wire that only writes down: credit at the bound, cancellation at each wait, peers that break rules."""

import itertools
from collections.abc import Callable

import pytest
import trio
import trio.testing
from stream_support import CONNECTION, FakePort, cancelled_at

from frames.codec import encode_credit, encode_trailers
from frames.frame import END, FieldId, FrameType
from frames.limits import CREDIT_SUM_MAX, DATA_BYTES_MAX
from penstock import inflow, outflow
from penstock.errors import StreamBroken, StreamCause, StreamMisuse
from penstock.stream import Stream

CHECKSUM = [(FieldId.NAMED, b"x-checksum", b"1")]


@pytest.fixture
def port() -> FakePort:
    return FakePort()


# ---- reading ----


async def test_the_body_is_read_in_order_and_to_its_end(port: FakePort) -> None:
    stream = port.stream()
    stream.take_first(b"first ")
    stream.take_data(b"x" * 5000)
    stream.take_data(b"last", END)
    assert b"".join([chunk async for chunk in stream]) == b"first " + b"x" * 5000 + b"last"
    assert await stream.receive() is None
    assert stream.has_received_end
    assert stream.received_bytes == 5010


async def test_a_reader_is_woken_by_what_comes(port: FakePort, autojump_clock: trio.abc.Clock) -> None:
    stream = port.stream()
    got: list[bytes] = []

    async def read() -> None:
        got.extend([chunk async for chunk in stream])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            stream.take_data(b"ab")
        await trio.testing.wait_all_tasks_blocked()
        stream.take_trailers(CHECKSUM)
    assert got == [b"ab"] * 3
    assert stream.trailers == CHECKSUM


async def test_single_bytes_are_joined(port: FakePort) -> None:
    stream = port.stream()
    for _ in range(10_000):
        stream.take_data(b"x")
    chunk = await stream.receive()
    assert chunk is not None
    assert len(chunk) == inflow.JOINED_BYTES_MAX


async def test_what_was_read_is_granted_in_steps_of_half_a_window(port: FakePort) -> None:
    stream = port.stream(receive_window=100)
    stream.take_data(b"x" * 49)
    await stream.receive()
    assert port.granted == 0
    stream.take_data(b"x")
    await stream.receive()
    assert port.frames == [(FrameType.CREDIT, 0, encode_credit(50))]
    stream.take_data(b"x" * 100)  # the whole window again
    assert stream.cause is None
    await stream.receive()
    assert port.granted == 150


async def test_nothing_is_granted_after_the_end(port: FakePort) -> None:
    stream = port.stream(receive_window=100)
    stream.take_data(b"x" * 60)
    stream.take_data(b"x" * 40, END)
    assert [chunk async for chunk in stream]
    assert not port.frames


async def test_a_window_of_one_byte_moves(port: FakePort) -> None:
    stream = port.stream(receive_window=1)
    for _ in range(3):
        stream.take_data(b"x")
        assert await stream.receive() == b"x"
    assert port.granted == 3


async def test_data_is_taken_up_to_the_credit_and_not_a_byte_beyond(port: FakePort) -> None:
    stream = port.stream(receive_window=100)
    stream.take_first(b"f" * 1000)  # in the frame itself: needs none
    stream.take_data(b"x" * 100)
    assert stream.cause is None
    stream.take_data(b"x")
    assert stream.cause is StreamCause.CREDIT_EXCEEDED
    with pytest.raises(StreamBroken, match="credit_exceeded"):
        await stream.receive()


async def test_a_grant_without_room_is_made_up_for(port: FakePort, autojump_clock: trio.abc.Clock) -> None:
    stream = port.stream(receive_window=10)
    stream.take_data(b"x" * 10)
    port.is_full = True
    assert await stream.receive() == b"x" * 10
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive)
        await trio.testing.wait_all_tasks_blocked()
        port.is_full = False
        await trio.sleep(1)
        assert port.granted == 10
        stream.take_data(b"", END)


@pytest.mark.parametrize("number", range(1, 8))
async def test_a_cancelled_receive_has_taken_nothing(
    port: FakePort, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflow, "YIELD_S", -1.0)  # a checkpoint at each
    stream = port.stream(receive_window=8)
    got: list[bytes] = []

    async def read() -> None:
        async for chunk in stream:
            got.append(chunk)  # one by one: it may be cancelled

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed, stream)
        await cancelled_at(number, read)
        rest = [chunk async for chunk in stream]
    assert b"".join(got + rest) == b"0123456789"
    assert port.granted >= 4


async def feed(stream: Stream) -> None:
    for index in range(10):
        await trio.testing.wait_all_tasks_blocked(0.0)
        stream.take_data(b"%d" % index, END if index == 9 else 0)


async def test_two_readers_are_a_mistake(port: FakePort) -> None:
    stream = port.stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive()
        stream.take_data(b"", END)


def test_reading_without_waiting(port: FakePort) -> None:
    async def main() -> None:
        stream = port.stream()
        assert stream.receive_nowait() is None
        stream.take_data(b"x")
        assert stream.receive_nowait() == b"x"
        stream.close(StreamCause.LOST)
        with pytest.raises(StreamBroken, match="lost"):
            stream.receive_nowait()

    trio.run(main)


# ---- writing ----


async def test_a_body_is_cut_into_pieces(port: FakePort) -> None:
    stream = port.stream()
    await stream.send(b"x" * (2 * DATA_BYTES_MAX + 1))
    await stream.send(memoryview(b"yy"))
    await stream.send(b"")
    await stream.end()
    await stream.end()  # once is enough
    assert [len(piece) for piece in port.sent()] == [DATA_BYTES_MAX, DATA_BYTES_MAX, 1, 2, 0]
    assert [flags for _, flags, _ in port.frames] == [0, 0, 0, 0, END]
    assert stream.sent_bytes == 2 * DATA_BYTES_MAX + 3
    assert port.flushes


@pytest.mark.parametrize("size", [0, 1, DATA_BYTES_MAX + 1])
async def test_the_last_piece_may_carry_the_end(port: FakePort, size: int) -> None:
    stream = port.stream()
    await stream.send(b"x" * size, end=True)
    assert [flags for _, flags, _ in port.frames][-1] == END
    assert sum(map(len, port.sent())) == size
    assert stream.has_sent_end


async def test_trailers_end_the_body(port: FakePort) -> None:
    stream = port.stream()
    await stream.end(CHECKSUM)
    assert port.frames == [(FrameType.TRAILERS, END, encode_trailers(CHECKSUM))]
    with pytest.raises(StreamMisuse, match="ended already"):
        await stream.send(b"x")
    with pytest.raises(StreamMisuse, match="ended already"):
        await stream.end(CHECKSUM)


async def test_a_sender_waits_for_credit_exactly(port: FakePort) -> None:
    stream = port.stream(send_credit=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send, b"x" * 17)
        await trio.testing.wait_all_tasks_blocked()
        assert [len(piece) for piece in port.sent()] == [10]
        stream.take_frame(FrameType.CREDIT, 0, encode_credit(6))
        await trio.testing.wait_all_tasks_blocked()
        assert [len(piece) for piece in port.sent()] == [10, 6]
        stream.take_credit(1)
    assert stream.sent_bytes == 17
    assert stream.credit == 0
    await stream.end()  # needs none


async def test_the_credit_can_be_asked_for(port: FakePort) -> None:
    stream = port.stream(send_credit=10)
    assert await stream.wait_credit() == 10
    stream.close(StreamCause.CANCELLED)
    with pytest.raises(StreamBroken, match="cancelled"):
        await stream.wait_credit()


async def test_two_writers_are_a_mistake(port: FakePort) -> None:
    stream = port.stream(send_credit=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send, b"x")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.send(b"y")
        with pytest.raises(trio.BusyResourceError):
            await stream.end()
        with pytest.raises(trio.BusyResourceError):
            await stream.wait_credit()
        stream.take_credit(1)


@pytest.mark.parametrize("number", range(1, 14))
async def test_a_cancelled_send_has_written_whole_pieces(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outflow, "YIELD_S", -1.0)
    port = FakePort(room=1)
    stream = port.stream(send_credit=0)
    body = bytes(range(10))
    granted = 0

    async def send() -> None:
        for at in range(0, 10, 2):
            await stream.send(body[at : at + 2])

    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            nonlocal granted
            while True:
                await trio.testing.wait_all_tasks_blocked(0.0)
                if stream.has_sent_end:
                    return
                if not stream.credit:
                    stream.take_credit(1)
                    granted += 1
                port.give_room(1)

        nursery.start_soon(serve)
        await cancelled_at(number, send)
        assert b"".join(port.sent()) == body[: stream.sent_bytes]
        assert stream.credit == granted - stream.sent_bytes
        await stream.send(body[stream.sent_bytes :], end=True)  # goes on where it was
    assert b"".join(port.sent()) == body
    assert stream.credit == granted - 10
    assert not port.rooms._queues


async def test_after_a_millisecond_others_get_their_turn(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    for module in (inflow, outflow):
        monkeypatch.setattr(module, "clock", lambda: next(ticks) * 0.0004)
    stream = port.stream()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        for _ in range(50):
            await stream.send(b"x")
            stream.take_data(b"x")
            await stream.receive()
        nursery.cancel_scope.cancel()
    assert 10 <= turns <= 100


# ---- room ----


async def test_a_sender_waits_for_room(port: FakePort) -> None:
    port.room = 0
    stream = port.stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send, b"x")
        await trio.testing.wait_all_tasks_blocked()
        assert not port.frames
        assert port.reports_wanted
        port.give_room(5)
    assert port.sent() == [b"x"]


async def test_streams_take_turns_and_none_is_forgotten() -> None:
    port = FakePort(room=0)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(port.stream().send, b"%02d" % number)
            await trio.testing.wait_all_tasks_blocked()
        port.give_room(1 << 20)  # one report for all
    assert sorted(port.sent()) == [b"%02d" % number for number in range(20)]
    assert not port.rooms._queues


async def test_none_overtakes_who_waits() -> None:
    port = FakePort(room=0)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(port.stream().send, b"before")
            await trio.testing.wait_all_tasks_blocked()
        port.room = 100  # there is, and its report is on its way
        nursery.start_soon(port.stream().send, b"last")
        await trio.testing.wait_all_tasks_blocked()
        assert not port.frames
        port.give_room(100)
    assert port.sent() == [b"before"] * 4 + [b"last"]


@pytest.mark.parametrize("broken", [0, 1, 2, 3, 4])
async def test_who_gives_up_lets_the_next_one_go(broken: int) -> None:
    port = FakePort(room=0)
    streams = [port.stream() for _ in range(6)]

    async def send(stream: Stream) -> None:
        try:
            await stream.send(b"x")
        except StreamBroken:
            assert stream is streams[broken]

    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(send, stream)
            await trio.testing.wait_all_tasks_blocked()
        port.give_room(100)
        streams[broken].close(StreamCause.CANCELLED)
    assert port.sent() == [b"x"] * 5


async def test_when_the_connection_is_gone_senders_find_out() -> None:
    port = FakePort(room=0)
    stream = port.stream()
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            with pytest.raises(StreamBroken, match="lost"):
                await stream.send(b"x")

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        port.is_gone = True
        port.rooms.drop(CONNECTION)
    assert stream.cause is StreamCause.LOST
    with pytest.raises(StreamBroken, match="lost"):
        await port.stream().send(b"x")


async def test_a_piece_too_many_is_tried_again(port: FakePort, autojump_clock: trio.abc.Clock) -> None:
    stream = port.stream()
    port.is_full = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send, b"x")
        await trio.sleep(1)
        assert not port.frames
        port.is_full = False
    assert port.sent() == [b"x"]


# ---- lengths ----


@pytest.mark.parametrize(
    ("pieces", "cause"),
    [
        ([(b"12345", END)], None),
        ([(b"123", 0), (b"45", 0), (b"", END)], None),
        ([(b"123", 0), (b"456", 0)], StreamCause.LENGTH_EXCEEDED),
        ([(b"123456", END)], StreamCause.LENGTH_EXCEEDED),
        ([(b"1234", END)], StreamCause.LENGTH_SHORT),
        ([(b"", END)], StreamCause.LENGTH_SHORT),
    ],
)
def test_the_declared_length_is_held_to(
    port: FakePort, pieces: list[tuple[bytes, int]], cause: StreamCause | None
) -> None:
    async def main() -> None:
        stream = port.stream()
        stream.declare_receive_length(5)
        for data, flags in pieces:
            stream.take_data(data, flags)
        assert stream.cause is cause

    trio.run(main)


async def test_trailers_before_the_declared_length_are_short(port: FakePort) -> None:
    stream = port.stream()
    stream.declare_receive_length(5)
    stream.take_trailers(CHECKSUM)
    assert stream.cause is StreamCause.LENGTH_SHORT
    assert not stream.trailers


async def test_our_own_length_is_held_to(port: FakePort) -> None:
    stream = port.stream()
    stream.declare_send_length(5)
    stream.began(2)
    await stream.send(b"xxx")
    await stream.end()
    assert stream.has_sent_end

    longer = port.stream()
    longer.declare_send_length(5)
    with pytest.raises(StreamMisuse, match="6 bytes so far, and 5 were declared"):
        await longer.send(b"x" * 6)
    with pytest.raises(StreamBroken, match="given_up"):
        await longer.end()

    shorter = port.stream()
    shorter.declare_send_length(5)
    await shorter.send(b"1234")
    with pytest.raises(StreamMisuse, match="4 bytes, and 5 were declared"):
        await shorter.end()
    assert not shorter.has_sent_end


# ---- breaking ----

Step = Callable[[Stream], None]

FAULTS: list[tuple[str, list[Step], StreamCause]] = [
    ("data after end", [lambda s: s.take_data(b"", END), lambda s: s.take_data(b"x")], StreamCause.AFTER_END),
    ("end after end", [lambda s: s.take_data(b"", END), lambda s: s.take_data(b"", END)], StreamCause.AFTER_END),
    ("trailers after end", [lambda s: s.take_data(b"", END), lambda s: s.take_trailers([])], StreamCause.AFTER_END),
    ("first after end", [lambda s: s.take_data(b"", END), lambda s: s.take_first(b"")], StreamCause.AFTER_END),
    ("credit beyond all", [lambda s: s.take_credit(CREDIT_SUM_MAX)], StreamCause.CREDIT_OVERFLOW),
    ("data beyond credit", [lambda s: s.take_data(b"x" * 1001)], StreamCause.CREDIT_EXCEEDED),
]


@pytest.mark.parametrize(("steps", "cause"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_a_fault_breaks_both_directions_and_is_told_once(
    port: FakePort, steps: list[Step], cause: StreamCause
) -> None:
    told: list[StreamCause] = []
    stream = Stream(port, port.rooms, CONNECTION, 1 << 63 | 5, send_credit=1, receive_window=1000, on_fault=told.append)
    for step in steps:
        step(stream)
    stream.take_data(b"x" * 5000)
    stream.take_credit(CREDIT_SUM_MAX)
    assert told == [cause]
    for work in (stream.receive(), stream.send(b"x"), stream.end(), stream.wait_credit()):
        with pytest.raises(StreamBroken) as raised:
            await work
        assert raised.value.cause is cause


async def test_credit_up_to_the_bound_is_taken(port: FakePort) -> None:
    stream = port.stream(send_credit=7)
    stream.take_credit(CREDIT_SUM_MAX - 7)
    assert stream.cause is None
    await stream.send(b"xx")
    stream.take_credit(2)
    assert stream.credit == CREDIT_SUM_MAX


async def test_trailers_have_no_place_on_an_upgraded_exchange(port: FakePort) -> None:
    stream = port.stream()
    stream.is_upgraded = True
    stream.take_frame(FrameType.TRAILERS, END, encode_trailers(CHECKSUM))
    assert stream.cause is StreamCause.TRAILERS_MISPLACED


async def test_closing_wakes_reader_and_writer(port: FakePort) -> None:
    stream = port.stream(send_credit=0)
    async with trio.open_nursery() as nursery:

        async def expect(work: Callable[[], object]) -> None:
            with pytest.raises(StreamBroken, match="cancelled"):
                await work()  # type: ignore[misc]

        nursery.start_soon(expect, stream.receive)
        nursery.start_soon(expect, lambda: stream.send(b"x"))
        await trio.testing.wait_all_tasks_blocked()
        stream.close(StreamCause.CANCELLED)
        stream.close(StreamCause.LOST)  # the first cause stays
    assert stream.is_over


async def test_what_came_whole_can_be_read_after_the_end_of_all(port: FakePort) -> None:
    stream = port.stream()
    stream.take_data(b"whole", END)
    stream.close(StreamCause.LOST)
    assert [chunk async for chunk in stream] == [b"whole"]
    with pytest.raises(StreamBroken, match="lost"):
        await stream.send(b"x")


async def test_what_is_not_wanted_is_dropped_and_not_granted(port: FakePort) -> None:
    stream = port.stream(receive_window=10)
    stream.take_data(b"x" * 10)
    stream.stop_receiving()
    for _ in range(5):
        stream.take_data(b"x" * 10)  # still on its way; its credit is not looked at any more
    stream.take_trailers(CHECKSUM)
    assert not port.frames
    assert stream.cause is None
    await stream.send(b"answer", end=True)
    assert stream.is_over


async def test_a_sender_may_be_told_that_enough_came(port: FakePort) -> None:
    stream = port.stream()
    stream.stop_sending()
    with pytest.raises(StreamBroken, match="not_wanted"):
        await stream.send(b"x")
    stream.take_data(b"answer", END)
    assert await stream.receive() == b"answer"
    assert stream.cause is None


async def test_other_frames_are_not_a_streams(port: FakePort) -> None:
    stream = port.stream()
    stream.take_frame(FrameType.CANCEL, 0, b"\x01\0\0\0")
    assert not stream.is_over
    assert repr(stream).startswith("<Stream 0x8000000000000005 received=0 (open) sent=0 (open)")
