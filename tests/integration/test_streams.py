"""Bodies that stream through the gateway: both ways, framed as they must be, and the next request behind them."""

import pytest
import trio
import trio.lowlevel
from lab import Lab, until
from lab_client import request
from lab_service import RawService, streaming
from lab_streams import (
    CLOSE_MESSAGE,
    HELLO_ANSWER,
    HELLO_MESSAGE,
    PIECE,
    UPGRADE,
    Flows,
    Reader,
    chunked,
    serve_flows,
)

from frames.codec import encode_response, encode_trailers
from frames.fields import decode_trailers
from frames.frame import END, CancelReason, FieldId, FrameType

NAMED = FieldId.NAMED


@pytest.fixture
async def flows(lab: Lab) -> Flows:
    return await serve_flows(lab)


async def raw(lab: Lab, *offers: str, credit_bytes: int = 65_536, upgrades: tuple[str, ...] = ()) -> RawService:
    return await lab.raw(**streaming(*offers, credit_bytes=credit_bytes, upgrades=upgrades))


# ---- with a real service ----


async def test_echo_chunked_and_the_next_request(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    await client.send(chunked("POST", "/echo", b"one", b"two" * 1000) + request("GET", "/plain"))
    answer = await client.answer()
    assert answer.body == b"one" + b"two" * 1000
    assert answer.headers[b"transfer-encoding"] == b"chunked"
    assert (await client.answer()).body == b"plain"


async def test_echo_as_the_pieces_come(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    await client.send(chunked("POST", "/echo", last=b""))
    reader = Reader(client)
    assert (await reader.head()).startswith(b"HTTP/1.1 200 ")
    for piece in (b"a", b"bc", b"x" * 5_000):
        await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        got = b""
        while len(got) < len(piece):
            got += await reader.chunk()
        assert got == piece
    await client.send(b"0\r\n\r\n")
    assert await reader.chunk() == b""


@pytest.mark.parametrize("byte_count", [0, 1, 65_536, 65_537, 1_000_000])
async def test_upload_with_a_length(lab: Lab, flows: Flows, byte_count: int) -> None:
    client = await lab.client()
    answer = await client.ask("PUT", "/up", body=b"x" * byte_count)
    assert answer.json() == {"bytes": byte_count}
    assert (await client.get("/plain")).body == b"plain"


async def test_a_long_upload_and_a_long_download(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, chunked("PUT", "/up", *[b"x" * 100_000] * 80))
        assert (await client.answer()).json() == {"bytes": 8_000_000}
    answer = await client.get("/down/400")
    assert answer.body == PIECE * 400
    assert answer.headers[b"content-length"] == b"%d" % (400 * len(PIECE))
    assert (await client.get("/plain")).body == b"plain"


async def test_head_of_a_streaming_endpoint(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    answer = await client.ask("HEAD", "/down/10")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers[b"content-length"] == b"%d" % (10 * len(PIECE))
    assert (await client.get("/plain")).body == b"plain"


async def test_a_websocket(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    await client.send(UPGRADE + HELLO_MESSAGE)  # what comes at once is not lost
    reader = Reader(client)
    head = await reader.head()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert b"upgrade: websocket\r\n" in head.lower()
    assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
    for _ in range(3):
        await client.send(HELLO_MESSAGE)
        assert await reader.exactly(len(HELLO_ANSWER)) == HELLO_ANSWER
    await client.send(CLOSE_MESSAGE)
    rest, is_orderly = await reader.rest()
    assert rest[:1] == b"\x88"
    assert is_orderly
    assert flows.running == 0


# ---- pipelines across the lanes ----

EXPRESS = request("GET", "/plain")
GATHERED = chunked("PUT", "/gathered", b"abc", b"de")
STREAMED = chunked("PUT", "/up", b"abc", b"de")
ODD = b"GET /%70lain HTTP/1.1\r\nHost: edge\r\n\r\n"
BODIES = {EXPRESS: b"plain", GATHERED: b'{"bytes":5}', STREAMED: b'{"bytes":5}', ODD: b"plain"}
PIPELINES = {
    "express, gathered, express": (EXPRESS, GATHERED, EXPRESS),
    "express, streamed, express": (EXPRESS, STREAMED, EXPRESS),
    "gathered, streamed, gathered": (GATHERED, STREAMED, GATHERED),
    "streamed, streamed, odd": (STREAMED, STREAMED, ODD),
    "odd, express, gathered": (ODD, EXPRESS, GATHERED),
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
async def test_pipelines_cross_the_lanes_whole(lab: Lab, flows: Flows, pipeline: tuple[bytes, ...]) -> None:
    client = await lab.client()
    await client.send(b"".join(pipeline))
    for sent in pipeline:
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, BODIES[sent])


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
async def test_pipelines_cross_the_lanes_byte_by_byte(lab: Lab, flows: Flows, pipeline: tuple[bytes, ...]) -> None:
    client = await lab.client()
    client.stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)

    async def send() -> None:
        for byte in b"".join(pipeline):
            await client.send(bytes((byte,)))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for sent in pipeline:
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, BODIES[sent])


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
async def test_pipelines_cross_the_lanes_cut_in_two(lab: Lab, flows: Flows, pipeline: tuple[bytes, ...]) -> None:
    """A fresh connection for every third place at which the pipeline is cut."""
    data = b"".join(pipeline)
    for at in range(1, len(data), 3):
        client = await lab.client()
        await client.send(data[:at])
        received = lab.count("edge_bytes_in")
        with trio.move_on_after(0.002):
            while lab.count("edge_bytes_in") == received:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()
        await client.send(data[at:])
        for sent in pipeline:
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, BODIES[sent]), at
        await client.aclose()


# ---- frame by frame ----


async def test_an_upload_frame_by_frame(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up", credit_bytes=10), await lab.client()
    await client.send(chunked("PUT", "/up", last=b""))
    asked = await service.asked()
    await client.send(b"10\r\n0123456789abcdef\r\n")
    assert (asked.body, asked.context(FieldId.BODY_LENGTH)) == (b"", None)
    assert (await service.expect(FrameType.DATA)).payload == b"0123456789"  # and no more than was granted
    await service.grant(asked, 3)
    assert (await service.expect(FrameType.DATA)).payload == b"abc"
    await service.grant(asked, 100)
    assert (await service.expect(FrameType.DATA)).payload == b"def"
    await client.send(b"1\r\ng\r\n0\r\n\r\n")
    assert await service.read_body(asked) == b"g"
    await service.respond(asked, body=b"done")
    answer = await client.answer()
    assert (answer.body, answer.headers[b"content-length"]) == (b"done", b"4")


async def test_a_length_is_told_to_the_service(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up"), await lab.client()
    await client.send(request("PUT", "/up", "Content-Length: 70000"))
    asked = await service.asked()
    assert asked.context(FieldId.BODY_LENGTH) == b"70000"
    await client.send(b"x" * 70_000)
    assert await service.read_body(asked) == b"x" * 70_000
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_a_plain_request_takes_its_body_along(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up"), await lab.client()
    await client.send(request("PUT", "/up", body=b"small"))
    frame, asked = await service.next()
    assert asked is not None
    assert (frame.flags, asked.body, asked.context(FieldId.BODY_LENGTH)) == (END, b"small", None)
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_trailers_of_a_request(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up"), await lab.client()
    last = b"0\r\nX-Sum: 7\r\nContent-Length: 3\r\nX-Tenant-Id: evil\r\nAuthorization: x\r\n\r\n"
    await client.send(chunked("PUT", "/up", b"abc", last=last, fields="Trailer: x-sum\r\n"))
    asked = await service.asked()
    assert await service.read_body(asked, 3) == b"abc"
    frame = await service.expect(FrameType.TRAILERS)
    assert (frame.flags, decode_trailers(frame.payload)) == (END, [(NAMED, b"x-sum", b"7")])
    await service.respond(asked)
    assert (await client.answer()).status == 200


@pytest.mark.parametrize("takes", [True, False])
async def test_trailers_of_an_answer(lab: Lab, takes: bool) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    lines = ("TE: trailers", "Connection: te") if takes else ()
    await client.send(request("GET", "/down", *lines))
    asked = await service.asked()
    await service.respond(asked, flags=0)
    await service.data(asked, b"abc")
    fields = [(NAMED, b"x-sum", b"7"), (NAMED, b"content-length", b"3"), (NAMED, b"set-cookie", b"a=b")]
    await service.send(FrameType.TRAILERS, encode_trailers(fields[:1] + fields[2:]), END, asked.exchange)
    reader = Reader(client)
    assert b"transfer-encoding: chunked\r\n" in await reader.head()
    assert await reader.chunk() == b"abc"
    assert await reader.chunk() == b""
    section = await reader.until(b"\r\n\r\n") if takes else await reader.until(b"\r\n")
    assert section == (b"x-sum: 7\r\n\r\n" if takes else b"\r\n")
    await client.send(request("GET", "/down"))
    await service.respond(await service.asked(), body=b"next")
    assert (await reader.until(b"next")).startswith(b"HTTP/1.1 200 ")


async def test_trailers_are_dropped_where_the_length_is_stated(lab: Lab) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(request("GET", "/down", "TE: trailers", "Connection: te"))
    asked = await service.asked()
    await service.respond(asked, fields=[(FieldId.BODY_LENGTH, b"", b"3")], flags=0)
    await service.data(asked, b"abc")
    await service.send(FrameType.TRAILERS, encode_trailers([(NAMED, b"x-sum", b"7")]), END, asked.exchange)
    assert (await client.answer()).body == b"abc"
    await client.send(request("GET", "/down"))
    await service.respond(await service.asked(), body=b"next")
    assert (await client.answer()).body == b"next"


async def test_interim_answers_come_first(lab: Lab) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    reader = Reader(client)
    for number in range(16):
        await service.respond(asked, 103, [(NAMED, b"link", b"</%d.css>" % number)], flags=0)
        head = await reader.head()
        assert head == b"HTTP/1.1 103 Early Hints\r\nlink: </%d.css>\r\n\r\n" % number
    await service.respond(asked, body=b"final")
    assert (await reader.until(b"final")).startswith(b"HTTP/1.1 200 ")


async def test_interim_answers_are_not_for_http_1_0(lab: Lab) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(b"GET /down HTTP/1.0\r\n\r\n")
    asked = await service.asked()
    await service.respond(asked, 103, [(NAMED, b"link", b"</a.css>")], flags=0)
    await service.respond(asked, body=b"final")
    answer, is_orderly = await Reader(client).rest()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert is_orderly


async def test_http_1_0_gets_what_has_no_length_until_the_end(lab: Lab) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(b"GET /down HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    asked = await service.asked()
    await service.respond(asked, body=b"one", flags=0)
    await service.data(asked, b"two")
    await service.data(asked, b"", END)
    answer, is_orderly = await Reader(client).rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (body, is_orderly) == (b"onetwo", True)
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body(lab: Lab, status: int) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(request("GET", "/down") * 2)
    await service.respond(await service.asked(), status)
    await service.respond(await service.asked(), body=b"next")
    reader = Reader(client)
    head = await reader.head()
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"transfer-encoding" not in head
    assert (await reader.until(b"next")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_where_none_may_be(lab: Lab, status: int) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    await service.respond(asked, status, flags=0)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (502, "bad_response")
    assert await service.cancelled() == (asked.exchange, CancelReason.BAD_RESPONSE)


async def test_head_is_answered_by_who_answers_get(lab: Lab) -> None:
    service, client = await raw(lab, "GET /down"), await lab.client()
    await client.send(request("HEAD", "/down") + request("GET", "/down"))
    asked = await service.asked()
    await service.respond(asked, fields=[(FieldId.BODY_LENGTH, b"", b"1000")], flags=0)
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)  # nobody wants the body
    await service.respond(await service.asked(), body=b"next")
    answer = await client.answer("HEAD")
    assert (answer.status, answer.headers[b"content-length"]) == (200, b"1000")
    assert (await client.answer()).body == b"next"


async def test_server_sent_events(lab: Lab) -> None:
    service, client = await raw(lab, "GET /events"), await lab.client()
    await client.send(request("GET", "/events"))
    asked = await service.asked()
    await service.respond(asked, fields=[(NAMED, b"content-type", b"text/event-stream")], flags=0)
    reader = Reader(client)
    assert b"content-type: text/event-stream\r\n" in await reader.head()
    for number in range(20):
        event = b"data: %d\n\n" % number
        await service.data(asked, event)
        assert await reader.chunk() == event  # at once, and not with the next one
    await client.aclose()
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)


async def test_ranges_pass(lab: Lab) -> None:
    service, client = await raw(lab, "GET /file"), await lab.client()
    await client.send(request("GET", "/file", "Range: bytes=3-5", 'If-Range: "tag"'))
    asked = await service.asked()
    assert (b"range", b"bytes=3-5") in asked.headers
    assert (b"if-range", b'"tag"') in asked.headers
    fields = [(NAMED, b"content-range", b"bytes 3-5/10"), (FieldId.BODY_LENGTH, b"", b"3")]
    await service.respond(asked, 206, fields, flags=0)
    await service.data(asked, b"345", END)
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers[b"content-range"]) == (206, b"345", b"bytes 3-5/10")
    assert answer.headers[b"content-length"] == b"3"


# ---- early answers ----


async def test_an_early_answer_while_the_upload_goes_on(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up", credit_bytes=1_000), await lab.client()
    await client.send(chunked("PUT", "/up", b"x" * 5_000, last=b""))
    asked = await service.asked()
    await service.read_body(asked, 1_000, grants=False)
    await service.respond(asked, 403, body=b"no")
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers[b"connection"]) == (403, b"no", b"close")
    for _ in range(3):
        await client.send(b"x" * 10_000)  # is taken, so that the answer is not lost by a reset
    await client.stream.send_eof()
    await client.ended()
    await lab.census()


async def test_an_answer_that_begins_early_and_ends_late(lab: Lab) -> None:
    service, client = await raw(lab, "POST /echo"), await lab.client()
    await client.send(chunked("POST", "/echo", b"abc", last=b""))
    asked = await service.asked()
    assert await service.read_body(asked, 3) == b"abc"
    await service.respond(asked, flags=0)
    await service.data(asked, b"ABC")
    reader = Reader(client)
    assert b"connection: close\r\n" in await reader.head()  # the request may still end badly
    assert await reader.chunk() == b"ABC"
    await client.send(b"3\r\ndef\r\n0\r\n\r\n")
    assert await service.read_body(asked) == b"def"
    await service.data(asked, b"DEF", END)
    assert await reader.chunk() == b"DEF"
    assert await reader.chunk() == b""
    assert await reader.rest() == (b"\r\n", True)


# ---- expectations ----


async def test_the_service_invites_the_body(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up"), await lab.client()
    await client.send(request("PUT", "/up", "Content-Length: 3", "Expect: 100-continue"))
    asked = await service.asked()
    assert (b"expect", b"100-continue") in asked.headers
    reader = Reader(client)
    await service.respond(asked, 100, flags=0)
    assert await reader.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"abc" + request("PUT", "/up", body=b"next"))
    assert await service.read_body(asked) == b"abc"
    await service.respond(asked, body=b"done")
    assert (await reader.until(b"done")).startswith(b"HTTP/1.1 200 ")
    asked = await service.asked()
    await service.respond(asked, body=asked.body)
    assert (await reader.until(b"next")).startswith(b"HTTP/1.1 200 ")


async def test_the_service_does_not_want_the_body(lab: Lab) -> None:
    service, client = await raw(lab, "PUT /up"), await lab.client()
    await client.send(request("PUT", "/up", "Content-Length: 3", "Expect: 100-continue"))
    asked = await service.asked()
    await service.respond(asked, 401, body=b"who?")
    answer = await client.answer()
    assert (answer.status, answer.headers[b"connection"]) == (401, b"close")  # the body may come or not
    await client.ended()


async def test_we_invite_a_body_that_is_gathered(lab: Lab, flows: Flows) -> None:
    client = await lab.client()
    await client.send(request("PUT", "/gathered", "Content-Length: 3", "Expect: 100-continue"))
    reader = Reader(client)
    assert await reader.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"abc")
    assert (await reader.until(b'{"bytes":3}')).startswith(b"HTTP/1.1 200 ")


# ---- upgrades ----


async def test_an_upgrade_that_is_declined(lab: Lab) -> None:
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(UPGRADE + request("GET", "/chat"))
    asked = await service.asked()
    assert asked.context(FieldId.UPGRADE) == b"websocket"
    await service.respond(asked, 426, body=b"no")
    answer = await client.answer()
    assert (answer.status, answer.headers[b"upgrade"]) == (426, b"websocket")  # RFC 9110, section 15.5.22
    asked = await service.asked()
    assert asked.context(FieldId.UPGRADE) is None
    await service.respond(asked, body=b"next")
    assert (await client.answer()).body == b"next"


async def test_h2c_is_never_forwarded(lab: Lab) -> None:
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(
        b"GET /chat HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    asked = await service.asked()
    assert asked.context(FieldId.UPGRADE) is None
    assert {name for name, _ in asked.headers} & {b"upgrade", b"connection", b"http2-settings"} == set()
    await service.respond(asked, body=b"still HTTP/1.1")
    assert (await client.answer()).status == 200


@pytest.mark.parametrize("byte_count", [1, 16_383, 16_384, 100_000])
async def test_what_comes_before_an_upgrade_is_accepted_is_not_lost(lab: Lab, byte_count: int) -> None:
    """As much as is read ahead, and more."""
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(UPGRADE + b"x" * byte_count)
    asked = await service.asked()
    await trio.sleep(0.01)
    await service.respond(asked, 101, flags=0)
    assert await service.read_body(asked, byte_count) == b"x" * byte_count
    await service.data(asked, b"goodbye", END)
    reader = Reader(client)
    await reader.head()
    assert await reader.rest() == (b"goodbye", True)


@pytest.mark.parametrize(
    "body", ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
async def test_an_upgrade_with_a_body_is_ignored(lab: Lab, body: str) -> None:
    """The body belongs to the request, and must not become the beginning of the other protocol."""
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(UPGRADE[:-2] + body.encode() + request("GET", "/chat"))
    asked = await service.asked()
    assert asked.context(FieldId.UPGRADE) is None
    assert await service.read_body(asked) == b"hello"
    await service.respond(asked, body=b"plain")
    assert (await client.answer()).body == b"plain"
    await service.respond(await service.asked(), body=b"next")
    assert (await client.answer()).body == b"next"


async def test_a_tunnel_whose_client_ends_its_direction(lab: Lab) -> None:
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(UPGRADE)
    asked = await service.asked()
    await service.respond(asked, 101, flags=0)
    reader = Reader(client)
    await reader.head()
    await client.send(b"last words")
    await client.stream.send_eof()
    assert await service.read_body(asked) == b"last words"
    await service.data(asked, b"goodbye", END)
    assert await reader.rest() == (b"goodbye", True)


async def test_101_that_was_not_asked_for(lab: Lab) -> None:
    service, client = await raw(lab, "GET /chat"), await lab.client()
    await client.send(request("GET", "/chat"))
    asked = await service.asked()
    await service.send(FrameType.RESPONSE, encode_response(101), 0, asked.exchange)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (502, "bad_response")


async def test_trailers_in_a_tunnel(lab: Lab) -> None:
    service, client = await raw(lab, "GET /chat", upgrades=("websocket",)), await lab.client()
    await client.send(UPGRADE)
    asked = await service.asked()
    await service.respond(asked, 101, flags=0)
    reader = Reader(client)
    await reader.head()
    await service.send(FrameType.TRAILERS, encode_trailers([]), END, asked.exchange)
    assert (await reader.rest())[1] is False


# ---- half-close ----


@pytest.mark.parametrize("data", [request("GET", "/down"), chunked("PUT", "/up", b"abc")], ids=["GET", "PUT"])
async def test_a_client_that_ends_its_direction_is_gone(lab: Lab, data: bytes) -> None:
    service, client = await raw(lab, "GET /down", "PUT /up"), await lab.client()
    await client.send(data)
    await client.stream.send_eof()
    asked = await service.asked()
    while (await service.next())[0].type is not FrameType.CANCEL:
        pass
    await lab.census()
    assert lab.reasons == {"client_gone": 1}
    other = await lab.client()
    await other.send(request("GET", "/down"))
    again = await service.asked()
    assert again.exchange != asked.exchange
    await service.respond(again, body=b"next")
    assert (await other.answer()).body == b"next"


async def test_a_body_that_ends_too_soon_is_never_taken_for_whole(lab: Lab, flows: Flows) -> None:
    for data in (chunked("PUT", "/up", b"abc", last=b""), request("PUT", "/up", "Content-Length: 99999") + b"abc"):
        client = await lab.client()
        await client.send(data)
        await until(lambda: flows.running == 1)
        await client.stream.send_eof()
        assert (await Reader(client).rest())[0] == b""
        await until(lambda: flows.running == 0)


async def test_who_reads_slowly_gets_all_of_it(lab: Lab) -> None:
    """The service has said all, and is lost, before its client has read it."""
    service, client = await raw(lab, "GET /down"), await lab.client()
    body = PIECE * 8
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    await service.respond(asked, flags=0)
    await service.data(asked, body, END)
    await service.aclose()
    await until(lambda: not lab.count("framed_open_now"))
    assert (await client.answer()).body == body
