"""Exchanges that no client has asked, and calls that a service makes. Their bytes are tested in C."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from wire_support import nothing, pair

from frames.codec import encode_frame, scan
from frames.fields import decode_fields, encode_request, encode_response
from frames.fixed import encode_cancel
from frames.frame import END, CancelReason, FieldId, FrameType, Method
from frames.limits import FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES
from frames.wire import Wire
from frames.wire_values import Event, EventKind, ForwardedFields, SocketKind, WireResult, WireSettings, make_identity

NONE = ForwardedFields(0, b"")


class Lab(NamedTuple):
    """A wire with one service, driven by hand."""

    wire: Wire
    service: socket.socket
    connection: int

    def open(self, exchange: int) -> int:
        """Open it with an identity, as the call of a service is."""
        identity = make_identity(b"service:billing", b"{}", drops_credentials=True)
        return self.wire.open(
            exchange, self.connection, 0, 7, 1_000, b"/stock/7", NONE, b"body", end=True, identity=identity
        )

    def event(self) -> Event:
        (event,) = self.wire.step(1_000)
        return event


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=2, routes_max=1))
    near, far = pair()
    yield Lab(wire, far, wire.adopt(near, SocketKind.FRAMED))
    wire.close_all()
    far.close()


def test_an_exchange_of_the_gateways_own(lab: Lab) -> None:
    exchange = lab.wire.begin(Method.POST)
    assert exchange > 0
    assert lab.wire.set_context(exchange, FieldId.TENANT, b"acme") == WireResult.OK
    nothing(lab.wire.step())
    assert lab.wire.set_context(exchange, FieldId.CORRELATION_ID, b"c-1") == WireResult.OK
    assert lab.open(exchange) == WireResult.OK
    lab.wire.flush()
    found = scan(lab.service.recv(1 << 16))
    (frame,) = found.frames
    assert (frame.type, frame.flags, frame.exchange, frame.method) == (FrameType.REQUEST, END, exchange, Method.POST)
    sent = {field_id: value for field_id, _, value in found.fields(frame)}
    assert sent.keys() == {1, 2, 3, 4, 6, 7}
    assert (sent[1], sent[2], sent[6], sent[7]) == (b"acme", b"c-1", b"service:billing", b"{}")
    lab.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(200, body=b"seven")))
    answered, connection, kind, detail, flags, at, count, status, body_bytes, *_ = lab.event()
    assert (answered, connection, kind, detail) == (exchange, lab.connection, EventKind.STREAM, FrameType.RESPONSE)
    assert (flags, status) == (END, 200)
    assert lab.wire.arena[at + count - body_bytes : at + count] == b"seven"
    assert lab.wire.end(exchange) == WireResult.OK
    assert lab.wire.end(exchange) == WireResult.NO_EXCHANGE
    assert (lab.wire.counters()["begun"], lab.wire.counters()["exchanges_now"]) == (1, 0)


def test_one_that_is_taken_back(lab: Lab) -> None:
    exchange = lab.wire.begin(Method.GET)
    assert lab.open(exchange) == WireResult.OK
    assert lab.wire.cancel(exchange, CancelReason.DEADLINE) == WireResult.OK
    lab.wire.flush()
    cancel = scan(lab.service.recv(1 << 16)).frames[1]
    assert (cancel.type, cancel.exchange) == (FrameType.CANCEL, exchange)
    assert lab.wire.end(exchange) == WireResult.OK


def test_no_room_and_no_such_method(lab: Lab) -> None:
    assert lab.wire.begin(0) == 0
    assert lab.wire.begin(8) == 0
    assert lab.wire.begin(Method.GET) > 0
    assert lab.wire.begin(Method.GET) > 0
    assert lab.wire.begin(Method.GET) == 0


def test_a_call_of_a_service_is_told_whole(lab: Lab) -> None:
    fields = [(FieldId.TENANT, b"", b"acme"), (FieldId.SERVICE, b"", b"inventory"), (0, b"accept", b"a")]
    payload = encode_request(900, 0, Method.GET, b"/stock/7?a", fields, b"body", attempt=2)
    called = (1 << 63) | 5
    lab.service.send(encode_frame(FrameType.REQUEST, END, called, payload))
    exchange, connection, kind, endpoint, flags, at, count, remaining_ms, target, target_bytes, body_bytes = lab.event()
    assert (exchange, connection, kind, endpoint, remaining_ms) == (called, lab.connection, EventKind.CALL, 0, 900)
    assert flags == Method.GET | 2 << 8 | END << 16
    assert lab.wire.arena[target : target + target_bytes] == b"/stock/7?a"
    assert lab.wire.arena[at + count - body_bytes : at + count] == b"body"
    came = lab.wire.arena[at : at + count]
    assert came == payload
    field_count = int.from_bytes(came[10:12])
    text_at = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * field_count + target_bytes
    assert decode_fields(came, REQUEST_FIXED_BYTES, field_count, text_at) == fields
    assert lab.wire.frame(connection, FrameType.RESPONSE, END, exchange, encode_response(404)) == WireResult.OK
    lab.wire.flush()
    (answer,) = scan(lab.service.recv(1 << 16)).frames
    assert (answer.type, answer.exchange, answer.status) == (FrameType.RESPONSE, called, 404)
    lab.service.send(encode_frame(FrameType.CANCEL, 0, called, encode_cancel(CancelReason.DEADLINE)))
    event = lab.event()
    assert (event[0], event[2], event[3]) == (called, EventKind.FRAME, FrameType.CANCEL)
