import gzip
import json
import logging
from collections.abc import Awaitable, Callable

import h11
import pytest
import trio
from admin_support import state_with
from trio.testing import (
    MemoryReceiveStream,
    MemorySendStream,
    MockClock,
    lockstep_stream_pair,
    memory_stream_pair,
)

from proxy.admin.connection import (
    ACTION_S,
    COMPRESSED_FROM_BYTES,
    HEAD_BYTES_MAX,
    LINGER_S,
    REQUEST_S,
    serve_connection,
    takes_gzip,
)
from proxy.admin.figures import Figures, RouteFigures
from proxy.admin.pages import LARGE_MAX, Page, Pages
from proxy.admin.state import AdminState

Stream = trio.StapledStream[MemorySendStream, MemoryReceiveStream]
GET = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"


def failing() -> list[str]:
    raise RuntimeError("secret")


PAGES_STATE = state_with(ready=failing)


async def talk(client: Callable[[Stream], Awaitable[None]], state: AdminState = PAGES_STATE) -> None:
    """Runs a client against a connection, until the connection's side has ended by itself."""
    near, far = memory_stream_pair()

    async def serve() -> None:
        await serve_connection(far, Pages(state))
        await far.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await client(near)


async def send_slowly(stream: Stream, chunks: list[bytes], pause_s: float) -> None:
    for chunk in chunks:
        await stream.send_all(chunk)
        await trio.sleep(pause_s)


async def receive_all(stream: Stream) -> bytes:
    received = b""
    while chunk := await stream.receive_some():
        received += chunk
    return received


async def exchange(sent: bytes) -> bytes:
    """Everything that comes back for what was sent, until the other side ends; then our side ends too."""
    received = b""

    async def client(stream: Stream) -> None:
        nonlocal received
        await stream.send_all(sent)
        received = await receive_all(stream)
        await stream.aclose()

    await talk(client)
    return received


def answers_in(received: bytes, methods: list[str]) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """Status, fields and body of each answer to requests with these methods."""
    answers = []
    for method in methods:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(received)
        response = reader.next_event()
        assert isinstance(response, h11.Response)
        body = b""
        while isinstance(event := reader.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        answers.append((response.status_code, dict(response.headers), body))
        received = reader.trailing_data[0]
    assert received == b""
    return answers


async def test_an_answer(autojump_clock: MockClock) -> None:
    [(status, fields, body)] = answers_in(await exchange(GET), ["GET"])
    assert status == 200
    assert fields[b"content-type"] == b"application/json"
    assert fields[b"cache-control"] == b"no-store"
    assert json.loads(body) == {"status": "alive"}


async def test_requests_one_after_the_other_and_pipelined(autojump_clock: MockClock) -> None:
    async def client(stream: Stream) -> None:
        await stream.send_all(GET)
        first = bytes(await stream.receive_some())
        await stream.send_all(GET.replace(b"GET", b"HEAD") + GET.replace(b"health", b"health?x=1"))
        await stream.send_eof()
        answers = answers_in(first + await receive_all(stream), ["GET", "HEAD", "GET"])
        assert [status for status, _, _ in answers] == [200, 200, 200]
        assert [len(body) > 0 for _, _, body in answers] == [True, False, True]
        assert len({fields[b"content-length"] for _, fields, _ in answers}) == 1

    await talk(client)


async def test_a_request_byte_by_byte(autojump_clock: MockClock) -> None:
    async def client(stream: Stream) -> None:
        for at in range(len(GET)):
            await stream.send_all(GET[at : at + 1])
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await stream.aclose()

    await talk(client)


async def test_connection_close_is_honoured(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    received = await exchange(GET[:-2] + b"connection: close\r\n\r\n")
    assert answers_in(received, ["GET"])[0][1][b"connection"] == b"close"
    assert trio.current_time() - began <= LINGER_S


async def test_http_1_0_gets_an_answer_and_a_close(autojump_clock: MockClock) -> None:
    received = await exchange(b"GET /health HTTP/1.0\r\n\r\n")
    assert received.endswith(b'{"status":"alive"}\n')


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),
        (b"garbage\r\n\r\n", 400),
        (b"\r\n\r\n\x00\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nbad name: b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"GET /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nx: " + b"y" * HEAD_BYTES_MAX, 431),
        (b"GET /" + b"y" * HEAD_BYTES_MAX, 431),
    ],
)
async def test_what_cannot_be_read_is_answered_and_closed(autojump_clock: MockClock, sent: bytes, status: int) -> None:
    [(answered, fields, body)] = answers_in(await exchange(sent), ["GET"])
    assert answered == status
    assert fields[b"connection"] == b"close"
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\nabc",
        b"POST /health HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n",
    ],
)
async def test_a_body_is_not_read_but_answered_and_closed(autojump_clock: MockClock, sent: bytes) -> None:
    [(status, fields, _)] = answers_in(await exchange(sent), ["POST"])
    assert status == 405
    assert fields[b"allow"] == b"GET, HEAD"
    assert fields[b"connection"] == b"close"


@pytest.mark.parametrize("method", [b"DELETE", b"CONNECT"])
async def test_another_method_without_a_body_keeps_the_connection(autojump_clock: MockClock, method: bytes) -> None:
    async def client(stream: Stream) -> None:
        await stream.send_all(GET.replace(b"GET", method))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 405")
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await stream.aclose()

    await talk(client)


@pytest.mark.parametrize("sent", [b"", b"GET /hea", GET[:-2], GET])
async def test_silence_is_closed_after_a_while(autojump_clock: MockClock, sent: bytes) -> None:
    began = trio.current_time()
    received = await exchange(sent)
    assert trio.current_time() - began == pytest.approx(REQUEST_S)
    assert (received != b"") == (sent == GET)


async def test_a_head_that_drips_is_closed_after_a_while(autojump_clock: MockClock) -> None:
    async def client(stream: Stream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await send_slowly(stream, [GET[at : at + 1] for at in range(len(GET))], pause_s=1)

    began = trio.current_time()
    await talk(client)
    assert trio.current_time() - began <= REQUEST_S + 1


async def test_a_client_that_sends_on_after_the_end_is_not_listened_to_for_long(autojump_clock: MockClock) -> None:
    async def client(stream: Stream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await send_slowly(stream, [b"garbage\r\n\r\n"] * 100, pause_s=0.1)

    began = trio.current_time()
    await talk(client)
    assert trio.current_time() - began <= LINGER_S + 0.2


@pytest.mark.parametrize("sent", [b"", b"GET /hea", GET, b"garbage\r\n\r\n"])
async def test_a_client_that_is_gone_does_no_harm(autojump_clock: MockClock, sent: bytes) -> None:
    async def client(stream: Stream) -> None:
        await stream.send_all(sent)
        await stream.aclose()

    await talk(client)


async def test_a_page_that_fails_is_logged_and_tells_nothing(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        [(status, _, body)] = answers_in(await exchange(GET.replace(b"health", b"ready")), ["GET"])
    assert status == 500
    assert b"secret" not in body
    assert "the admin page /ready failed" in caplog.text


@pytest.mark.parametrize(("method", "answered"), [("POST", True), ("GET", False)])
async def test_what_changes_something_may_take_longer(autojump_clock: MockClock, method: str, answered: bool) -> None:
    async def slowly(*_: object) -> tuple[bool, dict[str, bool]]:
        await trio.sleep(ACTION_S - 1)
        return True, {"applied": True}

    received = b""

    async def client(stream: Stream) -> None:
        nonlocal received
        await stream.send_all(f"{method} /reload HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        received = await receive_all(stream)
        await stream.aclose()

    await talk(client, state_with(reload=slowly, reloaded=slowly))
    assert received.startswith(b"HTTP/1.1 200 ") is answered
    assert bool(received) is answered


@pytest.mark.parametrize(("method", "status"), [("POST", 403), ("DELETE", 403), ("GET", 200)])
async def test_a_page_in_a_browser_may_change_nothing(autojump_clock: MockClock, method: str, status: int) -> None:
    lines = "host: a\r\norigin: https://elsewhere.example\r\nconnection: close"
    sent = f"{method} /health HTTP/1.1\r\n{lines}\r\n\r\n".encode()
    [(answered, _, _)] = answers_in(await exchange(sent), [method])
    assert answered == status


@pytest.mark.parametrize(
    ("host", "agent", "status"),
    [
        ("evil.example", "Mozilla/5.0", 403),
        ("evil.example", "Prometheus/2.53.0", 200),
        ("127.0.0.1:9901", "Mozilla/5.0", 200),
        ("localhost:9901", "Mozilla/5.0", 200),
    ],
)
async def test_a_browser_that_was_led_here_by_a_name_is_told_nothing(
    autojump_clock: MockClock, host: str, agent: str, status: int
) -> None:
    sent = f"GET /health HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\nconnection: close\r\n\r\n".encode()
    [(answered, _, _)] = answers_in(await exchange(sent), ["GET"])
    assert answered == status


async def test_where_a_token_is_needed_it_is_enough(autojump_clock: MockClock) -> None:
    pages = Pages(state_with(token=lambda: "correct-horse"))
    assert pages.is_locked
    assert not Pages(PAGES_STATE).is_locked


LARGE = Figures("1", True, [RouteFigures("GET", f"/{number}", (0,) * 6) for number in range(500)])
SCRAPE = b"GET /metrics HTTP/1.1\r\nhost: a\r\n%s\r\n"


async def large_figures() -> Figures:
    return LARGE


async def scrape(fields: bytes) -> tuple[dict[bytes, bytes], bytes]:
    received = b""

    async def client(stream: Stream) -> None:
        nonlocal received
        await stream.send_all(SCRAPE % (fields + b"connection: close\r\n"))
        received = await receive_all(stream)
        await stream.aclose()

    await talk(client, state_with(figures=large_figures))
    ((status, headers, body),) = answers_in(received, ["GET"])
    assert status == 200
    return headers, body


async def test_a_large_page_is_compressed_for_who_takes_that() -> None:
    headers, body = await scrape(b"accept-encoding: br, gzip;q=0.5\r\n")
    plain_headers, plain = await scrape(b"")
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"vary"] == b"accept, accept-encoding"
    assert b"content-encoding" not in plain_headers
    assert len(plain) > COMPRESSED_FROM_BYTES > len(body)
    unpacked = gzip.decompress(body).splitlines()
    assert [line for line in unpacked if b'route="' in line] == [
        line for line in plain.splitlines() if b'route="' in line
    ]


async def test_a_small_page_is_not_compressed() -> None:
    received = await exchange(b"GET /health HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n")
    ((_, headers, _),) = answers_in(received, ["GET"])
    assert b"content-encoding" not in headers


@pytest.mark.parametrize(
    ("accept_encoding", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP ; q=0.1", True),
        ("x-gzip", True),
        ("gzip;q=1.0", True),
        ("gzip;q=0", False),
        ("gzip; q = 0.000", False),
        ("", False),
        ("*", False),
        ("identity, gzipped", False),
        (",;=,\xff", False),
    ],
)
def test_who_takes_gzip(accept_encoding: str, takes: bool) -> None:
    assert takes_gzip(accept_encoding) == takes


class LargePages(Pages):
    """Pages that are large, and take no time to make."""

    made = 0

    async def page(
        self, method: str, target: str, accept: str = "", authorization: str = "", *, takes_gzip: bool = False
    ) -> Page:
        self.made += target == "/metrics"
        return Page(200, "text/plain", b"x" * COMPRESSED_FROM_BYTES)


async def test_scrapes_that_never_read_are_few_at_once_and_end(autojump_clock: MockClock) -> None:
    pages = LargePages(PAGES_STATE)

    async def serve(far: trio.abc.HalfCloseableStream) -> None:
        await serve_connection(far, pages)
        await far.aclose()

    async with trio.open_nursery() as nursery:
        for _ in range(LARGE_MAX + 2):
            silent, slow = lockstep_stream_pair()
            nursery.start_soon(serve, slow)
            await silent.send_all(SCRAPE % b"")  # and never reads
        await trio.sleep(REQUEST_S / 2)
        assert pages.made == LARGE_MAX
        patient, far = memory_stream_pair()
        nursery.start_soon(serve, far)
        await patient.send_all(SCRAPE % b"")
        other, far = memory_stream_pair()
        nursery.start_soon(serve, far)
        await other.send_all(GET)
        began = trio.current_time()
        assert (await other.receive_some()).startswith(b"HTTP/1.1 200")
        assert trio.current_time() == began
        assert (await patient.receive_some()).startswith(b"HTTP/1.1 200")
        assert trio.current_time() - began == pytest.approx(REQUEST_S / 2)
        await patient.aclose()
        await other.aclose()
    assert pages.made == LARGE_MAX + 1
