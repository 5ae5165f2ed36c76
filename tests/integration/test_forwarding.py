"""What of a request reaches the service, and what of a response reaches the client."""

import pytest
from lab import Lab, open_lab
from lab_client import request

from frames.codec import Field, encode_frame, encode_response
from frames.frame import END, FieldId, FrameType, Method
from frames.limits import PAYLOAD_BYTES_MAX

TRACE = "0af7651916cd43dd8448eb211c80319c"


def named(name: bytes, value: bytes) -> Field:
    return FieldId.NAMED, name, value


async def test_method_target_and_body_arrive_as_they_were_sent(lab: Lab) -> None:
    service, client = await lab.raw("GET /other", "PUT /things/{id}"), await lab.client()
    body = bytes(range(256)) * 16
    await client.send(request("PUT", "/things/a%20b?x=%2F&y=1&x", body=body))
    asked = await service.asked()
    assert (asked.method, asked.endpoint, asked.attempt) == (Method.PUT, 2, 1)
    assert asked.target == b"/things/a%20b?x=%2F&y=1&x"
    assert asked.body == body
    assert 0 < asked.remaining_ms <= 10_000
    await service.respond(asked, 200)
    assert (await client.answer()).status == 200


async def test_the_context_arrives_as_fields_of_its_own(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(
        request(
            "GET",
            "/things",
            "X-Tenant-ID: acme",
            "x-correlation-id: c-1",
            "X-REQUEST-ID: r-1",
            f"TraceParent: 00-{TRACE}-b7ad6b7169203331-01",
            "tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "X-Request-Timeout-Ms: 900",
        )
    )
    asked = await service.asked()
    assert asked.context(FieldId.TENANT) == b"acme"
    assert asked.context(FieldId.CORRELATION_ID) == b"c-1"
    assert asked.context(FieldId.REQUEST_ID) == b"r-1"
    assert asked.context(FieldId.TRACE) == bytes.fromhex(TRACE + "b7ad6b7169203331" + "01")
    assert asked.context(FieldId.TRACESTATE) == b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    assert asked.remaining_ms <= 900
    assert asked.headers == [(b"host", b"edge")]
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_without_context_ids_and_a_trace_are_made(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    seen = set()
    for _ in range(3):
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        assert asked.context(FieldId.TENANT) is None
        assert asked.context(FieldId.TRACESTATE) is None
        trace, request_id = asked.context(FieldId.TRACE), asked.context(FieldId.REQUEST_ID)
        assert trace is not None
        assert request_id == trace[:16].hex().encode() == asked.context(FieldId.CORRELATION_ID)
        seen.add(trace)
        await service.respond(asked)
        assert (await client.answer()).headers[b"x-request-id"] == request_id
    assert len(seen) == 3


async def test_an_invalid_trace_is_replaced_and_its_state_dropped(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things", f"traceparent: 00-{'0' * 32}-b7ad6b7169203331-01", "tracestate: a=1"))
    asked = await service.asked()
    trace = asked.context(FieldId.TRACE)
    assert trace is not None
    assert any(trace[:16])
    assert asked.context(FieldId.TRACESTATE) is None
    await service.respond(asked)
    await client.answer()


async def test_of_two_traces_none_is_taken(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    trace = f"traceparent: 00-{TRACE}-b7ad6b7169203331-01"
    await client.send(request("GET", "/things", trace, trace.title(), "tracestate: a=1"))
    asked = await service.asked()
    begun = asked.context(FieldId.TRACE)
    assert begun is not None
    assert begun[:16].hex().encode() == asked.context(FieldId.REQUEST_ID)
    assert asked.context(FieldId.TRACESTATE) is None
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_several_fields_of_tracestate_are_one(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    trace = f"traceparent: 00-{TRACE}-b7ad6b7169203331-01"
    await client.send(request("GET", "/things", "tracestate: foo=1,bar=2", trace, "TraceState: baz=3", "tracestate:"))
    asked = await service.asked()
    assert asked.context(FieldId.TRACE) == bytes.fromhex(TRACE + "b7ad6b7169203331" + "01")
    assert asked.context(FieldId.TRACESTATE) == b"foo=1,bar=2, baz=3, "
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_headers_arrive_but_those_of_one_hop(lab: Lab) -> None:
    service, client = await lab.raw("POST /things"), await lab.client()
    await client.send(
        request(
            "POST",
            "/things",
            "Accept: a/b",
            "X-Twice: 1",
            "X-Twice: 2",
            "Connection: keep-alive",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "TE: trailers",
            "Trailer: x",
            "X-Latin: \xe9",
            body=b"1",
        )
    )
    asked = await service.asked()
    assert asked.headers == [
        (b"host", b"edge"),
        (b"accept", b"a/b"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"x-latin", b"\xe9"),
    ]
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_status_fields_and_body_reach_the_client(lab: Lab) -> None:
    await answer_with_each_status(lab, (200, 299, 301, 404, 418, 500, 599))


async def test_what_fails_reaches_the_client_as_it_is_when_it_is_not_sent_again() -> None:
    async with open_lab(rules="[{retries: none}]") as lab:
        await answer_with_each_status(lab, (429, 502, 503, 504))


async def answer_with_each_status(lab: Lab, statuses: tuple[int, ...]) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    for status in statuses:
        await client.send(request("GET", "/things"))
        await service.respond(
            await service.asked(), status, [named(b"x-a", b"1"), named(b"content-type", b"t/u")], b"b"
        )
        answer = await client.answer()
        assert (answer.status, answer.body) == (status, b"b")
        assert (answer.headers[b"x-a"], answer.headers[b"content-type"]) == (b"1", b"t/u")
        assert answer.headers[b"content-length"] == b"1"
        assert b"date" in answer.headers


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body(lab: Lab, status: int) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    for _ in range(2):
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), status)
        answer = await client.answer()
        assert (answer.status, answer.body) == (status, b"")
        assert b"content-length" not in answer.headers


async def test_interim_responses_are_left_out(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await service.respond(asked, 103, [named(b"link", b"</a>")], flags=0)
    await service.respond(asked, 200, body=b"final")
    assert (await client.answer()).body == b"final"


async def test_the_largest_answer(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    body = b"x" * (PAYLOAD_BYTES_MAX - 4)
    lab.nursery.start_soon(service.respond, asked, 200, (), body)
    assert (await client.answer()).body == body


async def test_the_largest_request_of_this_lane(lab: Lab) -> None:
    service, client = await lab.raw("POST /things"), await lab.client()
    body = b"y" * 65_536
    lines = [f"X-{number}: {'v' * 100}" for number in range(90)]
    lab.nursery.start_soon(client.send, request("POST", "/things?" + "q" * 5_000, *lines, body=body))
    asked = await service.asked()
    assert asked.body == body
    assert len(asked.headers) == 91
    await service.respond(asked)
    assert (await client.answer()).status == 200


@pytest.mark.parametrize("size", [16_000, 16_384, 32_768, 40_000, 49_152, 65_535])
async def test_requests_of_every_size_one_behind_the_other(lab: Lab, size: int) -> None:
    service, client = await lab.raw("POST /things"), await lab.client()
    bodies = [bytes((number,)) * size for number in range(5)]
    lab.nursery.start_soon(client.send, b"".join(request("POST", "/things", body=body) for body in bodies))
    for body in bodies:
        asked = await service.asked()
        assert asked.body == body
        await service.respond(asked)
    assert [(await client.answer()).status for _ in bodies] == [200] * 5


async def test_a_request_that_comes_byte_by_byte(lab: Lab) -> None:
    service, client = await lab.raw("POST /things"), await lab.client()
    for byte in request("POST", "/things", body=b"abc"):
        await client.send(bytes((byte,)))
    asked = await service.asked()
    assert asked.body == b"abc"
    await service.respond(asked)
    assert (await client.answer()).status == 200


async def test_a_response_that_comes_byte_by_byte(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    payload = encode_response(200, [named(b"x-a", b"1")], b"abc")
    for byte in encode_frame(FrameType.RESPONSE, END, asked.exchange, payload):
        await service.send_bytes(bytes((byte,)))
    assert (await client.answer()).body == b"abc"


async def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    service, client = await lab.raw("GET /things/{id}"), await lab.client()
    await client.send(b"".join(request("GET", f"/things/{number}") for number in range(50)))
    for number in range(50):
        asked = await service.asked()
        assert asked.target == b"/things/%d" % number
        await service.respond(asked, body=b"%d" % number)
    assert [(await client.answer()).body for _ in range(50)] == [b"%d" % number for number in range(50)]


async def test_answers_find_their_clients_in_whatever_order_they_come(lab: Lab) -> None:
    service = await lab.raw("GET /things/{id}")
    clients = [await lab.client() for _ in range(20)]
    for number, client in enumerate(clients):
        await client.send(request("GET", f"/things/{number}"))
    asked = [await service.asked() for _ in clients]
    for one in sorted(asked, key=lambda one: one.target, reverse=True):
        await service.respond(one, body=one.target)
    for number, client in enumerate(clients):
        assert (await client.answer()).body == b"/things/%d" % number


async def test_a_client_that_asks_to_close(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things", "Connection: close"))
    await service.respond(await service.asked(), body=b"last")
    answer = await client.answer()
    assert (answer.body, answer.headers[b"connection"]) == (b"last", b"close")
    await client.ended()
