"""Any bytes on the services port: FAULT and a close, or a close; others are unharmed."""

import random
from collections.abc import AsyncIterator

import msgspec
import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import WAIT_S, request
from lab_service import RawService, make_hello

from frames.codec import encode_cancel, encode_fault, encode_frame, encode_heartbeat, encode_request, encode_response
from frames.frame import END, FaultCode, FrameType, HealthStatus, Method
from frames.greeting import encode_hello

HELLO = encode_hello(make_hello("GET /mine", service="mine"))
DIALLED = 2**63


def header(length: int, frame_type: int, flags: int = 0, reserved: int = 0, exchange: int = 0) -> bytes:
    return length.to_bytes(4) + bytes((frame_type, flags)) + reserved.to_bytes(2) + exchange.to_bytes(8)


BEAT = encode_heartbeat(HealthStatus.HEALTHY)
BAD_FRAMES = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "a frame over the limit": header(1_048_577, FrameType.RESPONSE, END, 0, 1),
    "a length of 4 GiB": header(2**32 - 1, FrameType.DATA, END, 0, 1),
    "a HELLO over its limit": header(262_145, FrameType.HELLO),
    "an unknown type": header(0, 99),
    "type 0": header(0, 0),
    "a reserved field": header(8, FrameType.HEARTBEAT, 0, 1) + BEAT,
    "an unknown flag": header(8, FrameType.HEARTBEAT, 2) + BEAT,
    "END where it may not be": header(8, FrameType.HEARTBEAT, END) + BEAT,
    "an exchange where none may be": header(8, FrameType.HEARTBEAT, 0, 0, 5) + BEAT,
    "no exchange where one is needed": header(4, FrameType.RESPONSE, END) + b"\0\xc8\0\0",
    "a heartbeat that is too short": header(7, FrameType.HEARTBEAT) + BEAT[:-1],
    "a heartbeat with an unknown status": header(8, FrameType.HEARTBEAT) + b"\3" + BEAT[1:],
    "a response that is too short": header(3, FrameType.RESPONSE, END, 0, 1) + b"\0\xc8\0",
    "more fields than its bytes": header(4, FrameType.RESPONSE, END, 0, 1) + b"\0\xc8\0\5",
    "more fields than there may be": header(1_000, FrameType.RESPONSE, END, 0, 1) + b"\0\xc8\xff\xff" + bytes(996),
    "a field beyond its end": header(8, FrameType.RESPONSE, END, 0, 1) + b"\0\xc8\0\1" + b"\0\xff\xff\xff",
    "a status of 99": header(4, FrameType.RESPONSE, END, 0, 1) + b"\0\x63\0\0",
    "a status of 600": header(4, FrameType.RESPONSE, END, 0, 1) + b"\2\x58\0\0",
    "an interim response that is the end": header(4, FrameType.RESPONSE, END, 0, 1) + b"\0\x67\0\0",
    "a request without a target": header(12, FrameType.REQUEST, END, 0, DIALLED + 1) + bytes(12),
    "trailers without END": header(4, FrameType.TRAILERS, 0, 0, 1) + bytes(4),
    "credit of nothing": header(4, FrameType.CREDIT, 0, 0, 1) + bytes(4),
    "a cancel that is too long": header(5, FrameType.CANCEL, 0, 0, 1) + bytes(5),
}


@pytest.fixture
async def other(lab: Lab) -> AsyncIterator[RawService]:
    """A service that must not be harmed; with a request in flight the whole time."""
    service, client = await lab.raw("GET /other", service="other"), await lab.client()
    await client.send(request("GET", "/other"))
    asked = await service.asked()
    yield service
    await service.respond(asked, body=b"unharmed")
    assert (await client.answer()).body == b"unharmed"


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=BAD_FRAMES)
@pytest.mark.parametrize("has_joined", [False, True], ids=["stranger", "joined"])
async def test_a_frame_that_is_none(lab: Lab, other: RawService, data: bytes, has_joined: bool) -> None:
    service = await lab.stranger()
    if has_joined:
        await service.join("GET /mine", service="mine")
        client = await lab.client()
        await client.send(request("GET", "/mine"))
        await service.asked()
    await service.send_bytes(data)
    assert await service.fault() is FaultCode.PROTOCOL_ERROR
    if has_joined:
        assert (await client.answer()).reason == "service_lost"
        assert (await client.get("/mine")).reason == "no_route"
    await until(lambda: lab.health == {"raw-1": "healthy"})


async def test_a_frame_that_is_never_finished(lab: Lab, other: RawService) -> None:
    service = await lab.raw("GET /mine", service="mine", instance="raw-2")
    await service.send_bytes(header(1_048_576, FrameType.RESPONSE, END, 0, 1) + bytes(100_000))
    client = await lab.client()
    await client.send(request("GET", "/mine"))
    await service.asked()
    assert lab.count("buffer_bytes_now") < 2 * 1_048_576  # what was only claimed costs nothing
    await service.aclose()
    assert (await client.answer()).reason == "service_lost"


async def test_garbage(lab: Lab, other: RawService) -> None:
    draw = random.Random(20_261_120)
    good = [
        encode_frame(FrameType.HELLO, 0, 0, HELLO),
        encode_frame(FrameType.HEARTBEAT, 0, 0, BEAT),
        encode_frame(FrameType.RESPONSE, END, 1, encode_response(200, body=b"for nobody")),
        encode_frame(FrameType.CANCEL, 0, DIALLED + 3, encode_cancel(1)),
        encode_frame(FrameType.DATA, END, 1, b"data"),
    ]
    for _ in range(200):
        data = bytearray(b"".join(draw.choices(good, k=draw.randrange(1, 5))))
        if draw.random() < 0.5:
            data = bytearray(good[0]) + data
        for _ in range(draw.randrange(4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        service = await lab.stranger()
        try:
            await service.send_bytes(bytes(data[: draw.randrange(len(data) + 1)]))
            await service.stream.send_eof()
        except trio.BrokenResourceError:
            pass
        with trio.fail_after(WAIT_S):
            try:
                while await service.stream.receive_some(65536):
                    pass
            except trio.BrokenResourceError:
                pass
        await service.aclose()
    await until(lambda: lab.health == {"raw-1": "healthy"})


# ---- frames that are right, at the wrong moment ----


@pytest.mark.parametrize(
    ("frame_type", "payload"),
    [
        (FrameType.HEARTBEAT, BEAT),
        (FrameType.WELCOME, b"{}"),
        (FrameType.FAULT, encode_fault(1, "no")),
    ],
    ids=["HEARTBEAT", "WELCOME", "FAULT"],
)
async def test_something_else_before_hello(lab: Lab, frame_type: FrameType, payload: bytes) -> None:
    service = await lab.stranger()
    await service.send(frame_type, payload)
    assert await service.fault() is FaultCode.PROTOCOL_ERROR


async def test_an_answer_before_hello(lab: Lab) -> None:
    """Nobody has asked, so it is dropped and counted like any answer to what was not asked (section 6, rule 4)."""
    service = await lab.stranger()
    await service.send(FrameType.RESPONSE, encode_response(200), END, 1)
    await service.join("GET /things")
    assert lab.count("late_responses") == 1


async def test_a_request_before_hello(lab: Lab) -> None:
    service = await lab.stranger()
    await service.send(FrameType.REQUEST, encode_request(1_000, 1, Method.GET, b"/x"), END, DIALLED + 1)
    assert await service.fault() is FaultCode.PROTOCOL_ERROR


async def test_welcome_from_the_side_that_dialled(lab: Lab) -> None:
    service = await lab.raw("GET /things")
    await service.send(FrameType.WELCOME, b"{}")
    assert await service.fault() is FaultCode.PROTOCOL_ERROR


async def test_a_request_with_an_id_of_the_other_side(lab: Lab) -> None:
    service = await lab.raw("GET /things")
    await service.send(FrameType.REQUEST, encode_request(1_000, 1, Method.GET, b"/x"), END, 1)
    assert await service.fault() is FaultCode.PROTOCOL_ERROR


async def test_fault_from_a_service(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    await service.asked()
    await service.send(FrameType.FAULT, encode_fault(FaultCode.INTERNAL, "out of order"))
    assert (await client.answer()).reason == "service_lost"
    await service.ended()


# ---- HELLO ----


async def test_hello_that_never_comes() -> None:
    async with open_lab(services_hello_timeout="400ms") as lab:
        service, joined = await lab.stranger(), await lab.raw("GET /things")
        assert await service.fault() is FaultCode.HELLO_TIMEOUT
        client = await lab.client()
        await client.send(request("GET", "/things"))
        await joined.respond(await joined.asked())
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", FaultCode.INVALID_HELLO),
        (b"{", FaultCode.INVALID_HELLO),
        (b"[]", FaultCode.INVALID_HELLO),
        (b'{"protocol": 2}', FaultCode.UNSUPPORTED_VERSION),
        (HELLO.replace(b"1.0.0", b"1.0"), FaultCode.INVALID_HELLO),
        (HELLO.replace(b"/mine", b"mine"), FaultCode.INVALID_HELLO),
        (HELLO.replace(b"GET", b"GOT"), FaultCode.INVALID_HELLO),
        (HELLO.replace(b'"mine"', b'"Mine"'), FaultCode.INVALID_HELLO),
    ],
)
async def test_a_hello_that_is_none(lab: Lab, payload: bytes, code: FaultCode) -> None:
    service = await lab.stranger()
    await service.send(FrameType.HELLO, payload)
    assert await service.fault() is code


@pytest.mark.parametrize("change", [{"service": "theirs"}, {"instance": "raw-2"}])
async def test_hello_again_for_another(lab: Lab, change: dict[str, str]) -> None:
    service = await lab.raw("GET /mine", service="mine")
    hello = msgspec.structs.replace(make_hello("GET /mine", service="mine"), **change)
    await service.send(FrameType.HELLO, encode_hello(hello))
    assert await service.fault() is FaultCode.PROTOCOL_ERROR
    await until(lambda: lab.health == {})


async def test_only_who_shows_the_token_is_let_in() -> None:
    async with open_lab(services_token="right") as lab:  # noqa: S106
        for token in (None, "wrong", "right "):
            service = await lab.stranger()
            await service.send(FrameType.HELLO, encode_hello(make_hello("GET /mine", token=token)))
            assert await service.fault() is FaultCode.UNAUTHENTICATED
        assert lab.health == {}
        await lab.raw("GET /mine", token="right")  # noqa: S106
        assert lab.health == {"raw-1": "healthy"}


async def test_only_names_and_paths_that_are_allowed_are_let_in() -> None:
    async with open_lab(services_allow="billing=/invoices,/bills") as lab:
        for service, offer in (("other", "GET /invoices"), ("billing", "GET /invoicesx"), ("billing", "GET /{any}")):
            refused = await lab.stranger()
            await refused.send(FrameType.HELLO, encode_hello(make_hello(offer, service=service)))
            assert await refused.fault() is FaultCode.FORBIDDEN
        await lab.raw("GET /invoices/{id}", "GET /bills", service="billing")
        assert lab.health == {"raw-1": "healthy"}


async def test_more_routes_than_there_is_room_for() -> None:
    async with open_lab(routes_max="2") as lab:
        await lab.raw("GET /a", "GET /b")
        await lab.raw("GET /a", "GET /b", instance="raw-2")
        service = await lab.stranger()
        await service.send(FrameType.HELLO, encode_hello(make_hello("GET /c", instance="raw-3")))
        assert await service.fault() is FaultCode.LIMIT_EXCEEDED


async def test_more_connections_than_there_is_room_for() -> None:
    async with open_lab(services_max_connections="1") as lab:
        first = await lab.raw("GET /a")
        second = await lab.stranger()
        await second.send(FrameType.HELLO, encode_hello(make_hello("GET /a", instance="raw-2")))
        await first.aclose()
        await second.expect(FrameType.WELCOME)
        await until(lambda: lab.health == {"raw-2": "healthy"})
