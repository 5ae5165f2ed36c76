"""A whole service over loopback; the test is the gateway."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from frames.fixed import decode_goaway, decode_heartbeat, decode_refused, encode_cancel, encode_fault, encode_goaway
from frames.frame import CancelReason, FaultCode, FrameType, GoawayReason, HealthStatus, Method, RefusedReason
from penstock import Call, Service
from penstock.errors import GatewayError

if TYPE_CHECKING:
    from tests.penstock.conftest import Connection, Gateway

ROOT = Path(__file__).parents[2]


class Shop:
    """A service whose handlers the test can look at."""

    def __init__(self) -> None:
        self.service = Service("shop", version="1.0.0")
        self.begun = trio.Event()
        self.go_on = trio.Event()
        self.cancelled = trio.Event()

        @self.service.get("/now/{name}")
        def now(call: Call, name: str) -> Any:
            return {"name": name, "id": call.request_id}

        @self.service.get("/later/{name}")
        async def later(call: Call, name: str) -> Any:
            self.begun.set()
            try:
                await self.go_on.wait()
            except trio.Cancelled:
                self.cancelled.set()
                raise
            return {"name": name, "id": call.request_id}

        @self.service.get("/fails")
        async def fails(call: Call) -> Any:
            raise RuntimeError("secret of the house")

        @self.service.get("/large")
        def large(call: Call) -> Any:
            return bytes(int(call.query["bytes"]))


NOW, LATER, FAILS, LARGE = range(4)


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def _connect(nursery: trio.Nursery, shop: Shop, gateway: "Gateway", **environment: str) -> "Connection":
    nursery.start_soon(shop.service.serve, gateway.settings(**environment))
    connection = await gateway.accept()
    await connection.greet()
    return connection


async def test_hello_says_who_it_is_and_what_it_offers(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    settings = gateway.settings(service_token="t0ken", region="eu-1", instance="shop-a", service_heartbeat="200ms")  # noqa: S106
    nursery.start_soon(shop.service.serve, settings)
    connection = await gateway.accept()
    hello = await connection.greet()
    assert (hello.service, hello.version, hello.instance, hello.region) == ("shop", "1.0.0", "shop-a", "eu-1")
    assert (hello.token, hello.heartbeat_ms) == ("t0ken", 200)
    assert [(e.id, e.method, e.path) for e in hello.listed][:2] == [
        (0, "GET", "/now/{name}"),
        (1, "GET", "/later/{name}"),
    ]


async def test_serve_is_started_at_the_first_welcome(gateway: "Gateway", shop: Shop) -> None:
    async with trio.open_nursery() as nursery:

        async def answer() -> None:
            await (await gateway.accept()).greet()

        nursery.start_soon(answer)
        await nursery.start(shop.service.serve, gateway.settings())
        nursery.cancel_scope.cancel()


async def test_plain_and_async_handlers_answer(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LATER, "/later/a")
    await connection.call(2, NOW, "/now/b%20c?x=1")
    first = await connection.expect(FrameType.RESPONSE)
    assert (first.exchange, first.status, first.json()) == (2, 200, {"name": "b c", "id": "req-2"})
    shop.go_on.set()
    second = await connection.expect(FrameType.RESPONSE)
    assert (second.exchange, second.json()) == (1, {"name": "a", "id": "req-1"})


async def test_many_calls_in_one_batch_are_each_answered_once(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery
) -> None:
    connection = await _connect(nursery, shop, gateway)
    shop.go_on.set()
    for exchange in range(1, 201):
        await connection.call(exchange, exchange % 2, f"/{'later' if exchange % 2 else 'now'}/x")
    answered = [(await connection.expect(FrameType.RESPONSE)).exchange for _ in range(200)]
    assert sorted(answered) == list(range(1, 201))


async def test_a_failing_handler_is_a_500_with_a_reason_and_a_log_line(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(7, FAILS, "/fails")
    answer = await connection.expect(FrameType.RESPONSE)
    assert answer.status == 500
    assert answer.fields[b"content-type"] == b"application/problem+json"
    assert answer.json()["reason"] == "handler_error"
    assert answer.json()["request_id"] == "req-7"
    assert b"secret" not in answer.payload
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "secret of the house" in str(record.exc_info)
    assert record.__dict__["request_id"] == "req-7"
    assert record.__dict__["correlation_id"] == "cor-1"


async def test_cancel_stops_the_handler_and_nothing_is_answered(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery
) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LATER, "/later/a")
    await shop.begun.wait()
    await connection.send(FrameType.CANCEL, encode_cancel(CancelReason.CLIENT_GONE), exchange=1)
    await shop.cancelled.wait()
    await connection.send(FrameType.CANCEL, encode_cancel(CancelReason.CLIENT_GONE), exchange=999)  # unknown: no harm
    await connection.call(2, NOW, "/now/b")
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 2


async def test_the_deadline_ends_a_handler_with_504(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LATER, "/later/a", remaining_ms=20)
    answer = await connection.expect(FrameType.RESPONSE)
    assert (answer.status, answer.json()["reason"]) == (504, "deadline")
    assert shop.cancelled.is_set()


async def test_no_time_left_is_not_started(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LATER, "/later/a", remaining_ms=0)
    assert (await connection.expect(FrameType.RESPONSE)).status == 504
    assert not shop.begun.is_set()


@pytest.mark.parametrize(
    ("endpoint", "flags", "reason"),
    [(99, 1, RefusedReason.UNKNOWN_ENDPOINT), (NOW, 0, RefusedReason.UNSUPPORTED_FEATURE)],
)
async def test_what_cannot_be_started_is_refused(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery, endpoint: int, flags: int, reason: RefusedReason
) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, endpoint, "/now/a", flags=flags)
    assert decode_refused((await connection.expect(FrameType.REFUSED)).payload).reason == reason


async def test_over_the_concurrency_is_refused(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway, service_concurrency="2")
    for exchange in (1, 2, 3):
        await connection.call(exchange, LATER, "/later/a")
    refused = await connection.expect(FrameType.REFUSED)
    assert (refused.exchange, decode_refused(refused.payload).reason) == (3, RefusedReason.OVERLOADED)
    shop.go_on.set()
    assert {(await connection.expect(FrameType.RESPONSE)).exchange for _ in range(2)} == {1, 2}


async def test_heartbeats_say_load(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway, service_concurrency="4", service_heartbeat="100ms")
    assert decode_heartbeat((await connection.receive_beat()).payload) == (HealthStatus.HEALTHY, 0, 0)
    await connection.call(1, LATER, "/later/a")
    await shop.begun.wait()
    assert decode_heartbeat((await connection.receive_beat()).payload) == (HealthStatus.HEALTHY, 2500, 1)


async def test_an_answer_that_no_frame_carries_is_a_500(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LARGE, "/large?bytes=1048577")
    answer = await connection.expect(FrameType.RESPONSE)
    assert (answer.status, answer.json()["reason"]) == (500, "answer_too_large")


async def test_more_large_answers_than_the_wire_holds_all_arrive(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery
) -> None:
    connection = await _connect(nursery, shop, gateway)
    for exchange in range(1, 17):  # 16 MiB; the wire holds 4
        await connection.call(exchange, LARGE, "/large?bytes=1000000")
    got = [await connection.receive() for _ in range(16)]
    kinds = [frame.type for frame in got if frame]
    assert len(kinds) == 16
    assert kinds.count(FrameType.RESPONSE) >= 4
    assert set(kinds) <= {FrameType.RESPONSE, FrameType.REFUSED}
    await connection.call(20, NOW, "/now/a")
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 20


async def test_a_lost_gateway_is_dialled_again_and_its_calls_are_stopped(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery
) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.call(1, LATER, "/later/a")
    await shop.begun.wait()
    await connection.stream.aclose()
    await shop.cancelled.wait()
    again = await gateway.accept()
    await again.greet()
    await again.call(1, NOW, "/now/a")
    assert (await again.expect(FrameType.RESPONSE)).exchange == 1


async def test_a_silent_gateway_is_given_up(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    nursery.start_soon(shop.service.serve, gateway.settings(service_heartbeat="100ms"))
    connection = await gateway.accept()
    await connection.greet(heartbeat_ms=100)
    fault = await connection.expect(FrameType.FAULT)
    assert int.from_bytes(fault.payload[:2]) == FaultCode.HEARTBEAT_LOST
    assert await connection.receive() is None
    await (await gateway.accept()).greet()


async def test_a_call_before_welcome_is_a_protocol_error(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    nursery.start_soon(shop.service.serve, gateway.settings())
    connection = await gateway.accept()
    await connection.expect(FrameType.HELLO)
    await connection.call(1, NOW, "/now/a")
    fault = await connection.expect(FrameType.FAULT)
    assert int.from_bytes(fault.payload[:2]) == FaultCode.PROTOCOL_ERROR


async def test_a_gateway_that_turns_the_service_away_is_told_in_the_log(
    gateway: "Gateway", shop: Shop, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.start_soon(shop.service.serve, gateway.settings())
    connection = await gateway.accept()
    await connection.expect(FrameType.HELLO)
    await connection.send(FrameType.FAULT, encode_fault(FaultCode.UNAUTHENTICATED, "no token\nforged line"))
    assert await connection.receive() is None
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "PENSTOCK_SERVICE_TOKEN" in line
    assert "\n" not in line


async def test_replaced_ends_the_service_with_what_to_do(gateway: "Gateway", shop: Shop) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(GatewayError, match="PENSTOCK_INSTANCE")):
        async with trio.open_nursery() as nursery:
            connection = await _connect(nursery, shop, gateway)
            await connection.send(FrameType.GOAWAY, encode_goaway(GoawayReason.REPLACED, 0))
            await connection.stream.aclose()


async def test_goaway_shutdown_is_dialled_again(gateway: "Gateway", shop: Shop, nursery: trio.Nursery) -> None:
    connection = await _connect(nursery, shop, gateway)
    await connection.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1000))
    await connection.call(1, NOW, "/now/a")  # not after GOAWAY, but harmless
    assert (await connection.expect(FrameType.RESPONSE)).exchange == 1
    await connection.stream.aclose()
    await (await gateway.accept()).greet()


async def test_stop_drains(gateway: "Gateway", shop: Shop) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: shop.service.serve(gateway.settings(), stop=stop))
        connection = await gateway.accept()
        await connection.greet()
        await connection.call(1, LATER, "/later/a")
        await shop.begun.wait()
        stop.set()
        goaway = await connection.expect(FrameType.GOAWAY)
        assert decode_goaway(goaway.payload) == (GoawayReason.SHUTDOWN, 30_000)
        await connection.call(2, NOW, "/now/a")
        refused = await connection.expect(FrameType.REFUSED)
        assert decode_refused(refused.payload).reason == RefusedReason.DRAINING
        shop.go_on.set()
        assert (await connection.expect(FrameType.RESPONSE)).exchange == 1
        assert await connection.receive() is None


async def test_what_is_not_done_in_the_drain_time_is_cut_off_with_an_answer(gateway: "Gateway", shop: Shop) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: shop.service.serve(gateway.settings(service_drain="50ms"), stop=stop))
        connection = await gateway.accept()
        await connection.greet()
        await connection.call(1, LATER, "/later/a")
        await shop.begun.wait()
        stop.set()
        await connection.expect(FrameType.GOAWAY)
        answer = await connection.expect(FrameType.RESPONSE)
        assert (answer.status, answer.json()["reason"]) == (503, "shutdown")
        assert await connection.receive() is None


async def test_cancelling_serve_closes_the_connection(gateway: "Gateway", shop: Shop) -> None:
    async with trio.open_nursery() as nursery:
        connection = await _connect(nursery, shop, gateway)
        nursery.cancel_scope.cancel()
    await connection.receive()  # a GOAWAY, or nothing at all
    assert await connection.receive() is None


PROGRAM = """
import trio
from penstock import Service

service = Service("slow", version="1.0.0")

@service.get("/slow")
async def slow(call):
    await trio.sleep_forever() if call.query.get("forever") else await trio.sleep(0.2)
    return "done"

@service.get("/there")
def there(call):
    return "what came before me was taken"

service.run()
"""


def _start(gateways: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PENSTOCK_GATEWAYS": gateways}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE)


async def _end(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    with trio.fail_after(10):
        _, errors = await trio.to_thread.run_sync(process.communicate)
    return process.returncode, errors.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_the_exit_code_is_0(gateway: "Gateway", number: signal.Signals) -> None:
    process = _start(gateway.address)
    connection = await gateway.accept()
    await connection.greet()
    await connection.call(1, 0, "/slow")
    await connection.call(2, 1, "/there")
    await connection.expect(FrameType.RESPONSE)
    process.send_signal(number)
    await connection.expect(FrameType.GOAWAY)
    assert (await connection.expect(FrameType.RESPONSE)).body == b"done"
    code, errors = await _end(process)
    assert code == 0, errors
    assert "Traceback" not in errors


async def test_a_second_signal_ends_at_once(gateway: "Gateway") -> None:
    process = _start(gateway.address)
    connection = await gateway.accept()
    await connection.greet()
    await connection.call(1, 0, "/slow?forever=1")
    process.send_signal(signal.SIGTERM)
    await connection.expect(FrameType.GOAWAY)
    process.send_signal(signal.SIGTERM)
    code, errors = await _end(process)
    assert code == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors


async def test_wrong_settings_are_one_line_and_exit_code_2() -> None:
    process = _start("http://127.0.0.1:7420")
    code, errors = await _end(process)
    assert code == 2
    assert errors.count("\n") == 1
    assert "PENSTOCK_GATEWAYS" in errors


async def test_replaced_is_one_line_and_exit_code_1(gateway: "Gateway") -> None:
    process = _start(gateway.address)
    connection = await gateway.accept()
    await connection.greet()
    await connection.send(FrameType.GOAWAY, encode_goaway(GoawayReason.REPLACED, 0))
    await connection.stream.aclose()
    code, errors = await _end(process)
    assert code == 1, errors
    assert "Traceback" not in errors
    assert "PENSTOCK_INSTANCE" in errors


async def test_method_is_passed_on(gateway: "Gateway", nursery: trio.Nursery) -> None:
    service = Service("echo", version="1.0.0")

    @service.post("/echo")
    def echo(call: Call) -> Any:
        return {"method": call.method, "attempt": call.attempt, "body": call.json()}

    nursery.start_soon(service.serve, gateway.settings())
    connection = await gateway.accept()
    await connection.greet()
    await connection.call(1, 0, "/echo", method=Method.POST, body=b"[1]")
    assert (await connection.expect(FrameType.RESPONSE)).json() == {"method": "POST", "attempt": 1, "body": [1]}
