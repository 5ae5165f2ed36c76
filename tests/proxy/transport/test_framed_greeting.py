"""How connections to services are greeted: by lists and digests and by rules that change. The wire is a fake."""

import logging

import pytest
from framed_support import HELLO, LISTED, PROOF, SLIM, TURNED_AWAY, Bench
from msgspec.structs import replace

from frames.frame import DIALLED, END, FaultCode, FrameType
from frames.greeting import EndpointOffer, Hello, decode_welcome, encode_hello, endpoints_digest
from frames.wire_values import CloseCause
from proxy.targets.allow import Admission, AllowList
from proxy.transport.lists import KnownLists
from proxy.transport.port import FramedSettings

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


# What is wrong.


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
