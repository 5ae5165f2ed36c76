"""How an exchange ends when it is not simply answered: deadline, client gone, service lost, refused, never right."""

import os
import signal
import sys
from pathlib import Path

import pytest
import trio
from lab import Lab, open_lab, until
from lab_client import WAIT_S, request
from lab_service import RawService

from frames.codec import (
    decode_refused,
    encode_cancel,
    encode_frame,
    encode_refused,
    encode_request,
    encode_response,
    encode_trailers,
)
from frames.frame import END, CancelReason, FrameType, Method, RefusedReason
from penstock import Call, Service

SERVICE_PROCESS = Path(__file__).with_name("stuck_service.py")


async def serve_slow(lab: Lab) -> tuple[trio.Event, trio.Event]:
    """Serve GET /slow, which never answers. Returns when its handler begins, and when it ends."""
    began, ended = trio.Event(), trio.Event()
    service = Service("slow", version="1.0.0")

    @service.get("/slow")
    async def slow(call: Call) -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    await lab.serve(service)
    return began, ended


# ---- the deadline ----


async def test_the_deadline_passes(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await lab.pass_time(asked.remaining_ms + 1)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (504, "deadline")
    assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)
    await service.respond(asked, body=b"too late")
    await client.send(request("GET", "/things"))
    again = await service.asked()
    assert again.exchange != asked.exchange
    await service.respond(again, body=b"in time")
    assert (await client.answer()).body == b"in time"
    assert lab.count("late_responses") == 1
    assert lab.reasons == {"deadline": 1}


async def test_an_async_handler_is_cancelled_at_the_deadline(lab: Lab) -> None:
    began, ended = await serve_slow(lab)
    client = await lab.client()
    await client.send(request("GET", "/slow"))
    with trio.fail_after(WAIT_S):
        await began.wait()
        await lab.pass_time(10_001)
        assert (await client.answer()).reason == "deadline"
        await ended.wait()


# ---- the client ----


async def test_a_client_that_goes(lab: Lab) -> None:
    service, client, other = await lab.raw("GET /things"), await lab.client(), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await client.aclose()
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)
    await service.respond(asked, body=b"for nobody")
    await other.send(request("GET", "/things"))
    await service.respond(await service.asked(), body=b"for somebody")
    assert (await other.answer()).body == b"for somebody"
    assert lab.reasons == {"client_gone": 1}


async def test_a_client_that_goes_with_a_reset(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things") * 3)
    asked = await service.asked()
    client.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await client.aclose()
    assert await service.cancelled() == (asked.exchange, CancelReason.CLIENT_GONE)


async def test_an_async_handler_is_cancelled_when_its_client_goes(lab: Lab) -> None:
    began, ended = await serve_slow(lab)
    client = await lab.client()
    await client.send(request("GET", "/slow"))
    with trio.fail_after(WAIT_S):
        await began.wait()
        await client.aclose()
        await ended.wait()


# ---- the service ----


async def test_a_service_that_is_lost(lab: Lab) -> None:
    lost, other = await lab.raw("GET /lost"), await lab.raw("GET /other", service="other")
    clients = [await lab.client() for _ in range(3)]
    for client in clients:
        await client.send(request("GET", "/lost"))
        await lost.asked()
    bystander = await lab.client()
    await bystander.send(request("GET", "/other"))
    asked = await other.asked()
    await lost.aclose()
    for client in clients:
        answer = await client.answer()
        assert (answer.status, answer.reason) == (502, "service_lost")
        gone = await client.get("/lost")
        assert (gone.status, gone.reason) == (404, "no_route")
    await other.respond(asked, body=b"unharmed")
    assert (await bystander.answer()).body == b"unharmed"


async def test_a_service_process_that_is_killed(lab: Lab) -> None:
    host, port = lab.addresses.services
    environment = {**os.environ, "PENSTOCK_GATEWAYS": f"tcp://{host}:{port}"}
    process = await trio.lowlevel.open_process([sys.executable, str(SERVICE_PROCESS)], env=environment)
    try:
        await until(lambda: bool(lab.health))
        clients = [await lab.client() for _ in range(3)]
        for client in clients:
            await client.send(request("GET", "/stuck"))
        await until(lambda: sum(lab.gateway.wire.in_flight) == 3)
        process.send_signal(signal.SIGKILL)
        for client in clients:
            answer = await client.answer()
            assert (answer.status, answer.reason) == (502, "service_lost")
        assert (await clients[0].get("/stuck")).reason == "no_route"
        assert lab.health == {}
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.mark.parametrize(
    ("reason", "status", "name", "retry_after"),
    [
        (RefusedReason.OVERLOADED, 503, "service_overloaded", b"3"),
        (RefusedReason.DRAINING, 503, "service_draining", b"3"),
        (RefusedReason.UNKNOWN_ENDPOINT, 502, "service_endpoint_unknown", b"3"),
        (RefusedReason.UNSUPPORTED_FEATURE, 502, "service_feature_unsupported", b"3"),
        (99, 503, "service_overloaded", b"3"),
    ],
)
async def test_a_service_that_refuses(reason: int, status: int, name: str, retry_after: bytes) -> None:
    async with open_lab(rules="[{retries: none}]") as lab:
        await refuse(lab, reason, status, name, retry_after)


async def refuse(lab: Lab, reason: int, status: int, name: str, retry_after: bytes) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await service.send(FrameType.REFUSED, encode_refused(reason, 2_001), exchange=asked.exchange)
    answer = await client.answer()
    assert (answer.status, answer.reason) == (status, name)
    assert answer.headers[b"retry-after"] == retry_after
    await client.send(request("GET", "/things"))
    await service.respond(await service.asked())
    assert (await client.answer()).status == 200


async def test_a_service_that_does_not_read(lab: Lab) -> None:
    stuck, other = await lab.raw("POST /stuck"), await lab.raw("GET /other", service="other")
    bound = lab.gateway.wire.settings.framed_output_bytes_max
    body, clients = b"x" * 60_000, []
    for _ in range(2_000):
        client = await lab.client()
        await client.send(request("POST", "/stuck", body=body))
        clients.append(client)
        assert max(lab.gateway.wire.unsent) <= bound
        await until(lambda: lab.count("requests") == len(clients))
        if lab.reasons:
            break
    answer = await clients[-1].answer()
    assert (answer.status, answer.reason) == (503, "service_congested")
    assert bound - 100_000 < max(lab.gateway.wire.unsent) <= bound
    bystander = await lab.client()
    await bystander.send(request("GET", "/other"))
    await other.respond(await other.asked(), body=b"unharmed")
    assert (await bystander.answer()).body == b"unharmed"
    await lab.pass_time(10_001)
    for client in clients[:-1]:
        assert (await client.answer()).reason == "deadline"
    await stuck.aclose()


# ---- responses that cannot be passed on ----


def response(exchange: int, payload: bytes, flags: int = END) -> bytes:
    return encode_frame(FrameType.RESPONSE, flags, exchange, payload)


def head(status: int, *fields: tuple[bytes, bytes]) -> bytes:
    """A RESPONSE payload that no encoder of ours would make."""
    table = b"".join(bytes((0, len(name))) + len(value).to_bytes(2) for name, value in fields)
    return status.to_bytes(2) + len(fields).to_bytes(2) + table + b"".join(name + value for name, value in fields)


BAD_RESPONSES = {
    "without END": (head(200) + b"begun", 0),
    "a line end in a value": (head(200, (b"x-a", b"1\r\nset-cookie: evil=1")), END),
    "a NUL in a value": (head(200, (b"x-a", b"1\0")), END),
    "a name in upper case": (head(200, (b"X-A", b"1")), END),
    "a name with a space": (head(200, (b"x a", b"1")), END),
    "content-length": (head(200, (b"content-length", b"5")), END),
    "transfer-encoding": (head(200, (b"transfer-encoding", b"chunked")), END),
    "connection": (head(200, (b"connection", b"close")), END),
    "a body with 204": (head(204) + b"body", END),
    "a body with 304": (head(304) + b"body", END),
    "a head over 32 KiB": (head(200, (b"x-a", b"v" * 40_000)), END),
}


@pytest.mark.parametrize(("payload", "flags"), BAD_RESPONSES.values(), ids=BAD_RESPONSES)
async def test_a_response_that_cannot_be_passed_on(lab: Lab, payload: bytes, flags: int) -> None:
    service, client, other = await lab.raw("GET /things"), await lab.client(), await lab.client()
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await other.send(request("GET", "/things"))
    unharmed = await service.asked()
    await service.send_bytes(response(asked.exchange, payload, flags))
    answer = await client.answer()
    assert (answer.status, answer.reason) == (502, "bad_response")
    assert await service.cancelled() == (asked.exchange, CancelReason.BAD_RESPONSE)
    if not flags:  # what follows of the stream is for nobody
        await service.send(FrameType.DATA, b"more", exchange=asked.exchange)
        await service.send(FrameType.TRAILERS, encode_trailers([]), END, asked.exchange)
    await service.respond(unharmed, body=b"unharmed")
    assert (await other.answer()).body == b"unharmed"
    await client.send(request("GET", "/things"))
    await service.respond(await service.asked(), body=b"next")
    assert (await client.answer()).body == b"next"


# ---- answers to what was not asked ----


async def round_trip(lab: Lab, service: RawService, target: str = "/things") -> None:
    """All that the service sent before is dealt with after this."""
    client = await lab.client()
    await client.send(request("GET", target))
    await service.respond(await service.asked(), body=b"right")
    assert (await client.answer()).body == b"right"


@pytest.mark.parametrize("exchange", [1, 2**62, 2**63 + 1, 2**64 - 1])
async def test_an_answer_for_nobody(lab: Lab, exchange: int) -> None:
    service = await lab.raw("GET /things")
    await service.send_bytes(response(exchange, encode_response(200)))
    await service.send(FrameType.REFUSED, encode_refused(1), exchange=exchange)
    await service.send(FrameType.DATA, b"data", exchange=exchange)
    await service.send(FrameType.CANCEL, encode_cancel(1), exchange=exchange)
    await round_trip(lab, service)
    # By an id of its own, DATA and CANCEL would be about a request that the service sent: no answers at all.
    answers = 4 if exchange < 2**63 else 2
    assert lab.count("late_responses") + lab.count("foreign_responses") == answers


async def test_an_answer_that_comes_twice(lab: Lab) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()
    await client.send(request("GET", "/things") * 2)
    asked = await service.asked()
    await service.respond(asked, body=b"one")
    await service.respond(asked, body=b"one again")
    assert (await client.answer()).body == b"one"
    await service.respond(await service.asked(), body=b"two")
    assert (await client.answer()).body == b"two"
    assert lab.count("late_responses") == 1


async def test_an_answer_to_what_another_service_was_asked(lab: Lab) -> None:
    asked_one = await lab.raw("GET /things")
    liar = await lab.raw("GET /other", service="liar")
    client = await lab.client()
    await client.send(request("GET", "/things"))
    asked = await asked_one.asked()
    await liar.respond(asked, body=b"a lie")
    await liar.send(FrameType.REFUSED, encode_refused(1), exchange=asked.exchange)
    await round_trip(lab, liar, "/other")
    await asked_one.respond(asked, body=b"the truth")
    assert (await client.answer()).body == b"the truth"
    assert lab.count("foreign_responses") == 2


async def test_a_request_of_a_service_that_did_not_name_calls_is_refused(lab: Lab) -> None:
    service = await lab.raw("GET /things")
    exchange = 2**63 + 7
    await service.send(FrameType.REQUEST, encode_request(1_000, 1, Method.GET, b"/x"), END, exchange)
    refused = await service.expect(FrameType.REFUSED)
    assert refused.exchange == exchange
    assert decode_refused(refused.payload).reason == RefusedReason.UNSUPPORTED_FEATURE


async def test_a_client_is_answered_although_its_event_could_not_be_handled(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, client = await lab.raw("GET /things"), await lab.client()

    def fail(exchange_id: int) -> None:
        raise LookupError("a bug of ours")

    monkeypatch.setattr(lab.gateway.lane, "expired", fail)
    await client.send(request("GET", "/things"))
    asked = await service.asked()
    await lab.pass_time(10_001)
    assert (await client.answer()).reason == "internal"
    assert await service.cancelled() == (asked.exchange, CancelReason.DEADLINE)


async def test_who_was_too_slow_for_the_deadline_is_told_so_and_no_service_is_asked() -> None:
    """The deadline is counted from the first byte: what came after it is not done for nobody."""
    async with open_lab() as lab:
        service = await lab.raw("POST /things")
        client = await lab.client()
        whole = request("POST", "/things", "X-Request-Timeout-Ms: 2000", body=b"body")
        await client.send(whole[:-2])
        await until(lambda: lab.count("edge_bytes_in") == len(whole) - 2)
        await lab.pass_time(3_000)
        await client.send(whole[-2:])
        answer = await client.answer("POST")
        assert (answer.status, answer.reason) == (504, "deadline")
        assert lab.reasons == {"deadline": 1}
        await client.send(request("POST", "/things", body=b"the next one"))
        asked = await service.asked()
        assert asked.body == b"the next one"
        await service.respond(asked)
        assert (await client.answer("POST")).status == 200
        await lab.census()
