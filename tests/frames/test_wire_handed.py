"""Connections that the wire hands over, and the streams that are opened for them. Their bytes are tested in C."""

import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import trio
from wire_support import WAIT_S, has_ended, nothing, pair

from frames.codec import encode_frame, scan
from frames.fields import encode_response, encode_trailers
from frames.fixed import encode_cancel, encode_credit
from frames.frame import END, FieldId, FrameType
from frames.wire import Wire
from frames.wire_values import (
    HEAD_CHUNKED,
    HEAD_ODD,
    Event,
    EventKind,
    ForwardedFields,
    Framing,
    HandBack,
    Handed,
    KnownName,
    SocketKind,
    WireResult,
    WireSettings,
    slot_of,
)

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /a/../b?c HTTP/1.1\r\nHost: a\r\nAccept: b\r\nTransfer-Encoding: chunked\r\n\r\n"
NONE = ForwardedFields(0, b"")


class Lab(NamedTuple):
    """A wire with one client and one service, driven by hand."""

    wire: Wire
    client: socket.socket
    service: socket.socket
    connection: int

    def ask(self, request: bytes = GET) -> int:
        self.client.send(request)
        assert list(self.wire.step(1_000)) == []
        ((exchange, *_),) = self.wire.requests()
        return exchange

    def take(self, exchange: int) -> Handed:
        handed = self.wire.hand_over(exchange)
        assert handed is not None
        return handed

    def open(self, exchange: int, *, end: bool = False) -> int:
        return self.wire.open(exchange, self.connection, 1, 7, 1_000, b"/a", NONE, end=end)

    def in_stream(self, request: bytes = GET) -> int:
        exchange = self.ask(request)
        self.take(exchange)
        assert self.open(exchange) == WireResult.OK
        return exchange

    def say(self, frame_type: FrameType, flags: int, exchange: int, payload: bytes) -> Event:
        self.service.send(encode_frame(frame_type, flags, exchange, payload))
        (event,) = self.wire.step(1_000)
        return event

    def payload(self, event: Event) -> bytes:
        return bytes(self.wire.arena[event[5] : event[5] + event[6]])


@pytest.fixture
def lab() -> Iterator[Lab]:
    settings = WireSettings(edge_connections_max=4, framed_connections_max=4, exchanges_max=8, routes_max=4)
    wire = Wire(settings)
    near, service = pair()
    edge_near, client = pair()
    wire.adopt(edge_near, SocketKind.EDGE)
    yield Lab(wire, client, service, wire.adopt(near, SocketKind.FRAMED))
    wire.close_all()
    service.close()
    client.close()


# ---- handing over, and back ----


def test_what_is_handed_over(lab: Lab) -> None:
    exchange = lab.ask(CHUNKED + b"3\r\nabc\r\n")
    head = lab.wire.request_head(exchange)
    assert head is not None
    assert head.flags & HEAD_ODD
    assert head.flags & HEAD_CHUNKED
    assert (head.target, head.path_bytes, head.content_length) == (b"/a/../b?c", 7, 0)
    fields = lab.wire.request_fields(exchange)
    assert fields == ForwardedFields(2, b"\0\4\0\1\0\6\0\1hostaacceptb")
    assert lab.wire.client_address(exchange) == ""
    handed = lab.take(exchange)
    assert handed.held == b"3\r\nabc\r\n"
    assert not handed.closes
    lab.client.send(b"0\r\n\r\n")
    nothing(lab.wire.step())
    assert os.read(handed.descriptor, 100) == b"0\r\n\r\n"
    assert lab.wire.counters()["handed_over_now"] == 1
    assert lab.wire.hand_over(exchange) is None
    assert lab.wire.hand_back(exchange, HandBack.KEEP, received=5) == WireResult.OK
    assert lab.wire.hand_back(exchange, HandBack.KEEP) == WireResult.NO_EXCHANGE
    assert lab.wire.counters()["edge_bytes_in"] == len(CHUNKED) + 13
    assert lab.wire.request_fields(exchange) == NONE
    assert lab.wire.request_head(exchange) is None
    assert lab.wire.request_body(exchange) == b""


def test_what_came_behind_is_the_next_request(lab: Lab) -> None:
    first = lab.ask(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" + GET[:9])
    assert lab.wire.request_body(first) == b"body"
    handed = lab.take(first)
    assert handed.held == GET[:9]
    assert lab.wire.hand_back(first, HandBack.KEEP, handed.held) == WireResult.OK
    second = lab.ask(GET[9:])
    assert second != first
    assert lab.wire.answer(second, 200, b"", b"", False) == WireResult.OK


@pytest.mark.parametrize("how", [HandBack.LINGER, HandBack.CLOSE, HandBack.RESET])
def test_given_back_to_be_closed(lab: Lab, how: HandBack) -> None:
    exchange = lab.ask()
    handed = lab.take(exchange)
    os.write(handed.descriptor, b"answer")
    assert lab.wire.hand_back(exchange, how, b"what is behind is no matter") == WireResult.OK
    assert lab.client.recv(100) == b"answer"
    assert has_ended(lab.client)


def test_handed_over_only_in_its_batch_and_once(lab: Lab) -> None:
    assert lab.wire.hand_over(1) is None
    exchange = lab.ask()
    nothing(lab.wire.step())
    assert lab.wire.hand_over(exchange) is None
    assert lab.wire.hand_back(exchange, HandBack.CLOSE) == WireResult.NO_EXCHANGE
    assert lab.wire.hand_in(exchange, b"", 0, 100) == WireResult.NO_EXCHANGE
    assert lab.open(exchange) == WireResult.NO_EXCHANGE


def test_only_an_away_exchange_has_heads(lab: Lab) -> None:
    exchange = lab.ask()
    assert lab.wire.answer_head(exchange, 200, b"", 0, close=False) == b""
    assert lab.wire.response_head(exchange, 16, 4, Framing.LENGTH, close=False) == WireResult.NO_EXCHANGE
    lab.take(exchange)
    head = lab.wire.answer_head(exchange, 503, b"a: b\r\n", 5, close=True)
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n")
    assert b"\r\ncontent-length: 5\r\n" in head
    assert head.endswith(b"\r\nconnection: close\r\n\r\n")
    assert lab.wire.answer_head(exchange, 99, b"", 0, close=True) == b""


def test_handed_in_the_wire_answers(lab: Lab) -> None:
    exchange = lab.ask(CHUNKED)
    lab.take(exchange)
    assert lab.wire.hand_in(exchange, b"", 0, 100) == WireResult.NO_EXCHANGE
    assert lab.open(exchange, end=True) == WireResult.OK
    assert lab.wire.sent_exchanges() == []
    assert lab.wire.hand_in(exchange, GET, 5 + len(GET), 1_000) == WireResult.OK
    assert lab.wire.sent_exchanges() == [exchange]
    lab.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(201, body=b"made")))
    assert list(lab.wire.step(1_000)) == []
    said = lab.client.recv(1_000)
    assert said.startswith(b"HTTP/1.1 201 Created\r\n")
    assert said.endswith(b"\r\n\r\nmade")
    ((second, *_),) = lab.wire.requests()
    assert second != exchange


@pytest.mark.parametrize(
    "bound", [{"connection_requests_max": 1}, {"connection_age_ms": 1_000}, {"connection_bytes_max": 10}]
)
def test_bounds_are_told_to_who_answers(bound: dict[str, int]) -> None:
    wire = Wire(WireSettings(idle_jitter_percent=0, **bound))
    near, far = pair()
    wire.adopt(near, SocketKind.EDGE)
    far.send(GET[:20])
    nothing(wire.step(1_000))
    wire.advance_clock(2_000)
    far.send(GET[20:])
    nothing(wire.step(1_000))
    ((exchange, *_),) = wire.requests()
    handed = wire.hand_over(exchange)
    assert handed is not None
    assert handed.closes
    wire.close_all()
    far.close()


def test_more_connections_than_one_address_may_have() -> None:
    wire = Wire(WireSettings(connections_per_address_max=1))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as one,
        socket.create_connection(listener.getsockname()) as other,
    ):
        wire.adopt(listener.accept()[0], SocketKind.EDGE)
        with pytest.raises(OSError, match="no_room"):
            wire.adopt(listener.accept()[0], SocketKind.EDGE)
        assert other.recv(100).startswith(b"HTTP/1.1 429 ")
        one.send(GET)
        nothing(wire.step(100_000))
        ((exchange, *_),) = wire.requests()
        assert wire.client_address(exchange) == "127.0.0.1"
        assert wire.counters()["edge_refused_by_address"] == 1
        wire.close_all()
    assert wire.counters()["edge_addresses_now"] == 0


# ---- streams ----


def test_the_request_of_a_stream(lab: Lab) -> None:
    exchange = lab.ask(CHUNKED)
    assert lab.wire.set_context(exchange, FieldId.TENANT, b"acme") == WireResult.OK
    fields = lab.wire.request_fields(exchange)
    lab.take(exchange)
    nothing(lab.wire.step())
    opened = lab.wire.open(
        *(exchange, lab.connection, 1, 7, 1_000, b"/b?c", fields, b"first "),
        end=False,
        attempt=2,
        body_length=2**53,
        upgrade=b"websocket",
    )
    assert opened == WireResult.OK
    assert lab.wire.in_flight[slot_of(lab.connection)] == 1
    lab.wire.flush()
    found = scan(lab.service.recv(1 << 16))
    (frame,) = found.frames
    assert (frame.type, frame.flags, frame.exchange, frame.attempt) == (FrameType.REQUEST, 0, exchange, 2)
    assert (found.target(frame), found.body(frame)) == (b"/b?c", b"first ")
    sent = dict.fromkeys(found.fields(frame))
    assert {(1, b"", b"acme"), (9, b"", b"http"), (10, b"", b"%d" % 2**53), (11, b"", b"websocket")} <= sent.keys()
    assert {(0, b"host", b"a"), (0, b"accept", b"b")} <= sent.keys()


@pytest.mark.parametrize(
    ("wrong", "result"),
    [
        ({"connection": 99}, WireResult.NO_CONNECTION),
        ({"route": 4}, WireResult.INVALID),
        ({"endpoint": 65_536}, WireResult.INVALID),
        ({"target": b""}, WireResult.INVALID),
        ({"target": b"/" * 8_193}, WireResult.INVALID),
        ({"attempt": 0}, WireResult.INVALID),
        ({"upgrade": b"u" * 33}, WireResult.INVALID),
        ({"body_length": 10**16}, WireResult.INVALID),
        ({"fields": ForwardedFields(1, b"abc")}, WireResult.INVALID),
        ({"fields": ForwardedFields(128, bytes([200, 0, 0, 0]) * 128)}, WireResult.NO_ROOM),
        ({"body": bytes(1 << 20)}, WireResult.NO_ROOM),
    ],
)
def test_what_is_not_opened(lab: Lab, wrong: dict[str, object], result: WireResult) -> None:
    exchange = lab.ask()
    lab.take(exchange)
    arguments = {
        "route": 1,
        "endpoint": 7,
        "remaining_ms": 100,
        "target": b"/",
        "fields": NONE,
        "connection": lab.connection,
        **wrong,
    }
    assert lab.wire.open(exchange, end=True, **arguments) == result  # type: ignore[arg-type]
    assert sum(lab.wire.in_flight) + sum(lab.wire.unsent) == 0
    assert lab.open(exchange) == WireResult.OK


def test_the_frames_of_a_stream(lab: Lab) -> None:
    exchange = lab.in_stream()
    said = [
        (FrameType.CREDIT, 0, encode_credit(1)),
        (FrameType.RESPONSE, 0, encode_response(103)),
        (FrameType.RESPONSE, 0, encode_response(200, [(FieldId.NAMED, b"a", b"b")], b"first")),
        (FrameType.DATA, 0, b"second"),
        (FrameType.TRAILERS, END, encode_trailers([(FieldId.NAMED, b"c", b"d")])),
    ]
    for frame_type, flags, payload in said:
        event = lab.say(frame_type, flags, exchange, payload)
        assert event[:5] == (exchange, lab.connection, EventKind.STREAM, frame_type, flags)
        assert lab.payload(event) == payload
        head = lab.wire.response_head(exchange, event[5], event[6], Framing.NONE, close=True)
        assert isinstance(head, tuple) == (frame_type is FrameType.RESPONSE)
        trailers = lab.wire.trailers(event[5], event[6])
        assert trailers == (b"c: d\r\n\r\n" if frame_type is FrameType.TRAILERS else WireResult.INVALID)
    assert sum(lab.wire.in_flight) == 0
    lab.service.send(encode_frame(FrameType.CANCEL, 0, exchange, encode_cancel(7)))
    assert list(lab.wire.step(1_000)) == []
    assert lab.wire.counters()["late_responses"] == 1
    assert lab.wire.route_statuses(1) == (0, 0, 1, 0, 0, 0)


def test_the_head_of_a_streamed_answer(lab: Lab) -> None:
    exchange = lab.in_stream()
    event = lab.say(FrameType.RESPONSE, 0, exchange, encode_response(200, [(FieldId.NAMED, b"a", b"b")], b"body"))
    made = lab.wire.response_head(exchange, event[5], event[6], Framing.LENGTH, 2**40, close=False)
    assert isinstance(made, tuple)
    head, body_at = made
    assert head.startswith(b"HTTP/1.1 200 OK\r\na: b\r\n")
    assert b"\r\ncontent-length: %d\r\n" % 2**40 in head
    assert lab.payload(event)[body_at:] == b"body"
    assert lab.wire.response_head(exchange, event[5], event[6], Framing.UPGRADE, upgrade=b"a", close=False) == -101
    assert lab.wire.response_head(exchange, event[5] + 1, event[6], Framing.LENGTH, close=False) == WireResult.INVALID


def test_a_bad_field_of_a_streamed_answer(lab: Lab) -> None:
    exchange = lab.in_stream()
    event = lab.say(FrameType.RESPONSE, 0, exchange, b"\0\xc8\0\1\0\1\0\1A" + b"b")
    assert lab.wire.response_head(exchange, event[5], event[6], Framing.CHUNKED, close=False) == -102


def test_cancelled_it_may_be_opened_again(lab: Lab) -> None:
    exchange = lab.in_stream()
    assert lab.open(exchange) == WireResult.NO_EXCHANGE
    assert lab.wire.cancel(exchange, 1) == WireResult.OK
    assert lab.wire.cancel(exchange, 1) == WireResult.NO_EXCHANGE
    assert lab.open(exchange) == WireResult.OK
    lab.wire.flush()
    assert [frame.type for frame in scan(lab.service.recv(1 << 16)).frames] == [
        FrameType.REQUEST,
        FrameType.CANCEL,
        FrameType.REQUEST,
    ]


def test_all_values_of_a_field(lab: Lab) -> None:
    exchange = lab.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: b\r\nC: d\r\nX-Forwarded-For: e, f\r\n\r\n")
    assert lab.wire.request_field_values(exchange, KnownName.X_FORWARDED_FOR) == [b"b", b"e, f"]
    assert lab.wire.request_field_values(exchange, KnownName.FORWARDED) == []
    assert not lab.wire.is_secured(exchange)
    nothing(lab.wire.step())
    assert lab.wire.request_field_values(exchange, KnownName.X_FORWARDED_FOR) == []


# ---- room ----


async def test_who_waits_for_room_is_told(lab: Lab) -> None:
    wire, told = lab.wire, trio.Event()
    assert wire.want_room(lab.connection) == 1
    assert wire.want_room(99) == WireResult.NO_CONNECTION
    while wire.unsent[slot_of(lab.connection)] < 400_000:
        assert wire.frame(lab.connection, FrameType.DATA, 0, 1, bytes(65_536)) == WireResult.OK
        wire.flush()
    assert wire.want_room(lab.connection) == 0

    def decide(events: Iterator[Event]) -> None:
        for event in events:
            assert event[1:3] == (lab.connection, EventKind.FRAMED_ROOM)
            told.set()

    async def read() -> None:
        sock = trio.socket.from_stdlib_socket(lab.service)
        while not told.is_set():
            await sock.recv(1 << 20)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run, decide)
        nursery.start_soon(read)
        with trio.fail_after(WAIT_S):
            await told.wait()
        assert wire.want_room(lab.connection) == 1
        nursery.cancel_scope.cancel()


# ---- the end ----


def test_every_call_is_safe_after_the_end(lab: Lab) -> None:
    exchange = lab.in_stream()
    wire = lab.wire
    wire.close_all()
    assert wire.hand_over(exchange) is None
    assert wire.hand_back(exchange, HandBack.KEEP, GET) == WireResult.NO_EXCHANGE
    assert wire.hand_in(exchange, b"", 0, 1) == WireResult.NO_EXCHANGE
    assert lab.open(exchange) == WireResult.NO_EXCHANGE
    assert wire.want_room(lab.connection) == WireResult.NO_CONNECTION
    assert wire.answer_head(exchange, 200, b"", 0, close=True) == b""
    assert wire.response_head(exchange, 16, 4, Framing.NONE, close=True) == WireResult.NO_EXCHANGE
    assert wire.trailers(16, 4) == WireResult.INVALID
    assert wire.request_head(exchange) is None
    assert wire.request_fields(exchange) == NONE
    assert wire.request_body(exchange) == b""
    assert wire.client_address(exchange) == ""
    assert wire.age_ms(exchange) < 0
    assert wire.counters()["handed_over_now"] == 0
    assert has_ended(lab.client)
