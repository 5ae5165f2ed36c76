"""Services that call other services through the gateway: real services, raw ones, and all that can go wrong."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_service import Asked, RawService, streaming

from frames.codec import encode_request
from frames.fields import decode_fields
from frames.fixed import decode_refused, encode_cancel, encode_refused
from frames.frame import END, CancelReason, FaultCode, FieldId, FrameType, Method, RefusedReason
from frames.greeting import EndpointOffer
from frames.limits import FIELD_ENTRY_BYTES, PAYLOAD_BYTES_MAX, RESPONSE_FIXED_BYTES
from penstock import Call, Service
from penstock.call import Trace
from proxy.config import load_gateway

CALLS = "[{from: shop, to: stock, claims: {scope: read}}, {from: shop, to: shop}, {from: stock, to: price}]"
ID = 1 << 63 | 7


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with open_lab(services_calls=CALLS) as lab:
        yield lab


async def shop(lab: Lab, *offers: str, **more: object) -> RawService:
    """The service that calls."""
    return await lab.raw(*offers, service="shop", instance="shop-1", features=("calls",), **more)


async def stock(lab: Lab, *offers: str, **more: object) -> RawService:
    """The service that is called."""
    return await lab.raw(*(offers or ("GET /stock/{id}",)), service="stock", instance="stock-1", **more)


async def ask(
    service: RawService,
    target: str = "/stock/7",
    *more: tuple[int, bytes, bytes],
    method: Method = Method.GET,
    to: str | None = "stock",
    remaining_ms: int = 5_000,
    body: bytes = b"",
    flags: int = END,
    exchange: int = ID,
) -> None:
    fields = [*more] if to is None else [(FieldId.SERVICE, b"", to.encode()), *more]
    payload = encode_request(remaining_ms, 0, method, target.encode(), fields, body)
    await service.send(FrameType.REQUEST, payload, flags, exchange)


class Reply(msgspec.Struct):
    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def reason(self) -> str:
        assert self.fields[b"content-type"] == b"application/problem+json"
        problem = msgspec.json.decode(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"]
        assert problem["correlation_id"]
        reason: str = problem["reason"]
        return reason


async def reply(service: RawService, exchange: int = ID) -> Reply:
    """The answer that comes next: one frame with END."""
    frame = await service.expect(FrameType.RESPONSE)
    assert (frame.exchange, frame.flags) == (exchange, END)
    payload, count = frame.payload, int.from_bytes(frame.payload[2:4])
    text_at = RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, text_at)
    body_at = text_at + sum(len(name) + len(value) for _, name, value in fields)
    return Reply(int.from_bytes(payload[:2]), {name: value for _, name, value in fields}, payload[body_at:])


# ---- as it should be ----


async def test_calls_are_counted_by_who_asks_whom(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    await callee.respond(await callee.asked(), 200)
    assert (await reply(caller)).status == 200
    text = (await lab.admin("/metrics")).body.decode()
    assert 'penstock_service_calls_total{caller="shop",callee="stock"} 1\n' in text


async def test_a_call_and_its_answer(lab: Lab) -> None:
    callee, caller = await stock(lab, "POST /stock/{id}"), await shop(lab)
    trace = bytes(range(1, 25)) + b"\3"
    context = [
        (FieldId.TENANT, b"", b"acme"),
        (FieldId.CORRELATION_ID, b"", b"c-1"),
        (FieldId.REQUEST_ID, b"", b"r-1"),
        (FieldId.TRACE, b"", trace),
        (FieldId.TRACESTATE, b"", b"a=b"),
    ]
    await ask(caller, "/stock/7?a=%20b", *context, (0, b"accept", b"a/b"), method=Method.POST, body=b"body")
    asked = await callee.asked()
    assert (asked.method, asked.target, asked.body, asked.endpoint) == (Method.POST, b"/stock/7?a=%20b", b"body", 1)
    assert 0 < asked.remaining_ms <= 5_000
    assert asked.headers == [(b"accept", b"a/b")]
    assert [asked.context(field) for field, _, _ in context] == [value for _, _, value in context]
    assert asked.context(FieldId.PRINCIPAL) == b"service:shop"
    assert msgspec.json.decode(asked.context(FieldId.CLAIMS) or b"") == {"scope": "read"}
    assert {FieldId.CLIENT_ADDRESS, FieldId.SCHEME, FieldId.SERVICE}.isdisjoint(number for number, _, _ in asked.fields)
    await callee.respond(asked, 201, [(0, b"x-a", b"b")], b"made")
    answer = await reply(caller)
    assert (answer.status, answer.fields, answer.body) == (201, {b"x-a": b"b"}, b"made")
    assert lab.gateway.own.relay.answered == {("shop", "stock"): 1}


async def test_ids_are_made_where_there_are_none(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller, "/stock/7", (FieldId.CORRELATION_ID, b"", b"not valid"), (FieldId.TRACE, b"", bytes(25)))
    asked = await callee.asked()
    assert len(asked.context(FieldId.REQUEST_ID) or b"") == 32
    assert asked.context(FieldId.CORRELATION_ID) == asked.context(FieldId.REQUEST_ID)
    assert any(asked.context(FieldId.TRACE) or b"")
    assert asked.context(FieldId.TENANT) is None
    await callee.respond(asked)
    await reply(caller)


async def test_what_only_the_gateway_says_does_not_go_on(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    named = [b"forwarded", b"x-forwarded-for", b"x-tenant-id", b"traceparent", b"x-penstock-mirror", b"x-request-id"]
    typed = [(FieldId.PRINCIPAL, b"", b"root"), (FieldId.CLAIMS, b"", b"{}"), (FieldId.SCHEME, b"", b"https")]
    more = [*typed, (FieldId.CLIENT_ADDRESS, b"", b"1.2.3.4"), (FieldId.BODY_LENGTH, b"", b"9"), (200, b"", b"new")]
    await ask(caller, "/stock/7", *more, *((0, name, b"a") for name in named), (0, b"authorization", b"mine"))
    asked = await callee.asked()
    assert asked.headers == [(b"authorization", b"mine")]
    assert asked.context(FieldId.PRINCIPAL) == b"service:shop"
    assert {number for number, _, _ in asked.fields} == {0, 2, 3, 4, 6, 7}
    await callee.respond(asked)
    await reply(caller)


async def test_only_the_callees_own_routes_are_looked_at_and_no_hosts() -> None:
    async with open_lab(services_calls=CALLS, routes_hosts="{shop.example: [shop]}") as lab:
        callee, caller = await stock(lab, "GET /{any...}"), await shop(lab, "GET /stock/7")
        await ask(caller)
        asked = await callee.asked()
        await callee.respond(asked)
        assert (await reply(caller)).status == 200


async def test_head_goes_to_get_and_its_length_may_be_told(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller, method=Method.HEAD)
    asked = await callee.asked()
    assert asked.method is Method.HEAD
    await callee.respond(asked, 200, [(FieldId.BODY_LENGTH, b"", b"99")])
    assert (await reply(caller)).status == 200


async def test_an_answer_that_streams_is_gathered(lab: Lab) -> None:
    callee, caller = await stock(lab, **streaming("GET /stock/{id}")), await shop(lab)
    body = bytes(range(256)) * 4_000  # more than the first credit
    await ask(caller)
    asked = await callee.asked()
    await callee.respond(asked, 103, flags=0)
    await callee.respond(asked, 200, [(FieldId.BODY_LENGTH, b"", b"%d" % len(body))], body[:9], flags=0)
    left, granted = body[9:], 131_072
    while left:
        count = min(granted, 65_536, len(left))
        await callee.data(asked, left[:count], END if count == len(left) else 0)
        left, granted = left[count:], granted - count
        while left and granted < 65_536:
            granted += int.from_bytes((await callee.expect(FrameType.CREDIT)).payload)
    answer = await reply(caller)
    assert (answer.status, answer.body) == (200, body)
    assert lab.gateway.bytes_in_flight.held == 0


async def test_trailers_end_an_answer(lab: Lab) -> None:
    callee, caller = await stock(lab, **streaming("GET /stock/{id}")), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await callee.respond(asked, 200, (), b"some", flags=0)
    await callee.send(FrameType.TRAILERS, bytes(4), END, asked.exchange)
    assert (await reply(caller)).body == b"some"


async def test_a_version_is_asked_for_as_at_the_edge(lab: Lab) -> None:
    caller = await shop(lab)
    old = await stock(lab)
    new = await lab.raw("GET /stock/{id}", service="stock", instance="stock-2", version="2.0.0")
    await ask(caller)
    await new.respond(await new.asked())
    assert (await reply(caller)).status == 200
    await ask(caller, "/stock/7", (0, b"x-service-version", b"1.0.0"))
    await old.respond(await old.asked())
    assert (await reply(caller)).status == 200
    await ask(caller, "/stock/7", (0, b"x-service-version", b"3.0.0"))
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (404, "version_unknown")


async def test_a_reload_changes_who_may_call(lab: Lab) -> None:
    caller = await shop(lab)
    await ask(caller)
    assert (await reply(caller)).reason == "no_instance"
    given = environment(lab.addresses, identity_undeclared="public")
    await lab.gateway.change(load_gateway(given).settings)
    await ask(caller)
    assert (await reply(caller)).reason == "forbidden"


# ---- what may not be, and what is not there ----


async def test_who_may_call_whom(lab: Lab) -> None:
    caller = await shop(lab)
    await lab.raw("GET /price/{id}", service="price", instance="price-1")
    for name in ("price", "nobody", "No Name", ""):
        await ask(caller, "/price/7", to=name)
        answer = await reply(caller)
        assert (answer.status, answer.reason) == (403, "forbidden")
    assert lab.gateway.own.relay.refused == {("shop", ""): 4}
    assert lab.reasons == {"forbidden": 4}


@pytest.mark.parametrize(
    ("target", "method", "status", "reason"),
    [
        ("/other", Method.GET, 404, "no_route"),
        ("/stock/7", Method.PUT, 404, "no_route"),
        ("/stock/", Method.GET, 404, "no_route"),
        ("/stock/../admin", Method.GET, 400, "bad_path"),
        ("/stock/%2e%2E/admin", Method.GET, 400, "bad_path"),
        ("/stock//7", Method.GET, 400, "bad_path"),
        ("/stock/a%2fb", Method.GET, 400, "bad_path"),
        ("/stock/a%5Cb", Method.GET, 400, "bad_path"),
        ("/stock/%00", Method.GET, 400, "bad_path"),
        ("/stock/a b", Method.GET, 400, "bad_target"),
        ("/stock/\u00e4", Method.GET, 400, "bad_target"),
    ],
)
async def test_what_cannot_be_found(lab: Lab, target: str, method: Method, status: int, reason: str) -> None:
    await stock(lab)
    caller = await shop(lab)
    await ask(caller, target, method=method)
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (status, reason)


async def test_nobody_is_there(lab: Lab) -> None:
    caller = await shop(lab)
    await ask(caller)
    answer = await reply(caller)
    assert (answer.status, answer.reason, answer.fields[b"retry-after"]) == (503, "no_instance", b"1")


async def test_claims_are_those_that_the_configuration_gives(lab: Lab) -> None:
    def endpoint(number: int, path: str, **more: Any) -> EndpointOffer:
        return EndpointOffer(id=number, method="GET", path=path, **more)

    offers = (
        endpoint(1, "/open", access="public"),
        endpoint(2, "/known", access="authenticated"),
        endpoint(3, "/read", claims={"scope": ("read",)}),
        endpoint(4, "/write", claims={"scope": ("write",)}),
    )
    callee, caller = await stock(lab, endpoints=offers), await shop(lab)
    for path in ("/open", "/known", "/read"):
        await ask(caller, path)
        await callee.respond(await callee.asked())
        assert (await reply(caller)).status == 200
    await ask(caller, "/write")
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (403, "forbidden")


async def test_a_tenant_that_is_none(lab: Lab) -> None:
    await stock(lab)
    caller = await shop(lab)
    for tenant in (b"a b", b"", b"a" * 65):
        await ask(caller, "/stock/7", (FieldId.TENANT, b"", tenant))
        answer = await reply(caller)
        assert (answer.status, answer.reason) == (400, "tenant_invalid")


async def test_a_body_over_what_the_endpoint_takes(lab: Lab) -> None:
    offers = (EndpointOffer(id=1, method="POST", path="/stock", body_bytes=4),)
    callee, caller = await stock(lab, endpoints=offers), await shop(lab)
    await ask(caller, "/stock", method=Method.POST, body=b"12345")
    assert (await reply(caller)).reason == "body_too_large"
    await ask(caller, "/stock", method=Method.POST, body=b"1234")
    await callee.respond(await callee.asked())
    assert (await reply(caller)).status == 200


async def test_a_request_that_fills_its_frame(lab: Lab) -> None:
    callee, caller = await stock(lab, "POST /stock"), await shop(lab)
    empty = len(encode_request(1, 0, Method.POST, b"/stock", [(FieldId.SERVICE, b"", b"stock")]))
    await ask(caller, "/stock", method=Method.POST, body=bytes(PAYLOAD_BYTES_MAX - empty))
    assert (await reply(caller)).reason == "body_too_large"
    await ask(caller, "/stock", method=Method.POST, body=bytes(PAYLOAD_BYTES_MAX - empty - 2_048))
    await callee.respond(await callee.asked())
    assert (await reply(caller)).status == 200


# ---- what is no call ----


async def refused(service: RawService) -> RefusedReason:
    frame = await service.expect(FrameType.REFUSED)
    assert frame.exchange == ID
    return RefusedReason(decode_refused(frame.payload).reason)


async def test_what_is_no_call(lab: Lab) -> None:
    await stock(lab)
    caller = await shop(lab)
    await ask(caller, to=None)
    assert await refused(caller) is RefusedReason.UNKNOWN_ENDPOINT
    await ask(caller, flags=0)
    assert await refused(caller) is RefusedReason.UNSUPPORTED_FEATURE
    await ask(caller, "/stock/7", (FieldId.UPGRADE, b"", b"websocket"))
    assert await refused(caller) is RefusedReason.UNSUPPORTED_FEATURE
    assert len(lab.gateway.own.relay) == 0


async def test_who_did_not_name_the_feature_cannot_call(lab: Lab) -> None:
    await stock(lab)
    caller = await lab.raw(service="shop", instance="shop-1")
    await ask(caller)
    assert await refused(caller) is RefusedReason.UNSUPPORTED_FEATURE


async def test_the_gateway_names_the_feature(lab: Lab) -> None:
    stranger = await lab.stranger()
    assert "calls" in (await stranger.join(service="shop", features=("calls",))).features


async def test_ids_that_are_in_use_or_not_the_callers(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await ask(caller)
    assert await caller.fault() is FaultCode.PROTOCOL_ERROR
    assert await callee.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
    other = await shop(lab)
    await ask(other, exchange=7)
    assert await other.fault() is FaultCode.PROTOCOL_ERROR


async def test_too_many_at_once(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    lab.gateway.own.relay._in_flight_max = 2
    for exchange in (ID + 1, ID + 2, ID):
        await ask(caller, exchange=exchange)
    assert await refused(caller) is RefusedReason.OVERLOADED
    for exchange in (ID + 1, ID + 2):
        await callee.respond(await callee.asked())
        assert (await reply(caller, exchange)).status == 200


# ---- what goes wrong with the callee ----


async def test_the_callee_does_not_answer_in_time(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller, remaining_ms=30)
    asked = await callee.asked()
    assert asked.remaining_ms <= 30
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (504, "deadline")
    assert await callee.cancelled() == (asked.exchange, CancelReason.DEADLINE)
    await callee.respond(asked)  # too late: dropped
    await ask(caller, remaining_ms=0)
    assert (await reply(caller)).reason == "deadline"


async def test_the_endpoints_own_deadline_holds(lab: Lab) -> None:
    offers = (EndpointOffer(id=1, method="GET", path="/stock", deadline_ms=20),)
    callee, caller = await stock(lab, endpoints=offers), await shop(lab)
    await ask(caller, "/stock")
    assert (await callee.asked()).remaining_ms == 20
    assert (await reply(caller)).reason == "deadline"


async def test_the_callee_refuses(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await callee.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED, 1_500), exchange=asked.exchange)
    answer = await reply(caller)
    assert (answer.status, answer.reason, answer.fields[b"retry-after"]) == (503, "service_overloaded", b"2")


async def test_the_callee_is_lost(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    await callee.asked()
    await callee.aclose()
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (502, "service_lost")


async def test_the_callee_gives_up(lab: Lab) -> None:
    callee, caller = await stock(lab, **streaming("GET /stock/{id}")), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await callee.respond(asked, flags=0)
    await callee.send(FrameType.CANCEL, encode_cancel(CancelReason.ABORTED), exchange=asked.exchange)
    assert (await reply(caller)).reason == "service_lost"


async def respond_too_long(callee: RawService, asked: Asked) -> None:
    await callee.respond(asked, 200, (), bytes(1_000_000), flags=0)
    await callee.data(asked, bytes(65_536))


BAD: dict[str, Any] = {
    "101": lambda callee, asked: callee.respond(asked, 101, flags=0),
    "DATA before it": lambda callee, asked: callee.data(asked, b"a"),
    "a wrong length": lambda callee, asked: callee.respond(asked, 200, [(FieldId.BODY_LENGTH, b"", b"3")], b"four"),
    "no length": lambda callee, asked: callee.respond(asked, 200, [(FieldId.BODY_LENGTH, b"", b"x")], b"four"),
    "a field of HTTP's own": lambda callee, asked: callee.send(
        FrameType.RESPONSE, b"\0\xc8\0\1\0\x0a\0\1connectiona", END, asked.exchange
    ),
    "too long": respond_too_long,
}


@pytest.mark.parametrize("what", BAD)
async def test_an_answer_that_cannot_be_passed_on(lab: Lab, what: str) -> None:
    callee, caller = await stock(lab, **streaming("GET /stock/{id}")), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await BAD[what](callee, asked)
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (502, "bad_response")
    assert lab.gateway.bytes_in_flight.held == 0


async def test_an_endpoint_that_does_not_stream_answers_in_one_frame(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await callee.respond(asked, flags=0)
    assert (await reply(caller)).reason == "bad_response"
    assert await callee.cancelled() == (asked.exchange, CancelReason.BAD_RESPONSE)


# ---- what goes wrong with the caller ----


async def test_a_call_that_is_taken_back(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await caller.send(FrameType.CANCEL, encode_cancel(CancelReason.DEADLINE), exchange=ID)
    assert await callee.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
    await callee.respond(asked)  # too late
    await caller.send(FrameType.CANCEL, encode_cancel(CancelReason.DEADLINE), exchange=ID)  # does no harm
    await ask(caller)  # the id is free again
    await callee.respond(await callee.asked())
    assert (await reply(caller)).status == 200


async def test_a_caller_that_is_lost(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await caller.aclose()
    assert await callee.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)


async def test_a_caller_that_does_not_read_gets_its_answers_later() -> None:
    async with open_lab(services_calls=CALLS, services_output_bytes="2MiB") as lab:
        callee, caller = await stock(lab), await shop(lab)
        for number in range(8):
            await ask(caller, exchange=ID + number)
        body = bytes(1_000_000)
        for _ in range(8):
            await callee.respond(await callee.asked(), body=body)
        await until(lambda: sum(lab.gateway.own.relay.answered.values()) == 8)
        for number in range(8):
            assert (await reply(caller, ID + number)).body == body
        assert lab.gateway.bytes_in_flight.held == 0


async def test_a_caller_that_never_reads_and_goes() -> None:
    async with open_lab(services_calls=CALLS, services_output_bytes="2MiB", edge_bytes_in_flight="2MiB") as lab:
        callee, caller = await stock(lab), await shop(lab)
        for number in range(16):
            await ask(caller, exchange=ID + number)
        for _ in range(16):
            await callee.respond(await callee.asked(), body=bytes(1_000_000))
        await until(lambda: sum(lab.gateway.own.relay.answered.values()) == 16)
        await caller.aclose()
        await until(lambda: lab.gateway.bytes_in_flight.held == 0)
        assert len(lab.gateway.own.relay) == 0


async def test_a_fault_of_ours(lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    await stock(lab)
    caller = await shop(lab)

    def fail(exchange: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(lab.gateway.own.relay, "_choose", fail)
    await ask(caller)
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (500, "internal")
    assert b"bug" not in answer.body
    assert "a call of shop could not be carried" in caplog.text


async def test_a_service_that_the_gateway_has_dialled() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        async with open_lab(services_calls=CALLS, services_dial=f"['127.0.0.1:{port}']") as lab:
            callee = RawService(await listener.accept())
            await callee.join(service="stock", instance="stock-1", **streaming("GET /stock/{id}"))
            caller = await shop(lab)
            await ask(caller)
            asked = await callee.asked()
            assert asked.exchange >> 63 == 1
            await callee.respond(asked, flags=0)
            for _ in range(4):
                await callee.data(asked, bytes(65_536))
                assert (await callee.expect(FrameType.CREDIT)).exchange == asked.exchange
            await callee.data(asked, b"", END)
            assert len((await reply(caller)).body) == 4 * 65_536
            await ask(caller, exchange=ID)
            asked = await callee.asked()
            await caller.aclose()
            assert await callee.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
            await callee.aclose()


# ---- the end of the gateway ----


async def test_calls_under_way_end_before_the_gateway_does(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lab.gateway.drain, 5.0)
        for service in (callee, caller):
            await service.expect(FrameType.GOAWAY)
        await ask(caller, exchange=ID + 1)
        frame = await caller.expect(FrameType.REFUSED)
        assert decode_refused(frame.payload).reason == RefusedReason.DRAINING
        await callee.respond(asked)
        assert (await reply(caller)).status == 200


async def test_those_that_do_not_end_in_time_are_answered(lab: Lab) -> None:
    callee, caller = await stock(lab), await shop(lab)
    await ask(caller)
    asked = await callee.asked()
    await lab.gateway.drain(0.05)
    for service in (callee, caller):
        await service.expect(FrameType.GOAWAY)
    assert await callee.cancelled() == (asked.exchange, CancelReason.SHUTDOWN)
    answer = await reply(caller)
    assert (answer.status, answer.reason) == (503, "draining")


# ---- real services ----


async def test_a_chain_of_real_services(lab: Lab) -> None:
    a, b, c = (Service(name, version="1.0.0", access="public") for name in ("shop", "stock", "price"))
    seen: list[tuple[str, str | None, str | None, int]] = []
    traces: list[Trace] = []

    def note(name: str, call: Call) -> None:
        seen.append((name, call.tenant, call.correlation_id, call.remaining_ms))
        assert call.trace is not None
        traces.append(call.trace)

    @a.get("/orders/{number}")
    async def order(call: Call, number: str) -> Any:
        note("shop", call)
        return (await call.ask("stock", "GET", "/stock/7")).check().json()

    @b.get("/stock/{number}")
    async def item(call: Call, number: str) -> Any:
        note("stock", call)
        await trio.sleep(0.005)
        return (await call.ask("price", "GET", "/price/7")).check().json()

    @c.get("/price/{number}")
    def price(call: Call, number: str) -> Any:
        note("price", call)
        return {"price": 7}

    for number, service in enumerate((a, b, c)):
        await lab.serve(service, instance=f"i-{number}")
    client = await lab.client()
    trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    lines = ("x-tenant-id: acme", "x-correlation-id: c-1", "x-request-timeout-ms: 2000", trace)
    answer = await client.get("/orders/1", *lines)
    assert (answer.status, answer.json()) == (200, {"price": 7})
    assert [(name, tenant, correlation) for name, tenant, correlation, _ in seen] == [
        ("shop", "acme", "c-1"),
        ("stock", "acme", "c-1"),
        ("price", "acme", "c-1"),
    ]
    assert {trace.trace_id for trace in traces} == {"0af7651916cd43dd8448eb211c80319c"}
    assert len({trace.parent_id for trace in traces}) == 3  # each is a child of its caller's
    first, second, third = (remaining for *_, remaining in seen)
    assert 2_000 >= first >= second
    assert second - 5 >= third > 0


async def test_a_cycle_ends_at_the_deadline(lab: Lab) -> None:
    service = Service("shop", version="1.0.0", access="public")
    depth = 0

    @service.get("/around")
    async def around(call: Call) -> Any:
        nonlocal depth
        depth += 1
        return (await call.ask("shop", "GET", "/around")).check().json()

    await lab.serve(service, instance="shop-1")
    client = await lab.client()
    answer = await client.get("/around", "x-request-timeout-ms: 150")
    assert answer.status in (502, 503, 504)  # 502 where a call within has ended so
    assert depth > 2
    await until(lambda: len(lab.gateway.own.relay) == 0)


async def test_a_client_that_goes_cancels_the_handler_of_the_callee_soon(lab: Lab) -> None:
    a, b = (Service(name, version="1.0.0", access="public") for name in ("shop", "stock"))
    began, ended = trio.Event(), trio.Event()

    @a.get("/orders")
    async def order(call: Call) -> Any:
        return (await call.ask("stock", "GET", "/stock")).json()

    @b.get("/stock")
    async def item(call: Call) -> Any:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    await lab.serve(a, instance="shop-1")
    await lab.serve(b, instance="stock-1")
    client = await lab.client()
    await client.send(b"GET /orders HTTP/1.1\r\nHost: edge\r\n\r\n")
    await began.wait()
    await client.aclose()
    with trio.fail_after(2):
        await ended.wait()
