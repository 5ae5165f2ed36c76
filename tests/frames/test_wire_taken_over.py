"""Plain requests to who may stream: their connections are taken over once the answer streams. Bytes are tested in C."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from wire_support import nothing, pair

from frames.codec import encode_frame
from frames.fields import encode_response
from frames.frame import END, FieldId, FrameType, Method
from frames.wire import Wire
from frames.wire_values import (
    HEAD_TAKES_TRAILERS,
    NO_IDENTITY,
    Event,
    EventKind,
    Framing,
    HandBack,
    SocketKind,
    WireResult,
    WireSettings,
)

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: 1\r\n\r\nx"
ROUTE = 1
DEADLINE_MS = 60_000


class Lab(NamedTuple):
    """A wire with one client and one service, driven by hand."""

    wire: Wire
    client: socket.socket
    service: socket.socket
    connection: int

    def ask(self, request: bytes) -> int:
        self.client.send(request)
        assert list(self.wire.step(1_000)) == []
        ((exchange, *_),) = self.wire.requests()
        return exchange

    def send(self, request: bytes = GET, *, may_stream: bool = True) -> int:
        """Send a request to the service; return its exchange."""
        exchange = self.ask(request)
        result = self.wire.send(exchange, self.connection, ROUTE, 7, 0, may_stream, DEADLINE_MS, 0, NO_IDENTITY)
        assert result == WireResult.OK
        self.wire.flush()
        return exchange

    def respond(self, exchange: int, status: int, body: bytes = b"", *, flags: int = 0) -> list[Event]:
        self.service.send(encode_frame(FrameType.RESPONSE, flags, exchange, encode_response(status, [], body)))
        return list(self.wire.step(1_000))


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=4, routes_max=2))
    near, client = pair()
    wire.adopt(near, SocketKind.EDGE)
    near, service = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    yield Lab(wire, client, service, connection)
    wire.close_all()
    client.close()
    service.close()


def test_a_whole_answer_goes_the_usual_way(lab: Lab) -> None:
    exchange = lab.send()
    assert lab.wire.take_over(exchange) is None
    assert lab.respond(exchange, 200, b"hi", flags=END) == []
    assert lab.client.recv(1_000).endswith(b"\r\n\r\nhi")
    assert lab.wire.take_over(exchange) is None


def test_an_answer_that_streams(lab: Lab) -> None:
    exchange = lab.send(PUT)
    lab.client.send(GET)
    nothing(lab.wire.step(1_000))
    (event,) = lab.respond(exchange, 200, b"first")
    assert event[:4] == (exchange, lab.connection, EventKind.STREAM, FrameType.RESPONSE)
    assert lab.wire.sent_exchanges() == [exchange]
    handed = lab.wire.take_over(exchange)
    assert handed is not None
    assert (handed.held, handed.closes) == (GET, False)
    assert (handed.route, handed.method, handed.remaining_ms) == (ROUTE, Method.PUT, 0)
    assert handed.flags == HEAD_TAKES_TRAILERS
    assert lab.wire.sent_exchanges() == []
    made = lab.wire.response_head(exchange, event[5], event[6], Framing.CHUNKED, close=False)
    assert isinstance(made, tuple)
    assert made[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert lab.wire.cancel(exchange, 1) == WireResult.OK
    assert lab.wire.hand_back(exchange, HandBack.KEEP, handed.held) == WireResult.OK
    nothing(lab.wire.step(1_000))
    assert len(list(lab.wire.requests())) == 1


def test_one_that_is_interim_first_has_its_deadline_still(lab: Lab) -> None:
    exchange = lab.send()
    assert lab.respond(exchange, 103)[0][7] == 103
    lab.wire.advance_clock(DEADLINE_MS // 2)
    nothing(lab.wire.step())
    handed = lab.wire.take_over(exchange)
    assert handed is not None
    assert DEADLINE_MS // 4 < handed.remaining_ms <= DEADLINE_MS // 2 + 8
    assert handed.flags == 0
    assert lab.wire.hand_back(exchange, HandBack.CLOSE) == WireResult.OK


def test_one_whose_client_is_gone(lab: Lab) -> None:
    exchange = lab.send()
    lab.respond(exchange, 200)
    lab.client.close()
    (event,) = list(lab.wire.step(1_000))
    assert (event[0], event[2]) == (exchange, EventKind.CLIENT_GONE)
    assert lab.wire.take_over(exchange) is None
    assert lab.wire.cancel(exchange, 1) == WireResult.OK


def test_without_leave_to_stream_it_is_a_bad_response(lab: Lab) -> None:
    exchange = lab.send(may_stream=False)
    (event,) = lab.respond(exchange, 200)
    assert event[2] == EventKind.BAD_RESPONSE
    assert lab.wire.take_over(exchange) is None


def test_the_address_that_was_believed(lab: Lab) -> None:
    exchange = lab.ask(GET)
    assert lab.wire.client_address(exchange) == ""  # a socket without one
    longest = b"_" + b"a" * 63
    for address in (b"192.0.2.60", longest):
        assert lab.wire.set_context(exchange, FieldId.CLIENT_ADDRESS, address) == WireResult.OK
        assert lab.wire.client_address(exchange) == address.decode()
    assert lab.wire.set_context(exchange, FieldId.CLIENT_ADDRESS, longest + b"a") == WireResult.INVALID
    handed = lab.wire.hand_over(exchange)
    assert handed is not None
    nothing(lab.wire.step())
    assert lab.wire.client_address(exchange) == longest.decode()
    assert lab.wire.hand_back(exchange, HandBack.KEEP) == WireResult.OK
    assert lab.wire.client_address(exchange) == ""
