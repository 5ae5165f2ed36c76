"""Calls of other services over loopback; the test is the gateway."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
import trio.testing

from frames.fields import decode_fields, encode_response
from frames.fixed import decode_cancel, encode_cancel, encode_goaway, encode_refused
from frames.frame import DIALLED, END, CancelReason, FieldId, FrameType, GoawayReason, Method, RefusedReason
from penstock import (
    Call,
    CallDeadline,
    CallError,
    CallFailed,
    CallLost,
    CallRefused,
    CallUnreachable,
    Reply,
    Service,
)
from penstock.asks import ASKS_MAX

if TYPE_CHECKING:
    from tests.penstock.conftest import Connection, Frame, Gateway

TRACE = bytes(range(24)) + b"\x01"
FEATURES = ("streams", "calls")
WAIT_S = 5


class Asked:
    """A REQUEST of the service, as the gateway reads it."""

    def __init__(self, frame: "Frame") -> None:
        payload = frame.payload
        assert frame.type == FrameType.REQUEST
        assert frame.flags == END
        assert frame.exchange & DIALLED
        self.exchange = frame.exchange
        self.remaining_ms = int.from_bytes(payload[:4])
        self.endpoint = int.from_bytes(payload[4:6])
        self.method = Method(payload[6])
        target_bytes, count = int.from_bytes(payload[8:10]), int.from_bytes(payload[10:12])
        text_at = 12 + 4 * count + target_bytes
        self.target = payload[12 + 4 * count : text_at]
        found = decode_fields(payload, 12, count, text_at)
        self.context = {field: value for field, _, value in found if field}
        self.fields = {name: value for field, name, value in found if not field}
        self.body = payload[text_at + sum(len(name) + len(value) for _, name, value in found) :]


class Outcome:
    """What became of a call."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.error: CallError | None = None
        self.known = trio.Event()

    async def wait(self) -> Reply:
        with trio.fail_after(WAIT_S):
            await self.known.wait()
        assert self.error is None
        assert self.reply is not None
        return self.reply

    async def wait_error(self) -> CallError:
        with trio.fail_after(WAIT_S):
            await self.known.wait()
        assert self.error is not None
        return self.error


class Bench:
    """A service that calls others, and its gateway."""

    def __init__(self, gateway: "Gateway", nursery: trio.Nursery) -> None:
        self.gateway = gateway
        self.nursery = nursery
        self.service = Service("billing", version="1.0.0")

        @self.service.get("/ask")
        async def ask(call: Call) -> Any:
            reply = await call.ask("inventory", "GET", "/stock/7?a=b")
            return {"status": reply.status, "reply": reply.text}

        @self.service.get("/check")
        async def check(call: Call) -> Any:
            return (await call.ask("inventory", "GET", "/stock/7")).check().json()

    async def connect(self, features: tuple[str, ...] = FEATURES) -> "Connection":
        self.nursery.start_soon(self.service.serve, self.gateway.settings())
        return await self.accept(features)

    async def accept(self, features: tuple[str, ...] = FEATURES) -> "Connection":
        connection = await self.gateway.accept()
        await connection.greet(features=features)
        return connection

    def ask_soon(self, *what: Any, **options: Any) -> "Outcome":
        outcome = Outcome()

        async def ask() -> None:
            try:
                outcome.reply = await self.service.call(*what, **options)
            except CallError as error:
                outcome.error = error
            outcome.known.set()

        self.nursery.start_soon(ask)
        return outcome


@pytest.fixture
def bench(gateway: "Gateway", nursery: trio.Nursery) -> Bench:
    return Bench(gateway, nursery)


async def answer(connection: "Connection", asked: Asked, status: int = 200, body: bytes = b"", **more: Any) -> None:
    fields = more.get("fields", [])
    await connection.send(
        FrameType.RESPONSE, encode_response(status, fields, body), more.get("flags", END), asked.exchange
    )


async def test_what_is_sent_and_what_comes_back(bench: Bench) -> None:
    connection = await bench.connect()
    outcome = bench.ask_soon(
        "inventory",
        "post",
        "/stock/7?x=%20",
        json={"count": 1},
        headers={"X-Why": "because"},
        deadline_ms=1500,
        tenant="acme",
    )
    asked = Asked(await connection.expect(FrameType.REQUEST))
    assert (asked.endpoint, asked.method, asked.target, asked.body) == (
        0,
        Method.POST,
        b"/stock/7?x=%20",
        b'{"count":1}',
    )
    assert 1000 < asked.remaining_ms <= 1500
    assert asked.fields == {b"content-type": b"application/json", b"x-why": b"because"}
    assert asked.context[FieldId.SERVICE] == b"inventory"
    assert asked.context[FieldId.TENANT] == b"acme"
    assert {FieldId.CORRELATION_ID, FieldId.REQUEST_ID, FieldId.TRACE} <= asked.context.keys()
    assert not {FieldId.PRINCIPAL, FieldId.CLAIMS, FieldId.CLIENT_ADDRESS, FieldId.SCHEME} & asked.context.keys()
    await answer(connection, asked, 201, b'{"left":2}', fields=[(0, b"x-a", b"1"), (0, b"x-a", b"2")])
    reply = await outcome.wait()
    assert (reply.status, reply.json(), reply.headers["x-a"]) == (201, {"left": 2}, "1, 2")
    assert reply.check() is reply


async def test_in_a_handler_its_context_goes_on(bench: Bench) -> None:
    connection = await bench.connect()
    extra = [(FieldId.TENANT, b"", b"acme"), (FieldId.TRACE, b"", TRACE), (FieldId.TRACESTATE, b"", b"v=1")]
    extra += [(FieldId.PRINCIPAL, b"", b"zoe"), (FieldId.CLAIMS, b"", b"{}")]
    await connection.call(2, 0, "/ask", remaining_ms=800, extra=extra)
    asked = Asked(await connection.expect(FrameType.REQUEST))
    assert asked.target == b"/stock/7?a=b"
    assert 400 < asked.remaining_ms <= 800
    context = asked.context
    assert (context[FieldId.TENANT], context[FieldId.CORRELATION_ID]) == (b"acme", b"cor-1")
    assert context[FieldId.TRACESTATE] == b"v=1"
    assert context[FieldId.TRACE][:16] == TRACE[:16]
    assert context[FieldId.TRACE][16:24] != TRACE[16:24]
    assert context[FieldId.TRACE][24] == 1
    assert context[FieldId.REQUEST_ID] != b"req-2"
    assert FieldId.PRINCIPAL not in context
    assert FieldId.CLAIMS not in context
    await answer(connection, asked, 200, b"seven")
    assert (await connection.expect(FrameType.RESPONSE)).json() == {"status": 200, "reply": "seven"}


async def test_service_call_finds_the_call_at_hand_also_in_its_tasks(bench: Bench) -> None:
    left_behind: list[Outcome] = []

    @bench.service.get("/both")
    async def both(call: Call) -> Any:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.service.call, "a", "GET", "/1")
            nursery.start_soon(bench.service.call, "b", "GET", "/2")

        left_behind.append(bench.ask_soon("c", "GET", "/3"))
        return "done"

    connection = await bench.connect()
    await connection.call(2, 2, "/both", remaining_ms=800, extra=[(FieldId.TENANT, b"", b"acme")])
    for _ in range(2):
        asked = Asked(await connection.expect(FrameType.REQUEST))
        assert asked.context[FieldId.TENANT] == b"acme"
        assert asked.remaining_ms <= 800
        await answer(connection, asked)
    frames = [await connection.receive(), await connection.receive()]
    (request,) = [frame for frame in frames if frame is not None and frame.type == FrameType.REQUEST]
    asked = Asked(request)
    assert asked.context[FieldId.CORRELATION_ID] == b"cor-1"
    assert asked.remaining_ms > 9000  # the call that it was begun for is over, and so is its deadline
    await answer(connection, asked)
    assert (await left_behind[0].wait()).status == 200


async def test_outside_of_any_call_after_one(bench: Bench) -> None:
    connection = await bench.connect()
    await connection.call(2, 0, "/ask")
    await answer(connection, Asked(await connection.expect(FrameType.REQUEST)))
    await connection.expect(FrameType.RESPONSE)
    bench.ask_soon("inventory", "GET", "/")
    asked = Asked(await connection.expect(FrameType.REQUEST))
    assert asked.context[FieldId.CORRELATION_ID] != b"cor-1"
    assert 9000 < asked.remaining_ms <= 10_000


async def test_what_is_finished_while_the_service_drains_may_still_ask(bench: Bench) -> None:
    # GOAWAY says that its sender takes nothing new; what is in flight is to be finished, with all that it needs.
    stop, begun, go_on = trio.Event(), trio.Event(), trio.Event()

    @bench.service.get("/last")
    async def last(call: Call) -> Any:
        begun.set()
        await go_on.wait()
        return (await call.ask("inventory", "GET", "/stock/7")).text

    async def serve() -> None:
        await bench.service.serve(bench.gateway.settings(), stop=stop)

    bench.nursery.start_soon(serve)
    connection = await bench.accept()
    await connection.call(2, 2, "/last")
    with trio.fail_after(WAIT_S):
        await begun.wait()
    stop.set()
    await connection.expect(FrameType.GOAWAY)
    go_on.set()
    await answer(connection, Asked(await connection.expect(FrameType.REQUEST)), 200, b"seven")
    assert (await connection.expect(FrameType.RESPONSE)).body == b"seven"


class TestDeadline:
    async def test_it_passes(self, bench: Bench) -> None:
        connection = await bench.connect()
        outcome = bench.ask_soon("inventory", "GET", "/slow?token=1", deadline_ms=30)
        asked = Asked(await connection.expect(FrameType.REQUEST))
        cancel = await connection.expect(FrameType.CANCEL)
        assert (cancel.exchange, decode_cancel(cancel.payload)) == (asked.exchange, CancelReason.DEADLINE)
        error = await outcome.wait_error()
        assert isinstance(error, CallDeadline)
        assert str(error) == "inventory: GET /slow: there was no answer before the deadline"
        await answer(connection, asked)  # late, and dropped
        bench.ask_soon("inventory", "GET", "/next")
        assert Asked(await connection.expect(FrameType.REQUEST)).target == b"/next"

    async def test_the_handlers_holds_also_where_more_is_asked_for(self, bench: Bench) -> None:
        @bench.service.get("/long")
        async def long(call: Call) -> Any:
            await call.ask("inventory", "GET", "/slow", deadline_ms=60_000)

        connection = await bench.connect()
        await connection.call(2, 2, "/long", remaining_ms=50)
        assert Asked(await connection.expect(FrameType.REQUEST)).remaining_ms <= 50
        await connection.expect(FrameType.CANCEL)
        answered = await connection.expect(FrameType.RESPONSE)
        assert (answered.status, answered.json()["reason"]) == (504, "deadline")

    async def test_no_time_left(self, bench: Bench) -> None:
        await bench.connect()
        with pytest.raises(CallDeadline, match="it was not sent"):
            await bench.service.call("inventory", "GET", "/", deadline_ms=0)


async def test_who_is_cancelled_cancels(bench: Bench) -> None:
    connection = await bench.connect()
    await connection.call(2, 0, "/ask")
    asked = Asked(await connection.expect(FrameType.REQUEST))
    await connection.send(FrameType.CANCEL, encode_cancel(CancelReason.CLIENT_GONE), exchange=2)
    cancel = await connection.expect(FrameType.CANCEL)
    assert (cancel.exchange, decode_cancel(cancel.payload)) == (asked.exchange, CancelReason.CLIENT_GONE)


class TestWithoutAnAnswer:
    async def test_refused(self, bench: Bench) -> None:
        connection = await bench.connect()
        await connection.call(2, 0, "/ask")
        asked = Asked(await connection.expect(FrameType.REQUEST))
        await connection.send(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED), exchange=asked.exchange)
        answered = await connection.expect(FrameType.RESPONSE)
        assert (answered.status, answered.json()["reason"]) == (503, "call_refused")
        assert "detail" not in answered.json()

    async def test_refused_by_one_goes_to_the_next(self, bench: Bench, nursery: trio.Nursery) -> None:
        settings = bench.gateway.settings(
            gateways=f"{bench.gateway.address},{bench.gateway.address.replace('127.0.0.1', 'localhost')}"
        )
        nursery.start_soon(bench.service.serve, settings)
        one, two = await bench.accept(), await bench.accept()

        async def serve(connection: "Connection", refuses: bool) -> None:
            asked = Asked(await connection.expect(FrameType.REQUEST))
            if refuses:
                await connection.send(
                    FrameType.REFUSED, encode_refused(RefusedReason.DRAINING), exchange=asked.exchange
                )
                return
            await answer(connection, asked, 200, b"two")

        await two.call(2, 0, "/ask")  # prefers the connection that it came over
        async with trio.open_nursery() as both:
            both.start_soon(serve, two, True)
            both.start_soon(serve, one, False)
        assert (await two.expect(FrameType.RESPONSE)).json() == {"status": 200, "reply": "two"}

    async def test_those_that_no_handler_makes_are_spread_over_the_connections(
        self, bench: Bench, nursery: trio.Nursery
    ) -> None:
        settings = bench.gateway.settings(
            gateways=f"{bench.gateway.address},{bench.gateway.address.replace('127.0.0.1', 'localhost')}"
        )
        nursery.start_soon(bench.service.serve, settings)
        connections = [await bench.accept(), await bench.accept()]
        for turn in range(2):  # the second time there is nothing left of the first
            outcomes = [bench.ask_soon("inventory", "GET", f"/{turn}") for _ in range(4)]
            for connection in connections * 2:
                await answer(connection, Asked(await connection.expect(FrameType.REQUEST)))
            assert {(await outcome.wait()).status for outcome in outcomes} == {200}

    async def test_the_connection_is_lost(self, bench: Bench) -> None:
        connection = await bench.connect()
        outcome = bench.ask_soon("inventory", "GET", "/")
        await connection.expect(FrameType.REQUEST)
        await connection.stream.aclose()
        error = await outcome.wait_error()
        assert isinstance(error, CallLost)
        assert not error.may_repeat
        assert "not known whether" in str(error)

    @pytest.mark.parametrize("features", [(), ("streams",)])
    async def test_a_gateway_that_passes_no_calls_on(self, bench: Bench, features: tuple[str, ...]) -> None:
        connection = await bench.connect(features)
        await connection.call(2, 0, "/ask")
        answered = await connection.expect(FrameType.RESPONSE)
        assert (answered.status, answered.json()["reason"]) == (503, "call_unreachable")

    async def test_a_gateway_that_goes_away(self, bench: Bench) -> None:
        connection = await bench.connect()
        await connection.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 5000))
        await connection.call(2, 0, "/ask")
        assert (await connection.expect(FrameType.RESPONSE)).json()["reason"] == "call_unreachable"

    async def test_who_is_not_served(self) -> None:
        with pytest.raises(CallUnreachable, match="billing is not being served"):
            await Service("billing", version="1.0.0").call("inventory", "GET", "/")

    @pytest.mark.parametrize("kind", [FrameType.CANCEL, FrameType.RESPONSE])
    async def test_an_answer_that_is_given_up(self, bench: Bench, kind: FrameType) -> None:
        connection = await bench.connect()
        outcome = bench.ask_soon("inventory", "GET", "/")
        asked = Asked(await connection.expect(FrameType.REQUEST))
        if kind is FrameType.CANCEL:
            await connection.send(FrameType.CANCEL, encode_cancel(CancelReason.ABORTED), exchange=asked.exchange)
        else:
            await answer(connection, asked, flags=0)  # goes on in DATA, which no call asks for
            cancel = await connection.expect(FrameType.CANCEL)
            assert decode_cancel(cancel.payload) == CancelReason.BAD_RESPONSE
        assert isinstance(await outcome.wait_error(), CallLost)

    async def test_too_many_at_once(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("penstock.asks.ASKS_MAX", 2)
        connection = await bench.connect()
        for _ in range(2):
            bench.ask_soon("inventory", "GET", "/")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CallRefused, match="under way already") as raised:
            await bench.service.call("inventory", "GET", "/")
        assert raised.value.may_repeat
        for _ in range(2):
            await answer(connection, Asked(await connection.expect(FrameType.REQUEST)))


async def test_interim_answers_are_passed_over(bench: Bench) -> None:
    connection = await bench.connect()
    outcome = bench.ask_soon("inventory", "GET", "/")
    asked = Asked(await connection.expect(FrameType.REQUEST))
    await answer(connection, asked, 103, flags=0)
    await answer(connection, asked, 204)
    assert (await outcome.wait()).status == 204


async def test_a_status_that_is_checked(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    connection = await bench.connect()
    await connection.call(2, 1, "/check")
    problem = msgspec.json.encode({"reason": "no_instance", "detail": "secret of the house"})
    await answer(connection, Asked(await connection.expect(FrameType.REQUEST)), 503, problem)
    answered = await connection.expect(FrameType.RESPONSE)
    assert (answered.status, answered.json()["reason"]) == (502, "call_failed")
    assert "inventory: GET /stock/7: it was answered 503 'no_instance'" in caplog.text
    assert "secret" not in caplog.text


def test_a_reply_that_cannot_be_used() -> None:
    with pytest.raises(CallFailed, match="a: GET /: its answer cannot be used") as raised:
        Reply(200, {}, b"{", "a: GET /").json()  # type: ignore[arg-type]
    assert raised.value.reply.body == b"{"
    with pytest.raises(CallFailed, match="Expected `int`"):
        Reply(200, {}, b'"x"', "a: GET /").json(int)  # type: ignore[arg-type]
    with pytest.raises(CallFailed, match=r"answered 404$"):
        Reply(404, {}, b"x", "a: GET /").check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "target", "options", "message"),
    [
        ("FETCH", "/", {}, "is not one of GET"),
        ("GET", "stock", {}, "begin with '/'"),
        ("GET", "/a b", {}, "percent-encode"),
        ("GET", "/é", {}, "percent-encode"),
        ("GET", "/\n", {}, "percent-encode"),
        ("GET", "/", {"headers": {"connection": "close"}}, "belongs to one HTTP hop"),
        ("GET", "/", {"headers": {"x": "a\r\nb"}}, "control character"),
        ("GET", "/", {"tenant": "a b"}, "is no tenant"),
        ("POST", "/", {"body": bytes(1 << 20)}, "a call carries 1,048,576"),
    ],
)
async def test_what_no_frame_can_carry(bench: Bench, method: str, target: str, options: Any, message: str) -> None:
    await bench.connect()
    with pytest.raises(ValueError, match=message):
        await bench.service.call("inventory", method, target, **options)


@pytest.mark.parametrize("name", ["", "Inventory", "a b", "a" * 65])
async def test_a_name_that_no_service_has(bench: Bench, name: str) -> None:
    await bench.connect()
    with pytest.raises(ValueError, match="is no service's name"):
        await bench.service.call(name, "GET", "/")


async def test_a_body_and_json(bench: Bench) -> None:
    await bench.connect()
    with pytest.raises(TypeError, match="not both"):
        await bench.service.call("inventory", "POST", "/", body=b"x", json={})


async def test_large_calls_share_the_connection(bench: Bench) -> None:
    connection = await bench.connect()
    bodies = [bytes([number]) * 900_000 for number in range(8)]
    outcomes = [bench.ask_soon("inventory", "POST", "/", body=body) for body in bodies]
    for _ in bodies:
        asked = Asked(await connection.expect(FrameType.REQUEST))
        assert asked.body in bodies
        await answer(connection, asked, 200, asked.body)
    assert [(await outcome.wait()).body for outcome in outcomes] == bodies


async def test_a_gateway_that_does_not_read(bench: Bench) -> None:
    connection = await bench.connect()
    outcomes = [bench.ask_soon("inventory", "POST", "/", body=bytes(1_000_000), deadline_ms=200) for _ in range(40)]
    errors = [await outcome.wait_error() for outcome in outcomes]
    assert {type(error) for error in errors} == {CallDeadline}
    bench.ask_soon("inventory", "GET", "/next")
    begun, cancelled = set(), set()
    while True:  # what was written is taken back, and the rest was never written
        frame = await connection.receive()
        assert frame is not None
        if frame.type == FrameType.CANCEL:
            cancelled.add(frame.exchange)
        elif Asked(frame).target == b"/next":
            break
        else:
            begun.add(frame.exchange)
    assert begun == cancelled
    assert 0 < len(begun) < 40


def test_the_bound_is_four_for_each_handler() -> None:
    assert ASKS_MAX == 4 * 256
