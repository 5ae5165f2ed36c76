"""The express lane: what comes in, and what is asked of the wire for it. The wire is a fake that keeps a transcript."""

import logging
from typing import Any

import msgspec
import pytest
from request_fields import Fields

from frames.frame import CancelReason, FieldId, Method, RefusedReason
from frames.wire_values import ANSWERED_HELD, EXPIRED_EARLY, LOST_UNSENT, Event, WireResult
from proxy.edge.express import ExpressLane
from proxy.edge.faults import RESPONSE_FAULTS
from proxy.errors import DEADLINE, NO_INSTANCE, NO_ROUTE, REASON_NUMBERS
from proxy.request.ended import GONE, Ended
from proxy.request.exchange import Exchange
from proxy.request.failure import Failure, FailureKind
from proxy.request.reason_counts import ReasonCounts
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, Stage, without_flags, without_odd
from proxy.route.table import Route, RouteTable

OK, NO_EXCHANGE = 0, -1
SNAPSHOT = Snapshot(RouteTable(), Limits())


def event(connection: int = 3, *, detail: int = 0, flags: int = 0, a: int = 0, payload: bytes = b"") -> Event:
    """An event about exchange 7; what came is at the arena's beginning."""
    return 7, connection, 0, detail, flags, 0, len(payload), a, 0, 0, 0


class FakePort(Fields):
    """Answers and cancels what is known, as the wire does: each exchange can be answered once."""

    def __init__(self, *exchanges: int) -> None:
        super().__init__()
        self.undecided = set(exchanges)
        self.calls: list[tuple[Any, ...]] = []
        self.bodies: list[dict[str, Any]] = []
        self.lines = b""
        self.arena = b""
        self.passes = OK
        self.recorded = (0, 0)
        self.routes: dict[int, int] = {}

    def pass_on(self, exchange: int, payload: bytes) -> int:
        self.calls.append(("pass on", exchange, payload))
        return self.passes

    def answer(self, exchange: int, status: int, lines: bytes, body: bytes, close: bool) -> int:
        self.calls.append(("answer", exchange, status, close))
        self.bodies.append(msgspec.json.decode(body))
        self.lines = lines
        if exchange not in self.undecided:
            return NO_EXCHANGE
        self.undecided.remove(exchange)
        return OK

    def record_reason(self, exchange: int, reason: int, route: int = -1) -> None:
        self.recorded = (exchange, reason) if reason else self.recorded
        if route >= 0:
            self.routes[exchange] = route

    def record_route(self, exchange: int) -> int:
        return self.routes.get(exchange, -1)

    def cancel(self, exchange: int, reason: int) -> int:
        self.calls.append(("cancel", exchange, CancelReason(reason).name))
        return OK

    def context(self, exchange: int, field: FieldId) -> bytes:
        ids = {FieldId.REQUEST_ID: b"r-%d", FieldId.CORRELATION_ID: b"c-%d", FieldId.TRACE: b"\xab%d"}
        return ids[field] % exchange if field in ids else b""


IDS = ("r-7", "c-7", "ab37")
"""Of exchange 7: its request, correlation and trace id."""


def ids_of(record: Any) -> tuple[str, str, str]:
    return record.request_id, record.correlation_id, record.trace_id


class Bench:
    """A lane over a fake wire on which exchange 7 waits for a decision."""

    def __init__(self, *stages: Stage, reason_header: bool = False) -> None:
        self.port = FakePort(7)
        self.counts = ReasonCounts()
        route = Route(0, Method.GET, "/a", stages=stages)
        route.usual_stages, route.plain_stages = without_odd(stages), without_flags(stages)

        def match(exchange: Exchange) -> None:
            exchange.route = route

        self.lane = ExpressLane(
            self.port,
            (match,),
            SNAPSHOT,
            self.counts,
            name_of=lambda connection: f"service {connection}",
            reason_header=reason_header,
        )

    @property
    def counted(self) -> dict[str, int]:
        return {code: count for code, count in self.counts.items() if count}


def test_stages_run_in_order_and_the_last_one_sends() -> None:
    ran: list[tuple[Any, ...]] = []

    def first(exchange: Exchange) -> None:
        ran.append(("first", exchange.id, exchange.method, exchange.flags, exchange.path, exchange.snapshot))

    def send(exchange: Exchange) -> None:
        ran.append(("send", exchange.id))

    bench = Bench(first, send)
    bench.lane.begin(7, Method.GET, 5, b"/a")
    assert ran == [("first", 7, Method.GET, 5, b"/a", SNAPSHOT), ("send", 7)]
    assert bench.port.calls == []
    assert bench.counted == {}


def test_the_first_answer_ends_the_run() -> None:
    def refuse(exchange: Exchange) -> Answer:
        return Answer(NO_ROUTE)

    def never(exchange: Exchange) -> None:
        raise AssertionError

    bench = Bench(refuse, never)
    bench.lane.begin(7, Method.GET, 0, b"/a")
    assert bench.port.calls == [("answer", 7, 404, False)]
    assert bench.counted == {"no_route": 1}
    assert bench.port.recorded == (7, REASON_NUMBERS[NO_ROUTE.code])
    assert bench.counts.of_route(0) == {"no_route": 1}


def test_what_is_refused_before_its_route_is_known_is_nobodys() -> None:
    bench = Bench()
    bench.lane.swap((lambda _: Answer(NO_ROUTE),), SNAPSHOT)
    bench.lane.begin(7, Method.GET, 0, b"/a")
    assert bench.counted == {"no_route": 1}
    assert bench.counts.of_route(0) == {}


def test_an_answer_carries_the_ids_the_detail_and_more_headers() -> None:
    bench = Bench(lambda _: Answer(NO_INSTANCE, "Of this occurrence.", ((b"x-a", b"1"),), retry_after_s=9))
    bench.lane.begin(7, Method.GET, 0, b"/a")
    (body,) = bench.port.bodies
    assert (body["reason"], body["status"], body["detail"]) == ("no_instance", 503, "Of this occurrence.")
    assert (body["request_id"], body["correlation_id"]) == ("r-7", "c-7")
    assert b"retry-after: 9\r\n" in bench.port.lines
    assert b"x-a: 1\r\n" in bench.port.lines
    assert b"x-penstock-reason" not in bench.port.lines


def test_the_reason_is_told_in_a_header_where_that_is_wanted() -> None:
    bench = Bench(reason_header=True)
    bench.lane.lost(event())
    assert b"x-penstock-reason: service_lost\r\n" in bench.port.lines


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_stage_that_raises(caplog: pytest.LogCaptureFixture, is_sent: bool) -> None:
    def fail(exchange: Exchange) -> None:
        if is_sent:
            bench.port.undecided.clear()
        raise LookupError("s3cret")

    bench = Bench(fail)
    bench.lane.begin(7, Method.GET, 0, b"/a")
    assert bench.port.calls == [("answer", 7, 500, False)]
    assert "s3cret" not in str(bench.port.bodies)
    assert bench.counted == ({} if is_sent else {"internal": 1})
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "b'/a'" in record.getMessage()
    assert ids_of(record) == IDS


def test_a_stage_that_raises_for_every_request_is_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    def fail(exchange: Exchange) -> None:
        raise LookupError

    bench = Bench(fail)
    bench.port.undecided = set(range(100))
    for exchange in range(100):
        bench.lane.begin(exchange, Method.GET, 0, b"/a")
    assert bench.counted == {"internal": 100}
    assert len(caplog.records) == 1


def test_an_answer_that_cannot_be_made_becomes_a_500(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lambda _: Answer(NO_ROUTE, headers=((b"x-a", b"1\r\nx-b: 2"),)))
    bench.lane.begin(7, Method.GET, 0, b"/a")
    assert bench.port.calls == [("answer", 7, 500, False)]
    assert bench.counted == {"internal": 1}
    assert caplog.records


def test_each_request_sees_the_snapshot_of_its_time() -> None:
    seen = []
    bench = Bench(lambda exchange: seen.append(exchange.snapshot.revision))
    bench.lane.begin(1, Method.GET, 0, b"/")
    bench.lane.snapshot = Snapshot(RouteTable(), Limits(), 2)
    bench.lane.begin(2, Method.GET, 0, b"/")
    assert seen == [0, 2]


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        (1, 400, "bad_method"),
        (11, 431, "head_too_large"),
        (15, 505, "unsupported_version"),
        (32, 408, "head_timeout"),
        (33, 408, "body_timeout"),
        (34, 400, "not_http"),
        (64, 501, "method_not_implemented"),
        (66, 400, "bad_path"),
        (60_000, 500, "internal"),
    ],
)
def test_a_request_that_cannot_be_carried(verdict: int, status: int, reason: str) -> None:
    bench = Bench()
    bench.lane.refuse(7, verdict)
    assert bench.port.calls == [("answer", 7, status, reason != "internal")]
    assert bench.counted == {reason: 1}


def test_a_client_that_is_gone_is_not_answered() -> None:
    bench = Bench()
    bench.lane.client_gone(7)
    assert bench.port.calls == [("cancel", 7, "CLIENT_GONE")]
    assert bench.counted == {"client_gone": 1}


def test_the_deadline() -> None:
    bench = Bench()
    bench.lane.expired(event())
    assert bench.port.calls == [("cancel", 7, "DEADLINE"), ("answer", 7, 504, False)]
    assert bench.counted == {"deadline": 1}


def test_the_connection_is_lost() -> None:
    bench = Bench()
    bench.lane.lost(event())
    assert bench.port.calls == [("answer", 7, 502, False)]
    assert bench.counted == {"service_lost": 1}


@pytest.mark.parametrize(
    ("reason", "after_ms", "status", "counted", "line"),
    [
        (RefusedReason.OVERLOADED, 0, 503, "service_overloaded", b"retry-after: 1\r\n"),
        (RefusedReason.OVERLOADED, 1, 503, "service_overloaded", b"retry-after: 1\r\n"),
        (RefusedReason.OVERLOADED, 1_000, 503, "service_overloaded", b"retry-after: 1\r\n"),
        (RefusedReason.DRAINING, 1_001, 503, "service_draining", b"retry-after: 2\r\n"),
        (RefusedReason.UNKNOWN_ENDPOINT, 0, 502, "service_endpoint_unknown", b""),
        (RefusedReason.UNSUPPORTED_FEATURE, 0, 502, "service_feature_unsupported", b""),
        (200, 0, 503, "service_overloaded", b"retry-after: 1\r\n"),
    ],
)
def test_a_refusal(reason: int, after_ms: int, status: int, counted: str, line: bytes) -> None:
    bench = Bench()
    bench.lane.refused(event(detail=reason, a=after_ms))
    assert bench.port.calls == [("answer", 7, status, False)]
    assert bench.counted == {counted: 1}
    assert line in bench.port.lines
    assert bool(line) == (b"retry-after" in bench.port.lines)


@pytest.mark.parametrize("detail", [*RESPONSE_FAULTS, 99])
def test_a_bad_response_is_told_of_with_who_and_why(caplog: pytest.LogCaptureFixture, detail: int) -> None:
    bench = Bench()
    bench.lane.bad_response(event(detail=detail))
    assert bench.port.calls == [("cancel", 7, "BAD_RESPONSE"), ("answer", 7, 502, False)]
    assert bench.counted == {"bad_response": 1}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "service 3" in record.getMessage()
    assert RESPONSE_FAULTS.get(detail, "unknown cause") in record.getMessage()
    assert ids_of(record) == IDS


def test_bad_responses_of_each_service_are_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for connection in (1, 2):
        for _ in range(50):
            bench.lane.bad_response(event(connection, detail=3))
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "end",
    [
        lambda lane: lane.expired(event()),
        lambda lane: lane.lost(event()),
        lambda lane: lane.refused(event(detail=1)),
        lambda lane: lane.bad_response(event(detail=1)),
        lambda lane: lane.refuse(7, 1),
    ],
    ids=["expired", "lost", "refused", "bad response", "bad request"],
)
def test_an_exchange_that_is_over_is_not_counted_again(end: Any) -> None:
    bench = Bench()
    bench.port.undecided.clear()
    end(bench.lane)
    assert bench.counted == {}


# ---- what fails is judged before it is told ----


class FakeAttempts:
    """Sends again, or does not, as the test wants; keeps what it was told."""

    def __init__(self) -> None:
        self.sends = True
        self.waiting: tuple[int, ...] = (9,)
        self.told: list[tuple[Any, ...]] = []

    def failed(self, exchange: int, connection: int, failure: Failure) -> Failure | None:
        self.told.append((exchange, connection, failure))
        return None if self.sends else failure

    def early(self, exchange: int, connection: int) -> Failure | None:
        self.told.append((exchange, connection, "early"))
        return None if self.sends else Failure(FailureKind.SLOW, Answer(DEADLINE), cancel=CancelReason.DEADLINE)

    def answered(self, exchange: int, status: int, /) -> None:
        self.forget(exchange)

    def forget(self, exchange: int) -> None:
        self.told.append((exchange, "forget"))


def bench_that_sends_again(*, sends: bool = True) -> tuple[Bench, FakeAttempts]:
    bench, attempts = Bench(), FakeAttempts()
    attempts.sends = sends
    bench.lane.make_attempts = lambda: attempts
    return bench, attempts


FAILURES = [
    pytest.param(lambda lane: lane.lost(event()), FailureKind.LOST, True, [("answer", 7, 502, False)], id="lost"),
    pytest.param(
        lambda lane: lane.lost(event(flags=LOST_UNSENT)),
        FailureKind.LOST,
        False,
        [("answer", 7, 502, False)],
        id="lost before it was sent",
    ),
    pytest.param(
        lambda lane: lane.refused(event(detail=1, a=20)),
        FailureKind.REFUSED,
        False,
        [("answer", 7, 503, False)],
        id="refused",
    ),
    pytest.param(
        lambda lane: lane.bad_response(event(detail=1)),
        FailureKind.BAD,
        True,
        [("cancel", 7, "BAD_RESPONSE"), ("answer", 7, 502, False)],
        id="bad response",
    ),
]


@pytest.mark.parametrize(("happens", "kind", "is_started", "calls"), FAILURES)
def test_a_failure_is_told_only_when_it_is_not_sent_again(
    happens: Any, kind: FailureKind, is_started: bool, calls: list[Any]
) -> None:
    bench, attempts = bench_that_sends_again()
    happens(bench.lane)
    ((exchange, connection, failure),) = attempts.told
    assert (exchange, connection, failure.kind, failure.is_started) == (7, 3, kind, is_started)
    assert bench.port.calls == []
    bench, _ = bench_that_sends_again(sends=False)
    happens(bench.lane)
    assert bench.port.calls == calls


def test_an_answer_that_was_held_is_passed_on_when_it_is_not_sent_again() -> None:
    bench, attempts = bench_that_sends_again()
    bench.port.arena = b"payload"
    held = event(detail=503, flags=ANSWERED_HELD, payload=b"payload")
    bench.lane.answered(held)
    (told,) = attempts.told
    assert (told[2].kind, told[2].status, told[2].payload) == (FailureKind.ANSWERED, 503, b"payload")
    assert bench.port.calls == []
    attempts.sends = False
    bench.lane.answered(held)
    assert bench.port.calls == [("pass on", 7, b"payload")]
    assert bench.counted == {}


def test_an_answer_that_was_held_and_makes_none_is_a_bad_response() -> None:
    bench, _ = bench_that_sends_again(sends=False)
    bench.port.arena, bench.port.passes = b"payload", WireResult.INVALID
    bench.lane.answered(event(detail=503, flags=ANSWERED_HELD, payload=b"payload"))
    assert bench.port.calls == [("pass on", 7, b"payload"), ("answer", 7, 502, False)]
    assert bench.counted == {"bad_response": 1}


def test_what_is_over_is_forgotten() -> None:
    ends: list[Any] = [
        lambda lane: lane.answered(event(detail=200)),
        lambda lane: lane.expired(event()),
        lambda lane: lane.client_gone(7),
        lambda lane: lane.shut_down(7),
        lambda lane: lane.give_up(7),
    ]
    for end in ends:
        bench, attempts = bench_that_sends_again()
        end(bench.lane)
        assert attempts.told == []  # nothing had failed: nothing was made
        bench.lane.attempts()
        end(bench.lane)
        assert attempts.told == [(7, "forget")]


def test_the_time_of_an_attempt_is_not_the_deadline() -> None:
    bench, attempts = bench_that_sends_again()
    bench.lane.expired(event(flags=EXPIRED_EARLY))
    assert attempts.told == [(7, 3, "early")]
    assert bench.port.calls == []
    attempts.sends = False
    bench.lane.expired(event(flags=EXPIRED_EARLY))
    assert bench.port.calls == [("cancel", 7, "DEADLINE"), ("answer", 7, 504, False)]


def test_who_drains_asks_which_exchanges_wait_to_be_sent_again() -> None:
    bench, _ = bench_that_sends_again()
    assert not bench.lane.waiting
    bench.lane.attempts()
    assert bench.lane.waiting == (9,)


def test_where_nothing_is_sent_again_an_attempt_goes_on_to_its_deadline() -> None:
    bench = Bench()
    bench.lane.expired(event(flags=EXPIRED_EARLY))
    assert bench.port.calls == []


# ---- who is told of the end ----


def ended_by(end: Any, *, exchanges: tuple[int, ...] = (7,)) -> list[Ended]:
    """What somebody is told who wants to know how exchange 7 ends."""
    bench, told = Bench(), list[Ended]()
    bench.port.undecided = set(exchanges)
    bench.port.arena = b"payload"
    bench.lane.endings[7] = told.append
    end(bench.lane)
    assert bench.lane.endings == {}
    end(bench.lane)
    return told


def test_who_wants_to_know_is_told_once_of_a_services_answer() -> None:
    assert ended_by(lambda lane: lane.answered(event(detail=201, payload=b"payload"))) == [Ended(201, b"payload")]


def test_who_wants_to_know_is_told_once_of_an_answer_that_was_held() -> None:
    held = event(detail=503, flags=ANSWERED_HELD, payload=b"payload")
    assert ended_by(lambda lane: lane.answered(held)) == [Ended(503, b"payload")]


def test_who_wants_to_know_is_told_once_of_an_answer_of_ours() -> None:
    assert ended_by(lambda lane: lane.expired(event())) == [Ended(answer=Answer(DEADLINE))]


@pytest.mark.parametrize(("flags", "is_unstarted"), [(0, False), (LOST_UNSENT, True)])
def test_who_wants_to_know_is_told_whether_a_service_may_have_begun(flags: int, is_unstarted: bool) -> None:
    (told,) = ended_by(lambda lane: lane.lost(event(flags=flags)))
    assert told.is_unstarted is is_unstarted


def test_who_wants_to_know_is_told_once_that_the_client_has_left() -> None:
    assert ended_by(lambda lane: lane.client_gone(7)) == [GONE]


def test_while_it_is_sent_again_nothing_has_ended() -> None:
    bench, _ = bench_that_sends_again()
    told: list[Ended] = []
    bench.lane.endings[7] = told.append
    bench.lane.lost(event())
    assert told == []
