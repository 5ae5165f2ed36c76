"""The transport between a wire and the registry: what comes, what goes out, who is closed. The wire is a fake."""

import logging
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from frames.errors import GreetingError
from frames.fixed import (
    decode_fault,
    decode_goaway,
    decode_heartbeat,
    decode_refused,
    encode_cancel,
    encode_credit,
    encode_fault,
    encode_goaway,
    encode_heartbeat,
)
from frames.frame import (
    DIALLED,
    END,
    CancelReason,
    FaultCode,
    FrameErrorCode,
    FrameType,
    GoawayReason,
    HealthStatus,
    RefusedReason,
)
from frames.greeting import EndpointOffer, Hello, decode_welcome, encode_hello, endpoints_digest
from frames.wire_values import CloseCause
from proxy.targets.allow import Admission, AllowList
from proxy.targets.instance import Change
from proxy.targets.registry import Registry
from proxy.transport.framed import FramedTransport
from proxy.transport.link import Link
from proxy.transport.lists import KnownLists
from proxy.transport.port import FramedSettings
from proxy.transport.ticks import TICK_S, run_ticks

PROOF = "correct-horse-battery-staple"
HELLO = Hello(
    protocol=1,
    features=(),
    token=PROOF,
    service="billing",
    version="1.4.0",
    instance="b1",
    heartbeat_ms=5000,
    credit_bytes=0,
    endpoints=(EndpointOffer(id=1, method="GET", path="/invoices"),),
)
OK, NO_CONNECTION, FULL = 0, -2, -3


class FakePort:
    """Keeps what was written as a transcript: (connection, what)."""

    def __init__(self) -> None:
        self.written: list[tuple[int, str]] = []
        self.payloads: list[bytes] = []
        self.exchanges: list[int] = []
        self.full: set[int] = set()
        self.gone: set[int] = set()
        self.flushes = 0
        self.heard: dict[int, int] = {}

    def frames_heard(self, connection: int, /) -> int:
        return self.heard.get(connection, 0)

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes, /) -> int:
        if connection in self.gone | self.full:
            return NO_CONNECTION if connection in self.gone else FULL
        assert flags == 0
        assert (exchange != 0) is (frame_type == FrameType.REFUSED)
        self.written.append((connection, FrameType(frame_type).name))
        self.payloads.append(payload)
        self.exchanges.append(exchange)
        return OK

    def close(self, connection: int, /) -> int:
        self.written.append((connection, "close"))
        return OK

    def peer(self, connection: int, /) -> str:
        return f"127.0.0.1:{connection}"

    def flush_soon(self) -> None:
        self.flushes += 1

    def take(self) -> list[tuple[int, str]]:
        written, self.written = self.written, []
        return written


class FakeCalls:
    """Carries no call, but writes down what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[object, ...]] = []

    def call(self, connection: int, exchange: int, flags: int, payload: bytes, /) -> None:
        self.taken.append(("call", connection, exchange, flags, payload))

    def cancel(self, connection: int, exchange: int, /) -> None:
        self.taken.append(("cancel", connection, exchange))

    def lost(self, connection: int, /) -> None:
        self.taken.append(("lost", connection))


class Bench:
    """A transport with all that belongs to it, and a clock that only moves when it is told to."""

    def __init__(
        self, allow: AllowList | Admission | None = None, calls: FakeCalls | None = None, **settings: Any
    ) -> None:
        self.now = 0.0
        self.port = FakePort()
        self.registry = Registry()
        self.changes: list[Change] = []
        self.transport = FramedTransport[Change](
            self.port,
            self.registry,
            FramedSettings(gateway="gw-1", **settings),
            check=(allow or AllowList()).check,
            on_change=self.changes.append,
            calls=calls,
            clock=lambda: self.now,
        )

    def pass_time(self, seconds: float) -> None:
        """Tick on, as often as it is done for real."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + TICK_S)
            self.transport.tick(self.now)

    def come(self, connection: int, frame_type: int, payload: bytes = b"", exchange: int = 0) -> None:
        self.transport.frame(connection, exchange, frame_type, 0, payload)

    def join(self, connection: int, hello: Hello = HELLO) -> None:
        """Connect and greet."""
        self.transport.opened(connection)
        self.come(connection, FrameType.HELLO, encode_hello(hello))

    def beat(self, connection: int, status: HealthStatus = HealthStatus.HEALTHY) -> None:
        self.come(connection, FrameType.HEARTBEAT, encode_heartbeat(status))

    @property
    def targets(self) -> list[int]:
        return [offer.connection for route in self.registry.routes.values() for offer in route.offers]

    def fault(self) -> tuple[FaultCode, str]:
        """The FAULT that was written last."""
        fault = decode_fault(self.port.payloads[-1])
        return FaultCode(fault.code), fault.text


TURNED_AWAY = [(5, "FAULT"), (5, "close")]


# Greeting.


def test_hello_is_answered_with_welcome_and_the_service_is_there() -> None:
    bench = Bench(heartbeat_s=2.5, credit_bytes=1000)
    bench.join(5)
    assert bench.port.take() == [(5, "WELCOME")]
    welcome = decode_welcome(bench.port.payloads[0])
    assert (welcome.gateway, welcome.heartbeat_ms, welcome.credit_bytes) == ("gw-1", 2500, 1000)
    assert welcome.features == ("streams", "digest")
    assert FramedSettings(gateway="gw-1").credit_bytes == 131_072
    assert bench.targets == [5]
    assert [change.is_routes for change in bench.changes] == [True]


def test_hello_again_is_answered_and_replaces() -> None:
    bench = Bench()
    bench.join(5)
    bench.come(5, FrameType.HELLO, encode_hello(replace(HELLO, endpoints=())))
    assert bench.port.take() == [(5, "WELCOME"), (5, "WELCOME")]
    assert bench.targets == []
    assert len(bench.registry.instances) == 1


def test_the_same_hello_again_is_welcomed_and_changes_nothing() -> None:
    bench = Bench()
    bench.join(5)
    routes = bench.registry.routes
    bench.now = 14
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    assert bench.port.take() == [(5, "WELCOME"), (5, "WELCOME")]
    assert bench.registry.routes is routes
    assert len(bench.changes) == 1
    assert bench.registry.statistics().hellos == 1  # it was not looked into
    assert bench.registry.instances[0].last_heard == 14
    bench.come(5, FrameType.HELLO, encode_hello(HELLO) + b" ")  # the same in other words
    assert bench.registry.routes is routes
    assert bench.registry.statistics().hellos == 2


def test_a_flood_of_hellos_is_turned_away_and_a_slower_one_is_not() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, instance="b2"))
    bench.port.take()
    for number in range(9):
        bench.come(5, FrameType.HELLO, encode_hello(replace(HELLO, version=f"1.{number}.0")))
    assert bench.port.take() == [(5, "WELCOME")] * 9
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault() == (
        FaultCode.LIMIT_EXCEEDED,
        "HELLO came more often than 10 times in 10 s on this connection; say it again only when something has changed",
    )
    assert bench.targets == [6]
    for second in range(30):
        bench.now = second
        bench.come(6, FrameType.HELLO, encode_hello(replace(HELLO, instance="b2")))
    assert (6, "FAULT") not in bench.port.take()


def test_what_another_service_has_is_refused_and_stays_where_it_is() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, service="orders"))
    assert bench.port.take() == [(5, "WELCOME"), (6, "FAULT"), (6, "close")]
    code, text = bench.fault()
    assert code is FaultCode.FORBIDDEN
    assert text.startswith("the service 'orders' may not register GET '/invoices': it belongs to the service 'billing'")
    assert bench.targets == [5]


# Slim HELLO.

LISTED = replace(HELLO, features=("digest",))
SLIM = replace(LISTED, endpoints=None, digest=endpoints_digest(HELLO.listed))


def test_a_slim_hello_whose_digest_is_known_is_as_good_as_the_list() -> None:
    bench = Bench()
    bench.join(5, LISTED)
    bench.transport.closed(5, CloseCause.EOF, 0)
    bench.join(6, SLIM)
    assert bench.port.take() == [(5, "WELCOME"), (6, "WELCOME")]
    assert not decode_welcome(bench.port.payloads[-1]).wants_endpoints
    assert bench.targets == [6]
    assert bench.registry.said(6) == replace(SLIM, endpoints=HELLO.endpoints, token=None)
    counted = bench.transport.statistics()
    assert (counted.slim, counted.lists_asked) == (1, 0)


def test_a_slim_hello_whose_digest_is_not_known_is_asked_for_the_list() -> None:
    bench = Bench(hello_s=5.0)
    bench.join(5, SLIM)
    assert decode_welcome(bench.port.payloads[-1]).wants_endpoints
    assert bench.registry.instances == ()
    bench.beat(5)
    bench.pass_time(4.9)
    bench.come(5, FrameType.HELLO, encode_hello(LISTED))
    assert not decode_welcome(bench.port.payloads[-1]).wants_endpoints
    assert bench.targets == [5]
    bench.pass_time(4.9)
    assert bench.targets == [5]
    counted = bench.transport.statistics()
    assert (counted.slim, counted.lists_asked) == (0, 1)


def test_the_list_that_was_asked_for_must_come_in_time() -> None:
    bench = Bench(hello_s=2.0)
    bench.join(5, SLIM)
    bench.pass_time(2.3)
    assert bench.port.take() == [(5, "WELCOME"), *TURNED_AWAY]
    assert bench.fault() == (
        FaultCode.HELLO_TIMEOUT,
        "no HELLO with the endpoints that were asked for within 2 s",
    )


def test_what_was_registered_stays_until_the_list_has_come() -> None:
    bench = Bench(hello_s=2.0)
    bench.join(5, LISTED)
    other = (EndpointOffer(id=2, method="GET", path="/bills"),)
    bench.come(5, FrameType.HELLO, encode_hello(replace(SLIM, digest=endpoints_digest(other))))
    assert decode_welcome(bench.port.payloads[-1]).wants_endpoints
    assert bench.targets == [5]
    bench.come(5, FrameType.HELLO, encode_hello(LISTED))  # it has thought better of it
    bench.pass_time(3)
    assert bench.targets == [5]


def test_a_digest_is_of_use_only_to_the_service_that_said_the_list() -> None:
    bench = Bench()
    bench.join(5, LISTED)
    bench.join(6, replace(SLIM, service="thief"))
    assert decode_welcome(bench.port.payloads[-1]).wants_endpoints
    assert bench.targets == [5]


def test_a_list_that_is_known_is_held_to_the_rules_of_now() -> None:
    bench = Bench(admission := Admission(AllowList()))
    bench.join(5, LISTED)
    bench.transport.closed(5, CloseCause.EOF, 0)
    admission.allow = AllowList({"billing": ["/bills"]})
    bench.port.take()
    bench.join(6, SLIM)
    assert bench.port.take() == [(6, "FAULT"), (6, "close")]
    assert bench.fault()[0] is FaultCode.FORBIDDEN
    assert "GET '/invoices'" in bench.fault()[1]


@pytest.mark.parametrize(("features", "ours"), [((), ("digest",)), (("digest",), ())])
def test_a_slim_hello_where_not_both_sides_can_do_it(features: tuple[str, ...], ours: tuple[str, ...]) -> None:
    bench = Bench(features=ours)
    bench.join(5, LISTED)
    bench.join(6, replace(SLIM, instance="b2", features=features))
    assert bench.fault() == (
        FaultCode.INVALID_HELLO,
        "HELLO: endpoints is missing, which only may be where both sides name the feature 'digest'",
    )


def test_lists_are_kept_up_to_a_bound_and_the_longest_unused_goes_first() -> None:
    def listed(number: int, count: int = 1) -> tuple[EndpointOffer, ...]:
        return tuple(EndpointOffer(id=at, method="GET", path=f"/{number}/{at}") for at in range(count))

    def known(service: str, numbers: range) -> list[int]:
        return [number for number in numbers if lists.find(service, endpoints_digest(listed(number)))]

    lists = KnownLists(endpoints_max=30)
    for number in range(10):
        lists.keep("many", listed(number))
    assert known("many", range(10)) == list(range(2, 10))
    lists.keep("one", listed(0))
    assert known("many", range(2, 4)) == [2, 3]
    lists.keep("large", listed(0, 25))
    assert (known("many", range(10)), known("one", range(1))) == ([2, 3, 8, 9], [0])
    lists.keep("huge", listed(0, 40))
    assert len(lists) == 1


# Rules that change.


def test_who_may_not_be_here_any_more_is_turned_away() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, service="orders", endpoints=()))
    bench.port.take()
    bench.transport.recheck(AllowList({"billing": ["/invoices"], "orders": []}, PROOF).check_names)
    assert bench.port.take() == []
    bench.transport.recheck(AllowList({"billing": ["/bills"], "orders": []}).check_names)
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault()[0] is FaultCode.FORBIDDEN
    assert [instance.name for instance in bench.registry.instances] == ["orders/b1"]


def test_who_comes_is_judged_by_the_rules_of_now() -> None:
    bench = Bench()
    bench.transport.let_in(AllowList({}, PROOF).check)
    bench.join(5, replace(HELLO, token=PROOF))
    bench.port.take()
    bench.transport.let_in(AllowList({}, "another").check)
    bench.transport.recheck(AllowList({}, "another").check_names)
    assert bench.port.take() == []  # who has shown what counted then stays
    bench.join(6, replace(HELLO, service="orders", token=PROOF))
    assert bench.fault()[0] is FaultCode.UNAUTHENTICATED


def test_of_two_services_that_share_a_path_and_their_hosts_now_the_newer_is_turned_away() -> None:
    bench = Bench()
    bench.registry.hosts_overlap = lambda _one, _other: False
    bench.join(5)
    bench.join(6, replace(HELLO, service="orders"))
    assert bench.targets == [5, 6]
    bench.registry.hosts_overlap = lambda _one, _other: True
    bench.port.take()
    bench.transport.recheck(AllowList().check_names)
    assert bench.port.take() == [(6, "FAULT"), (6, "close")]
    assert bench.targets == [5]


# What services ask.

CALLING = replace(HELLO, features=("calls",))


def test_calls_are_given_to_who_carries_them() -> None:
    bench = Bench(calls=(calls := FakeCalls()))
    bench.join(5, CALLING)
    assert decode_welcome(bench.port.payloads[-1]).features == ("streams", "digest", "calls")
    bench.transport.call(5, DIALLED | 1, END, b"asked")
    bench.come(5, FrameType.CANCEL, encode_cancel(CancelReason.DEADLINE), exchange=DIALLED | 1)
    bench.transport.closed(5, CloseCause.EOF, 0)
    assert calls.taken == [("call", 5, DIALLED | 1, END, b"asked"), ("cancel", 5, DIALLED | 1), ("lost", 5)]


def test_calls_that_cannot_be_carried_are_refused() -> None:
    bench = Bench(calls=(calls := FakeCalls()))
    bench.join(5)  # does not name the feature
    bench.join(6, replace(SLIM, instance="b2", features=("digest", "calls")))  # is not registered
    bench.join(7, replace(CALLING, instance="b3"))
    bench.transport.goaway(7)
    bench.port.take()
    for connection in (5, 6, 7):
        bench.transport.call(connection, DIALLED | 1, END)
    assert bench.port.take() == [(5, "REFUSED"), (6, "REFUSED"), (7, "REFUSED")]
    assert [decode_refused(payload).reason for payload in bench.port.payloads[-3:]] == [
        RefusedReason.UNSUPPORTED_FEATURE,
        RefusedReason.UNKNOWN_ENDPOINT,
        RefusedReason.DRAINING,
    ]
    assert calls.taken == []
    assert bench.transport.statistics().calls_refused == 3


def test_who_is_sent_goaway_alone_is_asked_nothing_new() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, instance="b2"))
    bench.port.take()
    bench.transport.goaway(5)
    bench.transport.goaway(5)
    bench.transport.goaway(77)
    assert bench.port.take() == [(5, "GOAWAY")]
    assert bench.targets == [6]


def test_goaway_may_leave_more_time_to_finish_than_others_have() -> None:
    bench = Bench()
    bench.join(5, HELLO)
    bench.join(6, replace(HELLO, instance="b2"))
    bench.transport.goaway(5, GoawayReason.MAINTENANCE, 3_600)
    bench.transport.goaway(6)
    closed = []
    for _ in range(60):
        bench.pass_time(1)
        for connection in (5, 6):
            bench.beat(connection)
        closed += [connection for connection, what in bench.port.take() if what == "close"]
    assert closed == [6]


# Connections that were dialled.


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def going(self, link: Link, /) -> None:
        self.told.append(("going", link.connection))

    def lost(self, link: Link, /) -> None:
        self.told.append(("lost", link.connection))


def test_a_dialled_connection_is_greeted_like_any_other_but_for_the_ids() -> None:
    bench = Bench(calls=(calls := FakeCalls()))
    bench.transport.watcher = watcher = Watcher()
    link = bench.transport.dialled(5)
    bench.come(5, FrameType.HELLO, encode_hello(CALLING))
    assert bench.port.take() == [(5, "WELCOME")]
    assert bench.transport.is_there(link)
    bench.transport.call(5, 1, END)
    assert calls.taken == [("call", 5, 1, END, b"")]
    bench.transport.call(5, DIALLED | 1, END)
    assert bench.port.take() == TURNED_AWAY
    assert watcher.told == [("lost", 5)]
    assert not bench.transport.is_there(link)


def test_a_dialled_connection_that_is_lost_or_replaced_says_so() -> None:
    bench = Bench()
    bench.transport.watcher = watcher = Watcher()
    older, newer = bench.transport.dialled(5), bench.transport.dialled(6)
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    bench.come(6, FrameType.HELLO, encode_hello(HELLO))
    assert (older.is_replaced, newer.is_replaced) == (True, False)
    bench.transport.closed(5, CloseCause.EOF, 0)
    assert watcher.told == [("going", 5), ("lost", 5)]
    assert bench.transport.is_there(older)  # over the newer one


@pytest.mark.parametrize("other", [replace(HELLO, instance="b2"), replace(HELLO, service="orders")])
def test_hello_again_for_another_is_a_protocol_error(other: Hello) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, FrameType.HELLO, encode_hello(other))
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault()[0] is FaultCode.PROTOCOL_ERROR
    assert bench.registry.instances == ()


@pytest.mark.parametrize("frame_type", [kind for kind in FrameType if kind is not FrameType.HELLO])
def test_any_frame_before_hello_is_a_protocol_error(frame_type: FrameType) -> None:
    bench = Bench()
    bench.transport.opened(5)
    bench.come(5, frame_type, exchange=DIALLED | 1)
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault() == (FaultCode.PROTOCOL_ERROR, f"{frame_type.name} before HELLO")


@pytest.mark.parametrize("frame_type", [FrameType.WELCOME, 0, 13, 255])
def test_a_frame_that_may_never_come_is_a_protocol_error(frame_type: int) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, frame_type)
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault()[0] is FaultCode.PROTOCOL_ERROR
    assert bench.targets == []


def too_many() -> bytes:
    endpoint = '{"id": 1, "method": "GET", "path": "/"}'
    return encode_hello(HELLO).replace(b'"endpoints":[', b'"endpoints":[' + (endpoint + ",").encode() * 1024)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"not JSON", FaultCode.INVALID_HELLO),
        (b"[]", FaultCode.INVALID_HELLO),
        (b'{"protocol": 1}', FaultCode.INVALID_HELLO),
        (b'{"protocol": 2}', FaultCode.UNSUPPORTED_VERSION),
        (encode_hello(HELLO).replace(b"1.4.0", b"1.4"), FaultCode.INVALID_HELLO),
        (encode_hello(HELLO).replace(b"/invoices", b"invoices"), FaultCode.INVALID_HELLO),
        (too_many(), FaultCode.LIMIT_EXCEEDED),
        (b" " * 262_145, FaultCode.LIMIT_EXCEEDED),
        (encode_hello(HELLO).replace(PROOF.encode(), b"guess"), FaultCode.UNAUTHENTICATED),
        (encode_hello(replace(HELLO, token=None)), FaultCode.UNAUTHENTICATED),
        (encode_hello(replace(HELLO, service="orders")), FaultCode.FORBIDDEN),
        (encode_hello(HELLO).replace(b"/invoices", b"/orders"), FaultCode.FORBIDDEN),
    ],
)
def test_a_bad_hello_is_answered_with_its_fault(
    payload: bytes, code: FaultCode, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(AllowList({"billing": ["/invoices"]}, PROOF))
    bench.transport.opened(5)
    with caplog.at_level(logging.INFO):
        bench.come(5, FrameType.HELLO, payload)
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault()[0] is code
    assert PROOF not in bench.fault()[1]
    (record,) = caplog.records
    assert "127.0.0.1:5" in record.getMessage()
    assert code.name.lower() in record.getMessage()
    assert PROOF not in caplog.text
    assert bench.registry.instances == ()
    assert bench.changes == []
    assert bench.transport.statistics().faults == {code.name.lower(): 1}


def test_a_hello_again_with_paths_it_may_not_have_ends_the_service() -> None:
    bench = Bench(AllowList({"billing": ["/invoices"]}))
    bench.join(5)
    bench.port.take()
    bench.come(5, FrameType.HELLO, encode_hello(HELLO).replace(b"/invoices", b"/orders"))
    assert bench.port.take() == TURNED_AWAY
    assert bench.targets == []
    assert [change.is_routes for change in bench.changes] == [True, True]


def test_hello_must_come_in_time() -> None:
    bench = Bench(hello_s=5.0)
    bench.transport.opened(5)
    bench.pass_time(4.9)
    assert bench.port.take() == []
    bench.pass_time(0.2)
    assert bench.port.take() == TURNED_AWAY
    assert bench.fault() == (FaultCode.HELLO_TIMEOUT, "no HELLO within 5 s")


def test_hello_in_time_is_not_timed_any_more() -> None:
    bench = Bench(hello_s=5.0)
    bench.transport.opened(5)
    bench.pass_time(4.9)
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    bench.pass_time(4)
    assert bench.port.take() == [(5, "WELCOME")]


def test_what_comes_after_the_fault_is_ignored() -> None:
    bench = Bench()
    bench.transport.opened(5)
    bench.beat(5)
    bench.port.take()
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    bench.transport.call(5, DIALLED | 1, END)
    bench.transport.closed(5, CloseCause.ASKED, 0)
    assert bench.port.take() == []
    assert bench.registry.instances == ()


# Heartbeats, both ways.


def test_the_gateway_sends_heartbeats_at_its_interval() -> None:
    bench = Bench(heartbeat_s=2.0)
    bench.join(5)
    bench.port.take()
    bench.pass_time(1.75)
    assert bench.port.take() == []
    bench.pass_time(4.5)
    assert bench.port.take() == [(5, "HEARTBEAT")] * 3
    assert decode_heartbeat(bench.port.payloads[-1]) == (HealthStatus.HEALTHY, 65_535, 0)
    assert bench.port.flushes == 25


def test_a_silent_service_goes_through_all_thresholds_and_is_closed() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, instance="b2"))
    bench.port.take()
    seen = []
    for _ in range(91):
        bench.pass_time(1)
        bench.beat(6)
        seen.append(tuple(instance.health.value for instance in bench.registry.instances))
    assert [seen[at] for at in (13, 15, 28, 30, 88, 90)] == [
        ("healthy", "healthy"),
        ("degraded", "healthy"),
        ("degraded", "healthy"),
        ("unhealthy", "healthy"),
        ("unhealthy", "healthy"),
        ("healthy",),
    ]
    assert [line for line in bench.port.take() if line[1] != "HEARTBEAT"] == TURNED_AWAY
    assert bench.transport.statistics().faults == {"heartbeat_lost": 1}
    assert bench.targets == [6]


def test_a_service_that_speaks_again_is_healthy_again() -> None:
    bench = Bench()
    bench.join(5)
    bench.pass_time(31)
    assert bench.targets == []
    bench.beat(5)
    assert bench.targets == [5]
    bench.pass_time(16)
    bench.come(5, FrameType.CREDIT, encode_credit(1), exchange=9)
    assert [instance.health.value for instance in bench.registry.instances] == ["healthy"]


def test_a_service_that_says_it_is_degraded_is() -> None:
    bench = Bench()
    bench.join(5)
    bench.beat(5, HealthStatus.DEGRADED)
    assert "degraded" in repr(bench.registry.instances[0])


def test_a_pause_of_this_process_is_not_held_against_anybody(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.join(5)
    bench.pass_time(1)
    bench.transport.opened(6)
    bench.now += 120
    bench.transport.tick(bench.now)
    assert bench.targets == [5]
    assert (6, "close") not in bench.port.take()
    assert "did not run for 120.0 s" in caplog.text
    bench.pass_time(14)
    assert bench.registry.instances[0].health.value == "degraded"
    assert bench.transport.statistics().faults == {"hello_timeout": 1}


# Going.


def test_goaway_of_a_service_drains_it() -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 30_000))
    assert bench.targets == []
    assert bench.port.take() == []
    bench.transport.closed(5, CloseCause.EOF, 0)
    assert dict(bench.registry.routes) == {}


def test_the_older_connection_of_an_instance_gets_goaway_replaced() -> None:
    bench = Bench(drain_s=30.0)
    bench.join(5)
    bench.port.take()
    bench.join(6)
    assert bench.port.take() == [(6, "WELCOME"), (5, "GOAWAY")]
    assert decode_goaway(bench.port.payloads[-1]) == (GoawayReason.REPLACED, 30_000)
    assert bench.targets == [6]
    bench.transport.closed(5, CloseCause.EOF, 0)
    assert bench.targets == [6]


def test_the_older_connection_is_closed_when_it_does_not_close_itself() -> None:
    bench = Bench(drain_s=10.0)
    bench.join(5)
    bench.join(6)
    bench.port.take()
    bench.pass_time(9.9)
    assert (5, "close") not in bench.port.take()
    bench.pass_time(0.5)
    assert (5, "close") in bench.port.take()
    assert [instance.connection for instance in bench.registry.instances] == [6]


def test_a_drain_of_the_gateway_says_goaway_to_all_and_to_who_comes() -> None:
    bench = Bench(drain_s=10.0)
    bench.transport.opened(4)
    bench.join(5)
    bench.port.take()
    bench.transport.drain()
    bench.join(6, replace(HELLO, instance="b2"))
    assert bench.port.take() == [(5, "GOAWAY"), (6, "WELCOME"), (6, "GOAWAY")]
    assert decode_goaway(bench.port.payloads[-1]) == (GoawayReason.SHUTDOWN, 10_000)
    bench.transport.drain()
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    bench.transport.call(5, DIALLED | 1, END)
    assert bench.port.take() == [(5, "WELCOME"), (5, "REFUSED")]
    assert decode_refused(bench.port.payloads[-1]).reason == RefusedReason.DRAINING
    bench.pass_time(5)
    assert (5, "HEARTBEAT") in bench.port.take()
    assert decode_heartbeat(bench.port.payloads[-1]).status is HealthStatus.DRAINING
    bench.pass_time(6)
    assert [line for line in bench.port.take() if line[1] == "close"] == [(5, "close"), (6, "close")]


def test_of_two_instances_one_is_lost_and_the_other_goes_on() -> None:
    bench = Bench()
    bench.join(5)
    bench.join(6, replace(HELLO, instance="b2"))
    bench.transport.closed(5, CloseCause.ERROR, 0)
    assert bench.targets == [6]
    assert bench.transport.statistics().connections == 1
    assert repr(bench.transport) == "<FramedTransport connections=1 faults=0>"


def test_a_malformed_frame_is_logged_once_with_what_was_wrong(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.join(5)
    caplog.clear()
    bench.transport.closed(5, CloseCause.PROTOCOL, FrameErrorCode.TOO_LONG)
    assert [record.getMessage() for record in caplog.records] == [
        "billing/b1 at 127.0.0.1:5: closed, a frame is malformed (too_long)"
    ]
    assert bench.targets == []


def test_a_fault_of_the_service_is_logged_in_one_line_and_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, FrameType.FAULT, encode_fault(FaultCode.INTERNAL, "oh\nno" + "!" * 900))
    assert bench.port.take() == [(5, "close")]
    assert bench.targets == []
    message = caplog.records[-1].getMessage()
    assert "internal" in message
    assert message.isprintable()
    assert len(message) < 300
    bench.join(6)
    bench.come(6, FrameType.FAULT, b"\x03\xe7\0\0later")
    assert "999: later" in caplog.text


# Frames of exchanges.


def test_a_request_of_a_service_is_refused_since_no_endpoint_is_known() -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.transport.call(5, DIALLED | 77, END, b"whatever")
    assert bench.port.take() == [(5, "REFUSED")]
    assert decode_refused(bench.port.payloads[-1]).reason == RefusedReason.UNKNOWN_ENDPOINT
    assert bench.port.exchanges[-1] == DIALLED | 77
    assert bench.transport.statistics().calls_refused == 1


def test_a_request_with_an_id_of_ours_is_a_protocol_error() -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.transport.call(5, 77, END)
    assert bench.port.take() == TURNED_AWAY


@pytest.mark.parametrize(
    "frame_type",
    [FrameType.RESPONSE, FrameType.DATA, FrameType.TRAILERS, FrameType.CREDIT, FrameType.CANCEL, FrameType.REFUSED],
)
def test_frames_of_unknown_exchanges_are_counted_and_do_no_harm(frame_type: FrameType) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.come(5, frame_type, encode_credit(5), exchange=12345)
    assert bench.port.take() == []
    assert bench.transport.statistics().unknown_exchanges == 1
    assert bench.targets == [5]


# A service that does not read.


@pytest.mark.parametrize("what", ["refused", "heartbeat", "welcome", "goaway"])
def test_a_service_that_does_not_read_is_closed(what: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.join(5)
    bench.port.take()
    bench.port.full.add(5)
    if what == "refused":
        bench.transport.call(5, DIALLED | 1, END)
    elif what == "heartbeat":
        bench.pass_time(5.1)
    elif what == "welcome":
        bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    else:
        bench.join(6)
    assert (5, "close") in bench.port.take()
    assert bench.targets == ([6] if what == "goaway" else [])
    assert bench.transport.statistics().unwritable == 1
    assert "does not read" in caplog.text


def test_a_service_that_is_gone_already_is_left_to_the_wire_to_report(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.transport.opened(5)
    bench.port.gone.add(5)
    bench.come(5, FrameType.HELLO, encode_hello(HELLO))
    assert bench.port.take() == []
    assert bench.transport.statistics().unwritable == 0
    bench.transport.closed(5, CloseCause.PROTOCOL, FrameErrorCode.TYPE)
    assert bench.registry.instances == ()
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["WARNING"]


def test_who_answers_is_not_silent() -> None:
    bench = Bench()
    bench.join(5)
    for answers in range(1, 9):
        bench.port.heard[5] = answers  # taken by the wire, and never seen as frames
        bench.pass_time(10.0)
    assert bench.registry.statistics().instances["healthy"] == 1
    bench.pass_time(20.0)
    assert bench.registry.statistics().instances["degraded"] == 1


def test_a_fault_that_cannot_be_written_still_closes() -> None:
    bench = Bench()
    bench.transport.opened(5)
    bench.port.full.add(5)
    bench.beat(5)
    assert bench.port.take() == [(5, "close")]


# Settings, statistics, ticks.


@pytest.mark.parametrize("settings", [{"heartbeat_s": 0.05}, {"heartbeat_s": 61.0}, {"credit_bytes": -1}])
def test_settings_that_services_would_refuse_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(GreetingError):
        Bench(**settings)


def test_statistics_count() -> None:
    bench = Bench()
    bench.join(5)
    bench.transport.opened(6)
    bench.transport.opened(7)
    bench.transport.closed(7, CloseCause.EOF, 0)
    counts = bench.transport.statistics()
    assert (counts.connections, counts.opened, counts.closed, counts.faults) == (2, 3, 1, {})


async def test_ticks_are_done_at_their_interval_until_cancelled(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.now = trio.current_time()
    bench.transport.opened(5)
    with trio.move_on_after(6):
        await run_ticks(bench.transport.tick)
    assert bench.port.take() == TURNED_AWAY
    assert bench.port.flushes in {24, 25}


async def test_the_clock_is_that_of_trio_unless_another_is_given(autojump_clock: MockClock) -> None:
    port, registry = FakePort(), Registry()
    transport = FramedTransport[Change](
        port, registry, FramedSettings(gateway="gw-1"), check=AllowList().check, on_change=lambda change: None
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_ticks, transport.tick)
        await trio.sleep(100)
        transport.opened(5)
        transport.frame(5, 0, FrameType.HELLO, 0, encode_hello(HELLO))
        await trio.sleep(14)
        assert registry.instances[0].health.value == "healthy"
        await trio.sleep(2)
        assert registry.instances[0].health.value == "degraded"
        nursery.cancel_scope.cancel()
