"""The request's body: where it ends, how long it may be, how slowly it may come. The clock jumps."""

import pytest
import trio
from edge_support import ScriptedClient
from trio.testing import MockClock

from proxy.edge.task.body import Pace, Refusal, RequestBody
from proxy.edge.task.client import ClientGone
from proxy.errors import BAD_CHUNK, BAD_TRAILER, BODY_TIMEOUT, BODY_TOO_LARGE, Reason

CHUNKED = b"3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nX-Sum: 7\r\nContent-Length: 1\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\n"


def make_body(
    client: ScriptedClient, length: int | None, byte_count_max: int = 1 << 20, rate: int = 1_000, grace_s: float = 10.0
) -> RequestBody:
    return RequestBody(
        client,
        length=length,
        byte_count_max=byte_count_max,
        pace=Pace(rate, grace_s),
        trailer_bytes=1_024,
        trailer_fields=10,
    )


async def read_all(body: RequestBody) -> bytes:
    """As its users do: what is there, then what comes."""
    data = b"".join(body.receive_nowait())
    while parts := await body.receive():
        data += b"".join(parts)
    assert body.is_whole
    return data


async def reason_of(body: RequestBody) -> Reason:
    with pytest.raises(Refusal) as refused:
        await read_all(body)
    assert not body.is_whole or body.byte_count
    return refused.value.answer.reason


# ---- where it ends ----


async def test_no_body() -> None:
    body = make_body(ScriptedClient(held=NEXT), 0)
    assert (body.is_whole, body.rest, body.has_begun) == (True, NEXT, False)
    assert await read_all(body) == b""
    assert body.rest == NEXT


@pytest.mark.parametrize("at", range(len(b"abcdefgh" + NEXT) + 1))
async def test_a_counted_body_cut_anywhere(at: int) -> None:
    data = b"abcdefgh" + NEXT
    client = ScriptedClient(*filter(None, [data[at:]]), held=data[:at])
    body = make_body(client, 8)
    assert body.length == 8
    assert await read_all(body) == b"abcdefgh"
    rest = body.rest
    while len(rest) < len(NEXT):
        rest += await client.receive()
    assert rest == NEXT


@pytest.mark.parametrize("at", range(len(CHUNKED + NEXT) + 1))
async def test_a_chunked_body_cut_anywhere(at: int) -> None:
    data = CHUNKED + NEXT
    client = ScriptedClient(*filter(None, [data[at:]]), held=data[:at])
    body = make_body(client, None)
    assert body.length is None
    assert await read_all(body) == b"abcdefgh"
    assert body.trailers == [(b"x-sum", b"7")]
    rest = body.rest
    while len(rest) < len(NEXT):
        rest += await client.receive()
    assert rest == NEXT


@pytest.mark.parametrize(("data", "length"), [(b"abcdefgh" + NEXT, 8), (CHUNKED + NEXT, None)])
async def test_byte_by_byte(data: bytes, length: int | None) -> None:
    client = ScriptedClient(*(bytes((byte,)) for byte in data))
    body = make_body(client, length)
    assert await read_all(body) == b"abcdefgh"
    assert body.rest == b""
    assert body.byte_count == 8
    assert await body.receive() == []  # nothing more is read
    assert client.received_bytes == len(data) - len(NEXT)


async def test_it_has_begun_when_something_came() -> None:
    body = make_body(ScriptedClient(b"a"), 2)
    assert body.receive_nowait() == []
    assert not body.has_begun
    await body.receive()
    assert body.has_begun


@pytest.mark.parametrize("length", [8, None])
async def test_an_early_end(length: int | None) -> None:
    for data in (b"", b"3\r\nabc") if length is None else (b"", b"abc"):
        body = make_body(ScriptedClient(held=data, ends=True), length)
        with pytest.raises(ClientGone):
            await read_all(body)
        assert not body.is_whole


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x\r\n", BAD_CHUNK),
        (b"-1\r\n", BAD_CHUNK),
        (b"3\r\nabcd\r\n", BAD_CHUNK),
        (b"3\nabc\r\n0\r\n\r\n", BAD_CHUNK),
        (b"0\r\nno colon\r\n\r\n", BAD_TRAILER),
        (b"0\r\na: " + b"x" * 2_000 + b"\r\n\r\n", BAD_TRAILER),
        (b"0\r\n" + b"a: b\r\n" * 11 + b"\r\n", BAD_TRAILER),
    ],
)
async def test_chunks_that_are_none(data: bytes, reason: Reason) -> None:
    assert await reason_of(make_body(ScriptedClient(held=data, ends=True), None)) is reason
    assert await reason_of(make_body(ScriptedClient(*(data[at : at + 1] for at in range(len(data)))), None)) is reason


# ---- how long it may be ----


@pytest.mark.parametrize("cut", [1, 3, 9, 1_000])
async def test_the_bound_of_a_chunked_body(cut: int) -> None:
    most = b"6\r\nabcdef\r\n2\r\ngh\r\n0\r\n\r\n"
    more = b"6\r\nabcdef\r\n3\r\nghi\r\n0\r\n\r\n"
    pieces = [most[at : at + cut] for at in range(0, len(most), cut)]
    assert await read_all(make_body(ScriptedClient(*pieces), None, 8)) == b"abcdefgh"
    pieces = [more[at : at + cut] for at in range(0, len(more), cut)]
    assert await reason_of(make_body(ScriptedClient(*pieces), None, 8)) is BODY_TOO_LARGE


async def test_the_bound_of_a_counted_body() -> None:
    assert await read_all(make_body(ScriptedClient(b"abcdefgh"), 8, 8)) == b"abcdefgh"
    assert await reason_of(make_body(ScriptedClient(b"abcdefghi"), 9, 8)) is BODY_TOO_LARGE


# ---- how slowly it may come ----


async def test_nothing_comes(autojump_clock: MockClock) -> None:
    body = make_body(ScriptedClient(), 8)
    assert await reason_of(body) is BODY_TIMEOUT
    assert trio.current_time() == pytest.approx(10.0)


async def test_what_came_gives_time(autojump_clock: MockClock) -> None:
    """Ten seconds, and one for each thousand bytes."""
    body = make_body(ScriptedClient((9.9, b"x" * 5_000), (5.0, b"y")), 10_000)
    assert await reason_of(body) is BODY_TIMEOUT
    assert trio.current_time() == pytest.approx(10.0 + 5.0 + 0.001, abs=0.01)


async def test_just_fast_enough(autojump_clock: MockClock) -> None:
    pieces = [(9.99, b"x" * 1_000), *[(0.999, b"x" * 1_000)] * 20]
    body = make_body(ScriptedClient(*pieces), 21_000)
    assert len(await read_all(body)) == 21_000
    assert trio.current_time() > 29


async def test_just_too_slow(autojump_clock: MockClock) -> None:
    pieces = [(9.99, b"x" * 1_000), *[(1.02, b"x" * 1_000)] * 20]
    assert await reason_of(make_body(ScriptedClient(*pieces), 21_000)) is BODY_TIMEOUT


async def test_only_waiting_for_the_client_counts(autojump_clock: MockClock) -> None:
    body = make_body(ScriptedClient(*[(1.0, b"x")] * 9), 9)
    for _ in range(9):
        await body.receive()
        await trio.sleep(60)  # the service is slow to take it
    assert body.is_whole


async def test_cancelled_it_has_lost_nothing(autojump_clock: MockClock) -> None:
    body = make_body(ScriptedClient((5.0, b"abcdefgh")), 8)
    with trio.move_on_after(4.0):
        await body.receive()
    assert (body.byte_count, body.is_whole) == (0, False)
