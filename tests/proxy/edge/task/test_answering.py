"""The service's side of a streamed exchange, frame by frame: what becomes a head, a body, and each kind of fault."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from frames.codec import encode_credit, encode_refused, encode_response, encode_trailers
from frames.fields import Field
from frames.frame import END, FieldId, FrameType, Method
from frames.wire_values import HEAD_HTTP_1_0, HEAD_TAKES_TRAILERS, Event, EventKind, Framing
from penstock.rooms import Rooms
from penstock.stream import Stream
from proxy.edge.faults import RESPONSE_FAULTS
from proxy.edge.task.answering import INTERIM_MAX, Answering, Head, declared_length, fault_of

EXCHANGE, CONNECTION, WINDOW = 5, 2, 1_000
NAMED = FieldId.NAMED


class FakeWire:
    """Writes heads as text that says what was asked of it."""

    def __init__(self) -> None:
        self.refuses: int | None = None
        self.arena = b""

    def response_head(
        self, exchange: int, at: int, count: int, framing: Framing, length: int, upgrade: bytes, *, close: bool
    ) -> tuple[bytes, int] | int:
        if self.refuses is not None:
            return self.refuses
        return f"{framing.name} {length} {upgrade.decode()} {'close' if close else 'keep'}".encode(), 0

    def trailers(self, at: int, count: int, /) -> bytes | int:
        return self.refuses if self.refuses is not None else b"x-sum: 7\r\n\r\n"

    def frame(self, connection: int, type: int, flags: int, exchange: int, payload: bytes | memoryview, /) -> int:  # noqa: A002
        return 0

    def flush(self) -> None:
        pass

    def flush_soon(self) -> None:
        pass

    def want_room(self, connection: int, /) -> int:
        return 1


class Bench:
    """One exchange, whose frames a test makes."""

    def __init__(self, method: Method = Method.GET, flags: int = 0, upgrade: bytes = b"") -> None:
        self.wire = FakeWire()
        self.faults: list[str] = []
        self.asked: list[bool] = []
        job: Any = SimpleNamespace(
            id=EXCHANGE, method=method, head=SimpleNamespace(flags=flags, verdict=0), upgrade=upgrade
        )
        self.stream = Stream(
            self.wire,
            Rooms(self.wire),
            CONNECTION,
            EXCHANGE,
            send_credit=0,
            receive_window=WINDOW,
            on_fault=lambda cause: self.faults.append(fault_of(cause)),
        )
        self.answering = Answering(
            self.wire, job, self.stream, closes=self.says_close, on_fault=lambda what: self.faults.append(what)
        )

    def says_close(self, wanted: bool) -> bool:
        self.asked.append(wanted)
        return wanted

    def come(self, frame_type: FrameType, payload: bytes, flags: int = 0, status: int = 0, body_bytes: int = 0) -> None:
        arena = b"before" + payload + b"behind"
        event: Event = (
            EXCHANGE,
            CONNECTION,
            EventKind.STREAM,
            frame_type,
            flags,
            6,
            len(payload),
            status,
            body_bytes,
            0,
            0,
        )
        self.answering.take(event, arena)

    def respond(self, status: int, fields: list[Field] | None = None, body: bytes = b"", flags: int = 0) -> None:
        self.come(FrameType.RESPONSE, encode_response(status, fields or [], body), flags, status, len(body))

    def data(self, data: bytes, flags: int = 0) -> None:
        self.come(FrameType.DATA, data, flags)

    def trail(self) -> None:
        self.come(FrameType.TRAILERS, encode_trailers([(NAMED, b"x-sum", b"7")]), END)

    async def head(self) -> Head:
        with trio.fail_after(1):
            return await self.answering.next_head()

    async def no_head(self) -> None:
        with trio.move_on_after(0.001) as scope:
            await self.answering.next_head()
        assert scope.cancelled_caught

    async def body(self) -> bytes:
        with trio.fail_after(1):
            return b"".join([part async for part in self.stream])


def length_of(byte_count: int) -> list[Field]:
    return [(FieldId.BODY_LENGTH, b"", b"%d" % byte_count)]


# ---- what is right ----


async def test_a_whole_answer() -> None:
    bench = Bench()
    bench.respond(200, body=b"body", flags=END)
    head = await bench.head()
    assert (head.status, head.text, head.is_final) == (200, b"LENGTH 4  keep", True)
    assert await bench.body() == b"body"
    assert bench.faults == []


async def test_an_answer_in_pieces() -> None:
    bench = Bench()
    bench.respond(200, body=b"one")
    bench.data(b"two")
    bench.data(b"three", END)
    assert (await bench.head()).text == b"CHUNKED 0  keep"
    assert await bench.body() == b"onetwothree"
    assert bench.asked == [False]


async def test_a_declared_length() -> None:
    bench = Bench()
    bench.respond(200, length_of(6), b"one")
    bench.data(b"two", END)
    assert (await bench.head()).text == b"LENGTH 6  keep"
    assert await bench.body() == b"onetwo"
    assert bench.faults == []


async def test_http_1_0_without_length_closes() -> None:
    bench = Bench(flags=HEAD_HTTP_1_0)
    bench.respond(200)
    assert (await bench.head()).text == b"NONE 0  close"
    assert bench.asked == [True]


async def test_interim_answers() -> None:
    bench = Bench()
    for _ in range(INTERIM_MAX):
        bench.respond(103)
        head = await bench.head()
        assert (head.status, head.is_final, head.framing.has_body) == (103, False, False)
    assert bench.faults == []
    bench.respond(200, flags=END)
    assert (await bench.head()).is_final


async def test_interim_answers_are_counted_and_dropped_for_http_1_0() -> None:
    bench = Bench(flags=HEAD_HTTP_1_0)
    for _ in range(INTERIM_MAX):
        bench.respond(103)
    await bench.no_head()
    bench.respond(103)
    assert bench.faults == ["more than 16 interim responses"]


async def test_switching() -> None:
    bench = Bench(upgrade=b"websocket")
    bench.respond(101)
    head = await bench.head()
    assert (head.status, head.text, head.is_final) == (101, b"UPGRADE 0 websocket keep", True)
    bench.data(b"tunnelled")
    assert await bench.stream.receive() == b"tunnelled"
    assert bench.stream.is_upgraded


@pytest.mark.parametrize(("flags", "section"), [(HEAD_TAKES_TRAILERS, b"x-sum: 7\r\n\r\n"), (0, b"\r\n")])
async def test_trailers_for_who_takes_them(flags: int, section: bytes) -> None:
    bench = Bench(flags=flags)
    bench.respond(200)
    bench.trail()
    assert await bench.body() == b""
    assert (bench.answering.trailers, bench.faults) == (section, [])


async def test_head_has_no_body_whatever_comes() -> None:
    bench = Bench(method=Method.HEAD)
    bench.respond(200, length_of(1_000_000))
    bench.data(b"x" * WINDOW)
    assert (await bench.head()).text == b"LENGTH 1000000  keep"
    assert bench.faults == []


async def test_credit_goes_to_the_stream() -> None:
    bench = Bench()
    bench.come(FrameType.CREDIT, encode_credit(77))
    assert bench.stream.credit == 77


async def test_a_cancelled_wait_takes_none() -> None:
    bench = Bench()
    await bench.no_head()
    bench.respond(200, flags=END)
    with trio.CancelScope() as scope:
        scope.cancel()
        head = await bench.answering.next_head()  # is there, so no checkpoint
    assert head.status == 200


# ---- what is wrong ----


def respond(status: int = 200, *fields: Field, body: bytes = b"", flags: int = 0) -> Callable[[Bench], None]:
    return lambda bench: bench.respond(status, list(fields), body, flags)


def data(data: bytes = b"x", flags: int = 0) -> Callable[[Bench], None]:
    return lambda bench: bench.data(data, flags)


def credit(byte_count: int) -> Callable[[Bench], None]:
    return lambda bench: bench.come(FrameType.CREDIT, encode_credit(byte_count))


def refuse(bench: Bench) -> None:
    bench.come(FrameType.REFUSED, encode_refused(1, 0))


trail = Bench.trail
(THREE,) = length_of(3)

FAULTS: dict[str, tuple[list[Callable[[Bench], None]], str]] = {
    "data first": ([data()], "DATA before its RESPONSE"),
    "data after an interim": ([respond(103), data()], "DATA before its RESPONSE"),
    "trailers first": ([trail], "trailers that cannot be passed on"),
    "two finals": ([respond(), respond()], "a second final RESPONSE"),
    "an interim after the final": ([respond(), respond(103)], "a second final RESPONSE"),
    "101 after the final": ([respond(), respond(101)], "a second final RESPONSE"),
    "refused after an interim": ([respond(103), refuse], "REFUSED after a RESPONSE"),
    "101 unasked": ([respond(101)], "101 that was not asked for, or with END or a body"),
    "204 and more": ([respond(204)], "more to come after a 204"),
    "304 and more": ([respond(304)], "more to come after a 304"),
    "more than declared": ([respond(200, THREE), data(b"four")], "its body: length exceeded"),
    "more than declared, at once": ([respond(200, THREE, body=b"four")], "its body: length exceeded"),
    "less than declared": ([respond(200, THREE), data(b"tw", END)], "its body: length short"),
    "less than declared, at once": ([respond(200, THREE, body=b"tw", flags=END)], "its body: length short"),
    "less than declared, by trailers": ([respond(200, THREE), trail], "its body: length short"),
    "beyond the credit": ([respond(), data(b"x" * (WINDOW + 1))], "its body: credit exceeded"),
    "after the end": ([respond(flags=END), data()], "its body: after end"),
    "two ends": ([respond(), trail, trail], "its body: after end"),
    "too much credit": ([credit(2**31 - 1), credit(1)], "its body: credit overflow"),
    "a length that is no number": (
        [respond(200, (FieldId.BODY_LENGTH, b"", b"0x10"))],
        "a body length that is no number",
    ),
}


@pytest.mark.parametrize(("steps", "fault"), FAULTS.values(), ids=FAULTS)
def test_each_fault(steps: list[Callable[[Bench], None]], fault: str) -> None:
    bench = Bench()
    for step in steps:
        step(bench)
    assert bench.faults == [fault]


def test_the_window_itself_is_no_fault() -> None:
    bench = Bench()
    bench.respond(200)
    bench.data(b"x" * WINDOW)
    assert bench.faults == []


def test_one_interim_too_many() -> None:
    bench = Bench()
    for _ in range(INTERIM_MAX + 1):
        bench.respond(103)
    assert bench.faults == ["more than 16 interim responses"]


@pytest.mark.parametrize(("flags", "body_bytes"), [(END, 0), (0, 1)])
def test_switching_with_more(flags: int, body_bytes: int) -> None:
    bench = Bench(upgrade=b"websocket")
    bench.come(FrameType.RESPONSE, encode_response(101), flags, 101, body_bytes)
    assert bench.faults == ["101 that was not asked for, or with END or a body"]


def test_trailers_in_a_tunnel() -> None:
    bench = Bench(upgrade=b"websocket")
    bench.respond(101)
    bench.trail()
    assert bench.faults == ["its body: trailers misplaced"]


@pytest.mark.parametrize("status", [103, 200])
@pytest.mark.parametrize(("code", "fault"), [*RESPONSE_FAULTS.items(), (99, "a head that cannot be passed on")])
async def test_heads_that_cannot_be_written(status: int, code: int, fault: str) -> None:
    bench = Bench()
    bench.wire.refuses = -100 - code
    bench.respond(status, flags=END if status == 200 else 0)
    assert bench.faults == [fault]
    await bench.no_head()


def test_trailers_that_cannot_be_written() -> None:
    bench = Bench()
    bench.respond(200)
    bench.wire.refuses = -102
    bench.trail()
    assert bench.faults == ["trailers that cannot be passed on"]


# ---- the length that is declared ----


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (b"0", 0),
        (b"12", 12),
        (b"0012", 12),
        (b"9" * 16, 9_999_999_999_999_999),
        (b"9" * 17, -1),
        (b"-1", -1),
        (b"+1", -1),
        (b" 1", -1),
        (b"1_0", -1),
        (b"\xb2", -1),
        ("٣".encode(), -1),
    ],
)
def test_declared_lengths(value: bytes, length: int) -> None:
    fields: list[Field] = [(NAMED, b"a", b"b"), (FieldId.BODY_LENGTH, b"", value)]
    table = b"".join(bytes((number, len(name))) + len(text).to_bytes(2) for number, name, text in fields)
    text = b"".join(name + value for _, name, value in fields)
    assert declared_length((200).to_bytes(2) + (2).to_bytes(2) + table + text + b"body") == length


def test_no_declared_length() -> None:
    assert declared_length(encode_response(200, [(NAMED, b"a", b"b")], b"body")) is None
