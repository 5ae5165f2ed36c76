"""Every bound of the edge, at exactly the bound and one past it: the status, the reason, and what others see of it."""

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import Client, HttpAnswer, request
from lab_service import RawService, streaming
from lab_streams import Reader, chunked, serve_flows

from frames.frame import END, CancelReason, FrameType

ODD = "Connection: x-odd"
"""Makes a request one of the task lane."""
PUT = "PUT /up HTTP/1.1\r\nHost: edge\r\n"


async def answer_to(lab: Lab, data: bytes) -> HttpAnswer:
    client = await lab.client()
    await client.send(data)
    return await client.answer()


def padded(byte_count: int, *lines: str) -> bytes:
    """A request whose head has that many bytes."""
    least = len(request("GET", "/plain", "X-Pad: ", *lines))
    return request("GET", "/plain", "X-Pad: " + "x" * (byte_count - least), *lines)


# ---- heads ----


@pytest.mark.parametrize("lines", [(), (ODD,)], ids=["express", "task"])
async def test_bytes_of_a_head(lines: tuple[str, ...]) -> None:
    async with open_lab(edge_head_bytes="1KiB", edge_target_bytes="100B") as lab:
        await serve_flows(lab)
        assert (await answer_to(lab, padded(1_024, *lines))).body == b"plain"
        answer = await answer_to(lab, padded(1_025, *lines))
        assert (answer.status, answer.reason, answer.headers[b"connection"]) == (431, "head_too_large", b"close")


@pytest.mark.parametrize("lines", [(), (ODD,)], ids=["express", "task"])
async def test_fields_of_a_head(lines: tuple[str, ...]) -> None:
    async with open_lab(edge_head_fields="5") as lab:
        await serve_flows(lab)
        most = [f"X-{number}: a" for number in range(4 - len(lines))]
        assert (await answer_to(lab, request("GET", "/plain", *lines, *most))).body == b"plain"
        answer = await answer_to(lab, request("GET", "/plain", *lines, *most, "X-More: a"))
        assert (answer.status, answer.reason) == (431, "too_many_fields")


@pytest.mark.parametrize("lines", [(), (ODD,)], ids=["express", "task"])
async def test_bytes_of_a_target(lines: tuple[str, ...]) -> None:
    async with open_lab(edge_target_bytes="16B") as lab:
        await serve_flows(lab)
        assert (await answer_to(lab, request("GET", "/plain?query-345", *lines))).body == b"plain"
        answer = await answer_to(lab, request("GET", "/plain?query-3456", *lines))
        assert (answer.status, answer.reason) == (414, "target_too_long")


async def test_time_of_a_head(lab: Lab) -> None:
    await serve_flows(lab)
    client = await lab.client()
    await client.send(b"GET /plain HTTP/1.1\r\n")
    await until(lambda: lab.count("buffers_now") == 1)
    await lab.pass_time(9_000)
    assert lab.reasons == {}
    await lab.pass_time(1_001)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (408, "head_timeout")


# ---- one body ----


async def refused_with(lab: Lab, client: Client, status: int, reason: str) -> None:
    answer = await client.answer()
    assert (answer.status, answer.reason, answer.headers[b"connection"]) == (status, reason, b"close")
    await client.ended()
    await client.aclose()
    await lab.census()


async def test_bytes_of_a_body_that_streams() -> None:
    async with open_lab(edge_call_bytes="1000B", edge_buffered_bytes="1000B", edge_body_bytes="100B") as lab:
        service = await lab.raw(**streaming("PUT /up"))
        for data in (request("PUT", "/up", body=b"x" * 1_000), chunked("PUT", "/up", b"x" * 600, b"x" * 400)):
            client = await lab.client()
            await client.send(data)
            asked = await service.asked()
            assert await service.read_body(asked) == b"x" * 1_000
            await service.respond(asked)
            assert (await client.answer()).status == 200

        client = await lab.client()
        await client.send(request("PUT", "/up", "Content-Length: 1001"))  # and nothing of it
        await refused_with(lab, client, 413, "body_too_large")

        client = await lab.client()
        await client.send(chunked("PUT", "/up", b"x" * 600, last=b""))
        asked = await service.asked()
        await service.read_body(asked, 600)
        await client.send(b"191\r\n" + b"x" * 401)
        frame, _ = await service.next()
        assert frame.type is FrameType.CANCEL  # nothing over the bound went on
        assert CancelReason(frame.payload[0]) is CancelReason.PAYLOAD_TOO_LARGE
        await refused_with(lab, client, 413, "body_too_large")
        assert lab.reasons == {"body_too_large": 2}


async def test_bytes_of_a_body_after_its_answer_has_begun() -> None:
    async with open_lab(edge_call_bytes="1000B", edge_buffered_bytes="1000B", edge_body_bytes="100B") as lab:
        service, client = await lab.raw(**streaming("PUT /up")), await lab.client()
        await client.send(chunked("PUT", "/up", b"x" * 600, last=b""))
        asked = await service.asked()
        await service.respond(asked, flags=0)
        await Reader(client).head()
        await client.send(b"191\r\n" + b"x" * 401)
        _, is_orderly = await Reader(client).rest()
        assert not is_orderly
        assert lab.reasons == {"body_too_large": 1}


async def test_bytes_of_a_body_that_is_gathered() -> None:
    async with open_lab(edge_buffered_bytes="1000B", edge_body_bytes="100B") as lab:
        service = await lab.raw("PUT /up")
        for data in (request("PUT", "/up", body=b"x" * 1_000), chunked("PUT", "/up", b"x" * 600, b"x" * 400)):
            client = await lab.client()
            await client.send(data)
            asked = await service.asked()
            assert asked.body == b"x" * 1_000
            await service.respond(asked)
            assert (await client.answer()).status == 200
        for data in (
            request("PUT", "/up", "Content-Length: 1001"),
            request("PUT", "/up", "Content-Length: 1001", "Expect: 100-continue"),  # it is not invited
            chunked("PUT", "/up", b"x" * 600, b"x" * 401, last=b""),
        ):
            client = await lab.client()
            await client.send(data)
            await refused_with(lab, client, 413, "body_too_large")


async def test_a_body_as_long_as_a_frame(lab: Lab) -> None:
    service = await lab.raw("PUT /up")
    client = await lab.client()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, request("PUT", "/up", body=b"x" * (960 << 10)))
        asked = await service.asked()
        assert len(asked.body) == 960 << 10
        await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_bytes_of_a_trailer_section() -> None:
    async with open_lab(edge_head_bytes="1KiB", edge_target_bytes="100B", edge_head_fields="3") as lab:
        await serve_flows(lab)
        most = b"X-A: " + b"x" * (1_024 - len(b"X-A: \r\n\r\n")) + b"\r\n\r\n"
        assert (await answer_to(lab, chunked("PUT", "/up", b"abc", last=b"0\r\n" + most))).json() == {"bytes": 3}
        answer = await answer_to(lab, chunked("PUT", "/up", b"abc", last=b"0\r\nX-Bb" + most[3:]))
        assert (answer.status, answer.reason) == (400, "bad_trailer")
        answer = await answer_to(lab, chunked("PUT", "/up", b"abc", last=b"0\r\n" + b"a: b\r\n" * 3 + b"\r\n"))
        assert answer.status == 200
        answer = await answer_to(lab, chunked("PUT", "/up", b"abc", last=b"0\r\n" + b"a: b\r\n" * 4 + b"\r\n"))
        assert (answer.status, answer.reason) == (400, "bad_trailer")


@pytest.mark.parametrize("target", ["/up", "/gathered"])
async def test_time_of_a_body(target: str) -> None:
    """The grace is that of a head. Exact times are tested with a clock that jumps, in the unit's own test."""
    async with open_lab(edge_head_timeout="50ms") as lab:
        flows = await serve_flows(lab)
        client = await lab.client()
        await client.send(chunked("PUT", target, b"x", last=b""))
        await refused_with(lab, client, 408, "body_timeout")
        await until(lambda: not flows.running)


async def test_only_the_client_is_measured() -> None:
    """A service that is slow to take a body is no slow client."""
    async with open_lab(edge_head_timeout="30ms") as lab:
        service, client = await lab.raw(**streaming("PUT /up", credit_bytes=1)), await lab.client()
        await client.send(chunked("PUT", "/up", b"abc"))
        asked = await service.asked()
        await trio.sleep(0.1)
        await service.grant(asked, 2)
        assert await service.read_body(asked) == b"abc"
        await service.respond(asked)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("data", [b"5\r\nabc\r\n", b"0\r\nbad trailer\r\n\r\n", b"xyz\r\n"])
async def test_a_body_that_cannot_be_read(lab: Lab, data: bytes) -> None:
    service, client = await lab.raw(**streaming("PUT /up")), await lab.client()
    await client.send(chunked("PUT", "/up", last=b""))
    asked = await service.asked()
    await client.send(data + b"0\r\n\r\n" + request("GET", "/plain"))
    while (await service.next())[0].type is FrameType.DATA:
        pass
    await refused_with(lab, client, 400, "bad_trailer" if b"trailer" in data else "bad_chunk")
    assert asked.exchange


# ---- all bodies together ----


async def test_bytes_in_flight_of_bodies_that_are_gathered() -> None:
    async with open_lab(edge_bytes_in_flight="1MiB") as lab:
        await lab.raw("PUT /up")
        clients = [await lab.client() for _ in range(2)]
        for client in clients:
            await client.send(request("PUT", "/up", "Content-Length: 900000") + b"x" * 524_288)
        bodies = lab.gateway.bytes_in_flight
        await until(lambda: bodies.held == 1 << 20)
        assert lab.reasons == {}
        await clients[0].send(b"x")
        await refused_with_503(clients[0])
        assert (bodies.peak, bodies.refused) == (1 << 20, 1)
        await until(lambda: bodies.held == 524_288)  # the other one goes on
        await clients[1].aclose()
        await lab.census()


async def refused_with_503(client: Client) -> None:
    answer = await client.answer()
    assert (answer.status, answer.reason) == (503, "bytes_in_flight_full")
    assert (answer.headers[b"retry-after"], answer.headers[b"connection"]) == (b"1", b"close")
    await client.aclose()


async def test_bytes_in_flight_of_streams() -> None:
    """A stream counts with all that it might hold."""
    async with open_lab(edge_bytes_in_flight="1MiB", services_credit_bytes="192KiB") as lab:
        service = await lab.raw(**streaming("GET /down"))
        clients = [await lab.client() for _ in range(5)]
        asked = []
        for client in clients[:4]:
            await client.send(request("GET", "/down", ODD))
            asked.append(await service.asked())
        assert lab.gateway.bytes_in_flight.held == 1 << 20
        await clients[4].send(request("GET", "/down", ODD))
        await refused_with_503(clients[4])
        await service.respond(asked[0])
        assert (await clients[0].answer()).status == 200
        await clients[0].send(request("GET", "/down", ODD))
        await service.respond(await service.asked())
        assert (await clients[0].answer()).status == 200
        for one in asked[1:]:
            await service.respond(one)


async def test_an_answer_that_turns_out_to_stream_when_there_is_no_room_for_it() -> None:
    async with open_lab(edge_bytes_in_flight="1MiB", services_credit_bytes="960KiB") as lab:
        service = await lab.raw(**streaming("GET /down"))
        first, second = await lab.client(), await lab.client()
        asked = []
        for client in (first, second):
            await client.send(request("GET", "/down"))
            asked.append(await service.asked())
        assert lab.gateway.bytes_in_flight.held == 0
        await service.respond(asked[0], flags=0)
        await until(lambda: lab.gateway.bytes_in_flight.held == 1 << 20)
        await service.respond(asked[1], flags=0)
        await refused_with_503(second)
        assert await service.cancelled() == (asked[1].exchange, CancelReason.SHUTDOWN)
        await service.data(asked[0], b"", END)
        assert (await first.answer()).status == 200


# ---- connections ----

KINDS = {
    "express": request("GET", "/plain"),
    "task": request("GET", "/plain", ODD),
    "gathered": chunked("PUT", "/gathered", b"abc"),
    "streamed": chunked("PUT", "/up", b"abc"),
}


async def closes_after(client: Client, data: bytes, count: int) -> None:
    for number in range(1, count + 1):
        await client.send(data)
        answer = await client.answer()
        assert answer.status == 200
        assert answer.headers.get(b"connection") == (b"close" if number == count else None), number
    await client.ended()


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
async def test_requests_of_a_connection(data: bytes) -> None:
    async with open_lab(edge_connection_requests="3", edge_idle_jitter="0%") as lab:
        await serve_flows(lab)
        await closes_after(await lab.client(), data, 3)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
async def test_bytes_of_a_connection(data: bytes) -> None:
    """What reaches the bound is the last; each request but the last was counted when it is answered."""
    async with open_lab(edge_connection_bytes=f"{3 * len(data)}B") as lab:
        await serve_flows(lab)
        await closes_after(await lab.client(), data, 3)
    async with open_lab(edge_connection_bytes=f"{3 * len(data) + 1}B") as lab:
        await serve_flows(lab)
        await closes_after(await lab.client(), data, 4)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
async def test_age_of_a_connection(data: bytes) -> None:
    async with open_lab(edge_connection_age="1m", edge_idle_timeout="1h", edge_idle_jitter="0%") as lab:
        await serve_flows(lab)
        client = await lab.client()
        for _ in range(2):
            await client.send(data)
            answer = await client.answer()
            assert (answer.status, answer.headers.get(b"connection")) == (200, None)
            await lab.pass_time(25_000)
        await client.send(data)
        assert (await client.answer()).status == 200
        await lab.pass_time(10_001)
        await client.ended()  # it is idle


async def test_connections_of_one_address() -> None:
    async with open_lab(edge_connections_per_address="2") as lab:
        await serve_flows(lab)
        clients = [await lab.client() for _ in range(2)]
        for client in clients:
            assert (await client.get("/plain")).body == b"plain"
        third = await lab.client()
        answer = await third.answer()
        assert (answer.status, answer.headers[b"retry-after"], answer.headers[b"connection"]) == (429, b"1", b"close")
        await third.ended()
        assert lab.count("edge_refused_by_address") == 1
        await clients[0].aclose()
        await until(lambda: lab.count("edge_open_now") == 1)
        assert (await (await lab.client()).get("/plain")).body == b"plain"


async def test_a_connection_that_is_handed_over_counts_for_its_address() -> None:
    async with open_lab(edge_connections_per_address="1") as lab:
        service, client = await lab.raw(**streaming("GET /down")), await lab.client()
        await client.send(request("GET", "/down"))
        asked = await service.asked()
        assert (await (await lab.client()).answer()).status == 429
        await service.respond(asked)
        assert (await client.answer()).status == 200


async def test_connections_in_all() -> None:
    async with open_lab(edge_max_connections="1") as lab:
        service, first, second = await lab.raw(**streaming("GET /down")), await lab.client(), await lab.client()
        await first.send(request("GET", "/down"))
        asked = await service.asked()
        await second.send(request("GET", "/down"))
        await until(lambda: lab.count("edge_paused") >= 1)
        await service.respond(asked)
        assert (await first.answer()).status == 200
        await first.aclose()
        await service.respond(await service.asked())
        assert (await second.answer()).status == 200


# ---- slow readers ----


async def stuff(service: RawService, client: Client) -> None:
    """Send more than sockets hold, to a client that reads nothing."""
    asked = await service.asked()
    await service.respond(asked, flags=0)
    window = 0
    while True:
        await service.data(asked, b"x" * 16_384)
        window += 16_384
        while window > 100_000:
            frame, _ = await service.next()
            if frame.type is FrameType.CANCEL:
                assert CancelReason(frame.payload[0]) is CancelReason.CLIENT_GONE
                return
            assert frame.type is FrameType.CREDIT
            window -= int.from_bytes(frame.payload)


async def test_a_client_that_does_not_read_a_stream() -> None:
    async with open_lab(edge_write_timeout="60ms") as lab:
        service, client = await lab.raw(**streaming("GET /down")), await lab.client()
        await client.send(request("GET", "/down"))
        await stuff(service, client)
        await lab.census()
        assert lab.reasons == {"client_too_slow": 1}
        other = await lab.client()
        await other.send(request("GET", "/down"))
        await service.respond(await service.asked(), body=b"unharmed", flags=END)
        assert (await other.answer()).body == b"unharmed"
