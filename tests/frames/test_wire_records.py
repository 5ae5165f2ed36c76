"""Records of exchanges that have ended, and figures of batches, as Python reads them. C tests say what is recorded."""

import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from wire_support import nothing, pair

from frames.codec import encode_frame
from frames.fields import encode_response
from frames.frame import END, FieldId, FrameType, Method
from frames.records import COARSE_COUNTS, AttemptRecord, RecordFlag, RecordRing
from frames.wire import Wire
from frames.wire_values import SocketKind, WireSettings, make_identity

GET = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n"
ROUTE, GAUGE = 1, 5
ROOM = 4


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

    def answer(self, status: int = 404, *, request_id: bytes = b"") -> None:
        exchange = self.ask()
        if request_id:
            self.wire.set_context(exchange, FieldId.REQUEST_ID, request_id)
        self.wire.answer(exchange, status, b"", b"", False)
        self.client.recv(1_000)

    def serve(self) -> None:
        exchange = self.ask()
        identity = make_identity(b"alice", b"", drops_credentials=False)
        self.wire.send(exchange, self.connection, ROUTE, 7, GAUGE, 0, 60_000, 0, identity)
        self.wire.flush()
        self.service.send(encode_frame(FrameType.RESPONSE, END, exchange, encode_response(200, [], b"hi")))
        nothing(self.wire.step(1_000))
        self.wire.flush()


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(
        WireSettings(
            edge_connections_max=2,
            framed_connections_max=2,
            exchanges_max=4,
            routes_max=2,
            measures=1,
            recent_records=ROOM,
            notable_records=ROOM,
            watched_records=ROOM,
        )
    )
    near, client = pair()
    wire.adopt(near, SocketKind.EDGE)
    near, service = pair()
    connection = wire.adopt(near, SocketKind.FRAMED)
    yield Lab(wire, client, service, connection)
    wire.close_all()
    client.close()
    service.close()


def test_a_record(lab: Lab) -> None:
    lab.serve()
    ((record,), missed) = lab.wire.records(RecordRing.RECENT, 0)
    assert missed == 0
    assert (record.sequence, record.status, record.reason, record.route, record.method) == (
        1,
        200,
        0,
        ROUTE,
        Method.GET,
    )
    assert (record.target, record.principal, record.tenant, record.client) == (b"/a?b=c", b"alice", b"", "")
    assert record.flags == RecordFlag(0)
    assert not record.is_logged
    assert not record.is_sampled
    assert 0 <= record.sent_us <= record.answered_us <= record.ended_us < 60_000_000
    assert record.upstream_us <= record.ended_us
    assert abs(record.started_us / 1e6 - time.monotonic()) < 60
    assert abs(record.started_unix_us / 1e6 - time.time()) < 60
    assert (len(record.trace_id), len(record.span_id), record.parent_span) == (16, 8, b"")
    assert record.request_id == record.correlation_id == record.trace_id.hex().encode()
    assert record.bytes_in == len(GET)
    (attempt,) = record.attempts
    assert attempt == AttemptRecord(
        1, lab.connection, GAUGE, attempt.began_us, attempt.took_us, 200, False, attempt.span_id
    )
    assert attempt.span_id[:7] == record.span_id[:7]
    assert attempt.span_id[7] == record.span_id[7] ^ 1


def test_nothing_was_sent(lab: Lab) -> None:
    exchange = lab.ask()
    lab.wire.record_reason(exchange, 12)
    lab.wire.answer(exchange, 404, b"", b"", False)
    ((record,), _) = lab.wire.records(RecordRing.RECENT, 0)
    assert (record.sent_us, record.answered_us, record.route, record.reason) == (-1, -1, -1, 12)
    assert record.attempts == ()


def test_who_is_too_slow_is_told_how_many_are_gone(lab: Lab) -> None:
    assert lab.wire.records(RecordRing.RECENT, 0) == ([], 0)
    for _ in range(ROOM + 2):
        lab.answer()
    assert lab.wire.record_sequence(RecordRing.RECENT) == ROOM + 2
    records, missed = lab.wire.records(RecordRing.RECENT, 1, limit=2)
    assert ([record.sequence for record in records], missed) == ([3, 4], 1)
    records, missed = lab.wire.records(RecordRing.RECENT, 4)
    assert ([record.sequence for record in records], missed) == ([5, 6], 0)
    assert lab.wire.records(RecordRing.RECENT, 6) == ([], 0)


def test_finding_one(lab: Lab) -> None:
    lab.answer(404, request_id=b"mine")
    lab.answer(500, request_id=b"mine too")
    lab.answer(500, request_id=b"mine")
    (newest, oldest) = lab.wire.find_records(b"mine")
    assert (newest.status, oldest.status) == (500, 404)
    assert lab.wire.find_records(b"mine", limit=1) == [newest]
    assert lab.wire.find_records(b"min") == []
    assert lab.wire.find_records(b"") == []
    assert lab.wire.find_records(b"z" * 32) == []
    assert [record.status for record in lab.wire.find_records(oldest.trace_id.hex().encode())] == [404]
    assert [record.status for record in lab.wire.find_records(b"mine too")] == [500]


def test_what_is_watched(lab: Lab) -> None:
    lab.answer()
    lab.wire.watch_records(1.0, sampled=False)
    lab.answer()
    ((record,), _) = lab.wire.records(RecordRing.WATCHED, 0)
    assert record.is_logged
    lab.wire.watch_records(0.0, sampled=True)
    lab.wire.sample_traces(1.0, own_spans=True)
    lab.answer()
    ((record,), _) = lab.wire.records(RecordRing.WATCHED, 1)
    assert record.is_sampled
    assert record.trace_flags == 1
    lab.wire.watch_records(0.0, sampled=False)
    lab.answer()
    assert lab.wire.record_sequence(RecordRing.WATCHED) == 2


def test_figures(lab: Lab) -> None:
    lab.serve()
    assert sum(lab.wire.route_totals(ROUTE)) == sum(lab.wire.route_gateway(ROUTE)) == 1
    assert len(lab.wire.route_gateway(ROUTE)) == COARSE_COUNTS
    assert lab.wire.route_totals(0) == lab.wire.route_gateway(0) == ()
    assert lab.wire.instance_statuses(lab.connection) == (0, 0, 1, 0, 0, 0)
    assert sum(lab.wire.instance_latency(lab.connection)) == 1
    assert lab.wire.instance_statuses(lab.connection + 4_096) == ()
    turns = lab.wire.turns()
    assert sum(turns.turn_us) == sum(turns.batch_requests) == 2
    assert turns.batch_requests[1] == 1
    assert turns.turn_sum_us >= turns.turn_max_us
    assert (sum(turns.away_us), turns.away_sum_us) == (0, 0)


def test_a_wire_that_measures_nothing() -> None:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=4, routes_max=2))
    near, client = pair()
    wire.adopt(near, SocketKind.EDGE)
    near, service = pair()
    lab = Lab(wire, client, service, wire.adopt(near, SocketKind.FRAMED))
    lab.wire.watch_records(1.0, sampled=True)
    lab.serve()
    assert client.recv(1_000).endswith(b"hi")
    assert wire.records(RecordRing.WATCHED, 0) == ([], 0)
    assert wire.find_records(b"mine") == []
    assert wire.route_totals(ROUTE) == wire.instance_statuses(lab.connection) == ()
    assert sum(wire.route_latency(ROUTE)) == 1
    wire.close_all()
    client.close()
    service.close()
