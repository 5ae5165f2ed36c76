"""The transport between a wire and the registry: what comes, what goes out, who is closed. The wire is a fake."""

import logging
from typing import Any

import pytest
import trio
from framed_support import CALLING, HELLO, TURNED_AWAY, Bench, FakeCalls, FakePort
from msgspec.structs import replace
from trio.testing import MockClock

from frames.errors import GreetingError
from frames.fixed import decode_goaway, decode_heartbeat, decode_refused, encode_credit, encode_fault, encode_goaway
from frames.frame import DIALLED, END, FaultCode, FrameErrorCode, FrameType, GoawayReason, HealthStatus, RefusedReason
from frames.greeting import encode_hello
from frames.wire_values import CloseCause
from proxy.targets.allow import AllowList
from proxy.targets.instance import Change
from proxy.targets.registry import Registry
from proxy.transport.framed import FramedTransport
from proxy.transport.link import Link
from proxy.transport.port import FramedSettings
from proxy.transport.ticks import run_ticks

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
