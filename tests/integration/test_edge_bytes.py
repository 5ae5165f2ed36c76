"""Any bytes on the edge: a clear answer and a close, or a close; never a hang, and the next client is unharmed."""

import random
import ssl

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, request

from penstock import Call, Service

GET = b"GET /things HTTP/1.1\r\nHost: edge\r\n"


def client_hello() -> bytes:
    """What a TLS client says first."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="edge")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


BAD_REQUESTS = {
    "TLS": (client_hello(), 400, "not_http"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unsupported_version"),
    "HTTP/2 with a plain target": (b"GET /things HTTP/2.0\r\nHost: edge\r\n\r\n", 505, "unsupported_version"),
    "HTTP/0.9": (b"GET /things\r\n\r\n", 505, "unsupported_version"),
    "a version that is none": (b"GET /things HTTQ/1.1\r\nHost: edge\r\n\r\n", 400, "bad_version"),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", 400, "not_http"),
    "zeros": (bytes(64), 400, "not_http"),
    "an empty line first": (b"\r\n" + GET + b"\r\n", 400, "not_http"),
    "a method that is no token": (b"G\x7fT /things HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "not_http"),
    "a method that is unknown": (b"BREW /things HTTP/1.1\r\nHost: edge\r\n\r\n", 501, "method_not_implemented"),
    "CONNECT": (b"CONNECT edge:443 HTTP/1.1\r\nHost: edge\r\n\r\n", 501, "method_not_implemented"),
    "dot segments": (b"GET /a/../things HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "bad_path"),
    "an encoded separator": (b"GET /a%2fthings HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "bad_path"),
    "a target with a space": (b"GET /a b HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "bad_version"),
    "a target with a control byte": (b"GET /a\x01 HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "bad_target"),
    "a target that is too long": (b"GET /" + b"a" * 8_192 + b" HTTP/1.1\r\nHost: edge\r\n\r\n", 414, "target_too_long"),
    "no Host": (b"GET /things HTTP/1.1\r\n\r\n", 400, "bad_host"),
    "two Hosts": (GET + b"Host: edge\r\n\r\n", 400, "bad_host"),
    "a Host that is none": (b"GET /things HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_host"),
    "a bare line feed": (b"GET /things HTTP/1.1\nHost: edge\n\n", 400, "bad_line_end"),
    "a bare carriage return": (GET + b"A: b\rc\r\n\r\n", 400, None),
    "a folded line": (GET + b"A: b\r\n c\r\n\r\n", 400, "bad_field_name"),
    "a space before the colon": (GET + b"A : b\r\n\r\n", 400, "bad_field_name"),
    "no colon": (GET + b"A\r\n\r\n", 400, "bad_field_name"),
    "no name": (GET + b": b\r\n\r\n", 400, "bad_field_name"),
    "a NUL in a value": (GET + b"A: b\0c\r\n\r\n", 400, "bad_field_value"),
    "a name of 256 bytes": (GET + b"n" * 256 + b": b\r\n\r\n", 431, "field_name_too_long"),
    "101 fields": (GET + b"".join(b"A%d: b\r\n" % number for number in range(100)) + b"\r\n", 431, "too_many_fields"),
    "a head of 100 KiB": (GET + b"A: " + b"b" * 102_400 + b"\r\n\r\n", 431, "head_too_large"),
    "length and chunked": (
        GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "length_and_encoding",
    ),
    "two lengths": (GET + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "bad_content_length"),
    "a negative length": (GET + b"Content-Length: -1\r\n\r\n", 400, "bad_content_length"),
    "a length in hexadecimal": (GET + b"Content-Length: 0x3\r\n\r\nabc", 400, "bad_content_length"),
    "a length beyond all bounds": (GET + b"Content-Length: 99999999999999999999\r\n\r\n", 400, "bad_content_length"),
    "the tenant twice": (GET + b"X-Tenant-Id: a\r\nX-Tenant-Id: b\r\n\r\n", 400, "bad_context"),
    "an id twice": (GET + b"X-Request-Id: a\r\nX-Request-Id: b\r\n\r\n", 400, "bad_context"),
}


CARRIED = {
    "absolute form": b"GET http://edge/things HTTP/1.1\r\nHost: other\r\n\r\n",
    "a path with needless encodings": b"GET /%74hings HTTP/1.1\r\nHost: edge\r\n\r\n",
    "chunked": GET + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "a body that is too large for the batch": GET + b"Content-Length: 65537\r\n\r\n" + b"x" * 65_537,
    "Expect, and the body": GET + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "Upgrade": GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "Connection names a field": GET + b"Connection: x-a\r\nX-A: 1\r\n\r\n",
}


@pytest.fixture
async def things(lab: Lab) -> Lab:
    """A gateway with a service that answers at once."""
    service = Service("things", version="1.0.0")

    @service.get("/things")
    def things(call: Call) -> str:
        return "thing"

    await lab.serve(service)
    return lab


async def still_serves(lab: Lab) -> None:
    assert (await (await lab.client()).get("/things")).body == b"thing"


@pytest.mark.parametrize(("data", "status", "reason"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_what_is_no_plain_request(things: Lab, data: bytes, status: int, reason: str | None) -> None:
    client = await things.client()
    await client.send(data)
    answer = await client.answer()
    assert answer.status == status
    assert answer.reason == (reason or answer.reason)
    assert answer.headers[b"connection"] == b"close"
    await client.ended()
    await still_serves(things)


@pytest.mark.parametrize("data", CARRIED.values(), ids=CARRIED)
async def test_what_is_unusual_is_carried_and_the_next_request_too(things: Lab, data: bytes) -> None:
    client = await things.client()
    await client.send(data + request("GET", "/things"))
    for _ in range(2):
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"thing")


async def test_http_1_0(things: Lab) -> None:
    client = await things.client()
    await client.send(b"GET /things HTTP/1.0\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers[b"connection"]) == (200, b"thing", b"close")
    await client.ended()


async def test_what_can_this_server_do(things: Lab) -> None:
    client = await things.client()
    await client.send(b"OPTIONS * HTTP/1.1\r\nHost: edge\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.headers[b"allow"]) == (204, b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    await still_serves(things)


async def test_what_follows_a_bad_request_is_never_looked_at(things: Lab) -> None:
    client = await things.client()
    await client.send(request("GET", "/things") + b"GET /things HTTP/1.1\r\n\r\n" + request("GET", "/things"))
    assert (await client.answer()).body == b"thing"
    assert (await client.answer()).reason == "bad_host"
    await client.ended()


async def test_a_bad_request_by_head_is_answered_without_a_body(things: Lab) -> None:
    client = await things.client()
    await client.send(b"HEAD /things HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    answer = await client.answer("HEAD")
    assert (answer.status, answer.body) == (400, b"")
    await client.ended()


async def finish(client: Client) -> bytes:
    """All that comes until the connection ends. A reset is an end, too."""
    came = b""
    with trio.fail_after(WAIT_S):
        try:
            while data := await client.stream.receive_some(65536):
                came += data
        except trio.BrokenResourceError:
            pass
    return came


async def test_garbage(things: Lab) -> None:
    draw = random.Random(20_261_120)
    pieces = [
        b"GET /things HTTP/1.1\r\n",
        b"Host: edge\r\n",
        b"\r\n",
        b"Content-Length: 5\r\n",
        b"POST / HTTP/1.1\r\n",
        b" ",
        b":",
        b"\n",
        b"\r",
        b"\0",
        b"Transfer-Encoding: chunked\r\n",
        b"x-a: b\r\n",
    ]
    for _ in range(300):
        data = b"".join(
            draw.choice(pieces) if draw.random() < 0.8 else draw.randbytes(draw.randrange(40))
            for _ in range(draw.randrange(1, 12))
        )
        client = await things.client()
        with trio.fail_after(WAIT_S):
            try:
                await client.send(data)
                await client.stream.send_eof()
            except trio.BrokenResourceError:
                continue
        came = await finish(client)
        assert came == b"" or came.startswith(b"HTTP/1.1 "), (data, came)
        await client.aclose()
    await still_serves(things)


async def test_every_beginning_of_a_request_may_be_the_end(things: Lab) -> None:
    whole = request("GET", "/things", "X-A: b")
    for end in range(len(whole)):
        client = await things.client()
        await client.send(whole[:end])
        await client.aclose()
    await still_serves(things)


async def test_a_thousand_connections_at_once(things: Lab) -> None:
    clients = [await things.client() for _ in range(1_000)]
    for client in clients:
        await client.send(request("GET", "/things"))
    for client in clients:
        assert (await client.answer()).body == b"thing"
    assert things.count("edge_open_now") == 1_000
    await things.census()  # an idle connection holds nothing
    for client in clients:
        await client.aclose()


async def test_a_thousand_pipelined_requests(things: Lab) -> None:
    client = await things.client()
    things.nursery.start_soon(client.send, request("GET", "/things") * 1_000)
    for _ in range(1_000):
        assert (await client.answer()).body == b"thing"


async def test_connections_over_the_bound_wait_for_their_turn() -> None:
    async with open_lab(edge_max_connections="2") as lab:
        first, second, third = [await lab.client() for _ in range(3)]
        for client in (first, second):
            assert (await client.get("/nowhere")).status == 404
        await third.send(request("GET", "/nowhere"))
        await first.aclose()
        assert (await third.answer()).status == 404
        assert lab.count("edge_paused") >= 1


async def test_exchanges_over_the_bound_are_answered() -> None:
    async with open_lab(exchanges_max="1") as lab:
        service, one, two = await lab.raw("GET /things"), await lab.client(), await lab.client()
        await one.send(request("GET", "/things"))
        asked = await service.asked()
        await two.send(request("GET", "/things"))
        answer = await two.answer()
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
        await two.ended()
        await service.respond(asked)
        assert (await one.answer()).status == 200


# ---- slow clients ----


async def test_a_head_that_is_slow(things: Lab) -> None:
    client = await things.client()
    await client.send(b"GET /things HTTP/1.1\r\nHost:")
    await until(lambda: things.count("buffers_now") == 1)
    await things.pass_time(10_001)
    await client.send(b" ")
    answer = await client.answer()
    assert (answer.status, answer.reason) == (408, "head_timeout")
    await client.ended()


async def test_a_body_that_is_slow(lab: Lab) -> None:
    await lab.raw("POST /things")
    client = await lab.client()
    await client.send(request("POST", "/things", body=b"x" * 2_048)[:-1])
    await until(lambda: lab.count("buffers_now") == 1)
    await lab.pass_time(10_000)  # of grace, and 2 s for its bytes
    assert lab.reasons == {}
    await lab.pass_time(2_001)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (408, "body_timeout")
    await client.ended()


async def test_an_idle_connection_is_closed(things: Lab) -> None:
    client, fresh = await things.client(), await things.client()
    assert (await client.get("/things")).status == 200
    await things.pass_time(60_000)
    assert (await client.get("/things")).status == 200  # within 75 s less the jitter
    await things.pass_time(60_000)
    await fresh.ended()
    assert (await client.get("/things")).status == 200
    await things.pass_time(83_000)
    await client.ended()
    assert things.count("edge_idle_closed") == 2


async def test_a_client_that_does_not_read(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things") * 40)

    async def answer_all() -> None:
        while True:
            _, asked = await service.next()
            if asked is not None:
                await service.respond(asked, body=b"x" * 1_000_000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all)
        await until(lambda: lab.count("buffer_bytes_now") > 65_536)  # what the sockets between them do not hold
        with trio.fail_after(WAIT_S):
            while not lab.count("edge_write_timeouts"):
                assert lab.count("buffer_bytes_now") < 1_100_000
                # Else time would pass for a deadline, and not for the client.
                await until(lambda: lab.count("exchanges_now") == 0)
                await lab.pass_time(30_001)
        nursery.cancel_scope.cancel()
    assert lab.count("requests") < 40  # nothing more is asked for who does not read
    await finish(client)
