"""Requests that the wire keeps and sends again, and what it counts of them. Bytes are tested in C."""

import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import trio
from wire_support import nothing, pair

from frames.codec import encode_frame
from frames.fields import encode_response
from frames.frame import DIALLED, END, FrameType, Method
from frames.wire import Wire
from frames.wire_values import (
    ANSWERED_HELD,
    EXPIRED_EARLY,
    NO_IDENTITY,
    Event,
    EventKind,
    ExchangeFacts,
    GroupFigures,
    SendHow,
    SocketKind,
    WireResult,
    WireSettings,
)

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
GAUGE, ROUTE, GROUP = 5, 1, 9
DEADLINE_MS = 60_000
KEEPS = SendHow.KEEP | SendHow.HOLD


class Lab(NamedTuple):
    """A wire with one client and one service, driven by hand."""

    wire: Wire
    client: socket.socket
    service: socket.socket
    connection: int

    def ask(self) -> int:
        self.client.send(GET)
        nothing(self.wire.step(1_000))
        ((exchange, *_),) = self.wire.requests()
        return exchange

    def send(self, how: int = KEEPS, attempt_ms: int = 0) -> int:
        exchange = self.ask()
        result = self.wire.send(exchange, self.connection, ROUTE, 7, GAUGE, how, DEADLINE_MS, attempt_ms, NO_IDENTITY)
        assert result == WireResult.OK
        self.wire.flush()
        return exchange

    def respond(self, exchange: int, status: int, body: bytes = b"") -> list[Event]:
        self.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(status, [], body)))
        return list(self.wire.step(1_000))

    def again(self, exchange: int, attempt: int) -> int:
        return self.wire.again(exchange, self.connection, ROUTE, 7, GAUGE, KEEPS, attempt)


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=4, routes_max=2))
    near, client = pair()
    wire.adopt(near, SocketKind.EDGE)
    near, service = pair()
    connection = wire.adopt(near, SocketKind.FRAMED, dialled=True)
    wire.set_group(ROUTE, GROUP)
    yield Lab(wire, client, service, connection)
    wire.close_all()
    client.close()
    service.close()


def test_a_failure_is_held_and_then_passed_on(lab: Lab) -> None:
    exchange = lab.send()
    (event,) = lab.respond(exchange | DIALLED, 503, b"busy")
    assert event[:5] == (exchange, lab.connection, EventKind.ANSWERED, 503, ANSWERED_HELD)
    assert event[7] == GAUGE
    payload = lab.wire.arena[event[5] : event[5] + event[6]]
    facts = lab.wire.facts(exchange)
    assert facts is not None
    assert facts.kept_bytes > 0
    assert facts == ExchangeFacts(0, ROUTE, GAUGE, facts.remaining_ms, facts.kept_bytes, 1, Method.GET, True)
    assert DEADLINE_MS - 10_000 < facts.remaining_ms <= DEADLINE_MS
    nothing(lab.wire.step())
    assert lab.wire.pass_on(exchange, b"nonsense") == WireResult.INVALID
    assert lab.wire.pass_on(exchange, memoryview(payload)) == WireResult.OK
    assert lab.client.recv(1_000).endswith(b"\r\n\r\nbusy")
    assert lab.wire.facts(exchange) is None


def test_it_is_sent_again_and_answered(lab: Lab) -> None:
    exchange = lab.send()
    lab.respond(exchange | DIALLED, 500)
    assert lab.again(exchange, 1) == WireResult.INVALID
    assert lab.again(exchange, 2) == WireResult.OK
    assert lab.wire.route_in_flight[ROUTE] == lab.wire.group_in_flight[GROUP] == 1
    assert lab.respond(exchange | DIALLED, 200, b"late") == []
    assert lab.respond(exchange | 1 << 24 | DIALLED, 200, b"hi") == []
    assert lab.client.recv(1_000).endswith(b"\r\n\r\nhi")
    assert lab.wire.gauge_answers[GAUGE] == 1
    assert lab.wire.route_in_flight[ROUTE] == lab.wire.group_in_flight[GROUP] == 0
    figures = lab.wire.group_figures(GROUP)
    assert figures == GroupFigures(1, 1, figures.latency_sum_us)
    assert lab.wire.counters()["again"] == 1


def test_what_waits_is_told_in_time_and_then_sent(lab: Lab) -> None:
    exchange = lab.ask()
    assert lab.wire.keep(exchange, DEADLINE_MS) == WireResult.OK
    assert lab.wire.wait(exchange, 20_000) == WireResult.OK
    lab.wire.flush()
    nothing(lab.wire.step())
    lab.wire.advance_clock(30_000)
    (event,) = lab.wire.step(100_000)
    assert (event[0], event[2], event[4]) == (exchange, EventKind.EXPIRED, EXPIRED_EARLY)
    assert lab.again(exchange, 1) == WireResult.OK
    lab.wire.flush()
    assert lab.respond(exchange | DIALLED, 200, b"now") == []
    assert lab.client.recv(1_000).endswith(b"now")


def test_the_time_of_an_attempt_is_not_the_deadline(lab: Lab) -> None:
    exchange = lab.send(attempt_ms=1_000)
    lab.wire.advance_clock(5_000)
    (event,) = lab.wire.step(100_000)
    assert (event[0], event[2], event[4], event[7]) == (exchange, EventKind.EXPIRED, EXPIRED_EARLY, GAUGE)
    assert lab.wire.cancel(exchange, 1) == WireResult.OK
    assert lab.wire.answer(exchange, 504, b"", b"", False) == WireResult.OK


def test_a_branch_asks_for_itself(lab: Lab) -> None:
    exchange = lab.send()
    branch = lab.wire.branch(exchange)
    assert lab.again(branch, 2) == WireResult.OK
    (event,) = lab.respond(branch | 1 << 24 | DIALLED, 200, b"mine")
    assert (event[0], event[2], event[7], event[9]) == (branch, EventKind.STREAM, 200, GAUGE)
    assert lab.wire.cancel(exchange, 1) == WireResult.OK
    assert lab.wire.pass_on(exchange, lab.wire.arena[event[5] : event[5] + event[6]]) == WireResult.OK
    assert lab.client.recv(1_000).endswith(b"mine")
    assert lab.wire.end(branch) == WireResult.OK
    assert lab.wire.counters()["kept_now"] == 0
    assert lab.wire.branch(exchange) == 0


def test_what_is_over_the_bounds_is_sent_and_not_kept() -> None:
    wire = Wire(WireSettings(kept_bytes_max=10))
    near, client = pair()
    wire.adopt(near, SocketKind.EDGE)
    near, service = pair()
    lab = Lab(wire, client, service, wire.adopt(near, SocketKind.FRAMED))
    exchange = lab.send()
    facts = wire.facts(exchange)
    assert facts is not None
    assert (facts.kept_bytes, wire.counters()["kept_refused"]) == (0, 1)
    assert wire.cancel(exchange, 1) == WireResult.OK
    assert lab.again(exchange, 2) == WireResult.NO_EXCHANGE
    assert wire.branch(exchange) == 0
    wire.close_all()
    client.close()
    service.close()


NOTHING_THERE: dict[str, tuple[Callable[[Wire], object], object]] = {
    "keep": (lambda wire: wire.keep(1, 100), WireResult.NO_EXCHANGE),
    "again": (lambda wire: wire.again(1, 1, 0, 0, 0, 0, 1), WireResult.NO_EXCHANGE),
    "branch": (lambda wire: wire.branch(1), 0),
    "wait": (lambda wire: wire.wait(1, 1), WireResult.NO_EXCHANGE),
    "pass_on": (lambda wire: wire.pass_on(1, b""), WireResult.NO_EXCHANGE),
    "facts": (lambda wire: wire.facts(1), None),
    "set_group": (lambda wire: wire.set_group(70_000, 0), WireResult.INVALID),
    "group_figures": (lambda wire: wire.group_figures(1), GroupFigures(0, 0, 0)),
}


@pytest.mark.parametrize(("call", "result"), NOTHING_THERE.values(), ids=NOTHING_THERE)
def test_calls_about_nothing(call: Callable[[Wire], object], result: object) -> None:
    wire = Wire()
    assert call(wire) == result
    wire.close_all()
    assert call(wire) == result


async def test_who_looks_is_called_after_each_decision_until_taken_out() -> None:
    wire = Wire()
    looked: list[int] = []

    def look() -> None:
        looked.append(decided[0])
        if len(looked) == 3:
            wire.on_turn.remove(look)
            nursery.cancel_scope.cancel()

    decided = [0]

    def decide(_: Iterator[Event]) -> None:
        decided[0] += 1

    wire.on_turn.append(look)
    near, far = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        wire.adopt(near, SocketKind.FRAMED)
        while True:
            far.send(encode_frame(FrameType.HEARTBEAT, 0, 0, bytes(8)))
            await trio.lowlevel.checkpoint()
    assert looked == [1, 2, 3]
    assert wire.on_turn == []
    far.close()


def test_a_request_goes_on_without_its_client(lab: Lab) -> None:
    exchange = lab.send(SendHow.TELL)
    assert lab.wire.outlive(exchange) == WireResult.NO_EXCHANGE
    lab.client.close()
    ((gone, _, kind, *_),) = list(lab.wire.step(1_000))
    assert (gone, kind) == (exchange, EventKind.CLIENT_GONE)
    assert lab.wire.outlive(exchange) == WireResult.OK
    (event,) = lab.respond(exchange | DIALLED, 201, b"made")
    assert event[:4] == (exchange, lab.connection, EventKind.STREAM, FrameType.RESPONSE)
    assert lab.wire.end(exchange) == WireResult.OK
    assert lab.wire.counters()["exchanges_now"] == 0


def test_a_request_without_its_client_is_told_of_its_deadline(lab: Lab) -> None:
    exchange = lab.send(SendHow.TELL)
    lab.client.close()
    list(lab.wire.step(1_000))
    assert lab.wire.outlive(exchange) == WireResult.OK
    lab.wire.advance_clock(2 * DEADLINE_MS)
    steps = (list(lab.wire.step(1_000)) for _ in range(10_000))  # a timer has ticks; and it is put off once
    ((late, _, kind, *_),) = next(filter(None, steps))
    assert (late, kind) == (exchange, EventKind.EXPIRED)
    assert lab.wire.end(exchange) == WireResult.OK
    assert lab.wire.counters()["exchanges_now"] == 0
