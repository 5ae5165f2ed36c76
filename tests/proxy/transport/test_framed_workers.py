"""A gateway of several workers: who is told of them, when, and who is not. The wire is a fake."""

import logging
from typing import Any

import pytest
from msgspec.structs import replace

from frames.errors import GreetingError
from frames.frame import FrameType, GoawayReason
from frames.greeting import (
    DIGEST,
    WORKERS,
    EndpointOffer,
    Hello,
    Welcome,
    WorkerPlace,
    decode_welcome,
    encode_hello,
    endpoints_digest,
)
from proxy.targets.instance import Change
from proxy.targets.registry import Registry
from proxy.transport.framed import FramedTransport
from proxy.transport.port import FramedSettings

HELLO = Hello(
    protocol=1,
    features=(WORKERS,),
    service="billing",
    version="1.4.0",
    instance="b1",
    heartbeat_ms=5000,
    credit_bytes=0,
    endpoints=(EndpointOffer(id=1, method="GET", path="/invoices"),),
)
OLD_HELLO = replace(HELLO, features=(), instance="b2")
TWO = (WorkerPlace(id="0.1", port=7105), WorkerPlace(id="1.1", port=7106))
THREE = (*TWO, WorkerPlace(id="0.2", port=7105))


class Port:
    """Keeps the WELCOMEs that were written, and the names of all frames."""

    def __init__(self) -> None:
        self.welcomes: list[tuple[int, Welcome]] = []
        self.written: list[tuple[int, str]] = []
        self.flushes = 0

    def frames_heard(self, _connection: int, /) -> int:
        return 0

    def frame(self, connection: int, frame_type: int, _flags: int, _exchange: int, payload: bytes, /) -> int:
        self.written.append((connection, FrameType(frame_type).name))
        if frame_type == FrameType.WELCOME:
            self.welcomes.append((connection, decode_welcome(payload)))
        return 0

    def close(self, connection: int, /) -> int:
        self.written.append((connection, "close"))
        return 0

    def peer(self, connection: int, /) -> str:
        return f"127.0.0.1:{connection}"

    def flush_soon(self) -> None:
        self.flushes += 1

    def take(self) -> list[tuple[int, Welcome]]:
        taken, self.welcomes = self.welcomes, []
        return taken


class Bench:
    """A transport over a fake wire."""

    def __init__(self, **settings: Any) -> None:
        self.port = Port()
        self.transport = FramedTransport[Change](
            self.port,
            Registry(),
            FramedSettings(gateway="gw-1", **settings),
            check=lambda _: None,
            on_change=lambda _: None,
            clock=lambda: 0.0,
        )

    def join(self, connection: int, hello: Hello = HELLO, *, dialled: bool = False) -> Welcome:
        """Connect, greet, and return the WELCOME."""
        if dialled:
            self.transport.dialled(connection)
        else:
            self.transport.opened(connection)
        return self.greet(connection, hello)

    def greet(self, connection: int, hello: Hello = HELLO) -> Welcome:
        self.transport.frame(connection, 0, FrameType.HELLO, 0, encode_hello(hello))
        ((told, welcome),) = self.port.take()
        assert told == connection
        return welcome


def test_a_gateway_of_one_process_says_nothing_of_workers() -> None:
    welcome = Bench().join(5)
    assert WORKERS not in welcome.features
    assert (welcome.worker, welcome.workers) == (None, None)


def test_who_joins_is_told_of_all_workers_and_which_one_this_is() -> None:
    bench = Bench()
    bench.transport.change_workers("0.1", TWO)
    welcome = bench.join(5)
    assert WORKERS in welcome.features
    assert (welcome.worker, welcome.workers) == ("0.1", TWO)
    assert bench.greet(5) == welcome  # the same HELLO again
    assert bench.greet(5, replace(HELLO, endpoints=())) == welcome


def test_a_list_that_changes_is_told_to_those_who_are_there() -> None:
    bench = Bench()
    first, second = bench.join(5), bench.join(6, replace(HELLO, instance="b3"))
    assert first.workers is second.workers is None
    bench.transport.change_workers("0.1", TWO)
    assert [(told, welcome.workers) for told, welcome in bench.port.take()] == [(5, TWO), (6, TWO)]
    flushed = bench.port.flushes
    bench.transport.change_workers("0.1", THREE)
    assert [(told, welcome.workers) for told, welcome in bench.port.take()] == [(5, THREE), (6, THREE)]
    assert bench.port.flushes > flushed


def test_who_cannot_follow_workers_or_was_dialled_is_not_told() -> None:
    bench = Bench()
    bench.transport.change_workers("0.1", TWO)
    for welcome in (bench.join(5, OLD_HELLO), bench.join(6, dialled=True)):
        assert WORKERS not in welcome.features
        assert (welcome.worker, welcome.workers) == (None, None)
    bench.transport.change_workers("0.1", THREE)
    assert bench.port.take() == []


def test_who_is_in_the_middle_of_a_greeting_is_told_at_its_end() -> None:
    bench = Bench()
    bench.transport.opened(5)
    bench.transport.change_workers("0.1", TWO)
    slim = replace(HELLO, features=(WORKERS, DIGEST), endpoints=None, digest=endpoints_digest(HELLO.listed))
    welcome = bench.greet(5, slim)
    assert (welcome.wants_endpoints, welcome.workers) == (True, None)
    bench.transport.change_workers("0.1", THREE)
    assert bench.port.take() == []
    assert bench.greet(5, replace(HELLO, features=(WORKERS, DIGEST))).workers == THREE


def test_who_was_told_to_go_is_told_nothing_more() -> None:
    bench = Bench()
    bench.join(5)
    bench.transport.goaway(5, GoawayReason.MAINTENANCE)
    bench.transport.change_workers("0.1", TWO)
    assert bench.port.take() == []


def test_a_draining_worker_can_say_that_it_is_not_in_the_list() -> None:
    bench = Bench()
    bench.join(5)
    bench.transport.change_workers("0.1", THREE[1:])
    ((_, welcome),) = bench.port.take()
    assert welcome.worker == "0.1"
    assert [place.id for place in welcome.workers or ()] == ["1.1", "0.2"]


def test_the_host_that_the_operator_says_is_told_for_each_worker() -> None:
    bench = Bench(advertised_host="gateway-7.internal")
    bench.transport.change_workers("0.1", TWO)
    assert [place.host for place in bench.join(5).workers or ()] == ["gateway-7.internal"] * 2


@pytest.mark.parametrize("knows_workers", [True, False])
def test_who_is_there_and_who_comes_is_told_that_this_process_is_about_to_go(*, knows_workers: bool) -> None:
    bench = Bench(features=(WORKERS,))
    if knows_workers:
        bench.transport.change_workers("0.1", TWO)
    bench.join(5)
    bench.join(6, OLD_HELLO)
    bench.join(7, replace(HELLO, instance="b4"), dialled=True)
    bench.transport.leave(20_000)
    assert [(told, welcome.leaves_within_ms) for told, welcome in bench.port.take()] == [(5, 20_000), (7, 20_000)]
    welcome = bench.join(8, replace(HELLO, instance="b5"))
    assert welcome.leaves_within_ms == 20_000
    assert welcome.workers == (TWO if knows_workers else None)
    assert bench.join(9, replace(OLD_HELLO, instance="b6")).leaves_within_ms is None


def test_a_time_to_leave_that_no_welcome_can_say_is_the_longest() -> None:
    bench = Bench()
    bench.join(5)
    bench.transport.leave(1 << 40)
    ((_, welcome),) = bench.port.take()
    assert welcome.leaves_within_ms == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("own_id", "workers"),
    [("", TWO), ("a b", TWO), ("0.1", (TWO[0], TWO[0])), ("0.1", [WorkerPlace(id="0.1", port=0)])],
)
def test_a_list_that_services_would_refuse_is_refused_here_and_the_one_before_stays(
    own_id: str, workers: list[WorkerPlace]
) -> None:
    bench = Bench()
    bench.transport.change_workers("0.1", TWO)
    with pytest.raises(GreetingError):
        bench.transport.change_workers(own_id, workers)
    assert bench.join(5).workers == TWO


def test_a_service_that_is_reached_through_one_worker_only_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "penstock.services")
    bench = Bench()
    bench.transport.change_workers("0.1", TWO[:1])
    bench.join(5, OLD_HELLO)
    assert not caplog.records  # there is one only
    bench.transport.change_workers("0.1", TWO)
    bench.join(6, HELLO)
    bench.join(7, replace(OLD_HELLO, instance="b4"), dialled=True)
    assert not caplog.records
    bench.join(8, OLD_HELLO)
    assert [record.getMessage() for record in caplog.records] == [
        "billing/b2 at 127.0.0.1:8: is reached through this worker only, one of 2, since it cannot follow a list of"
        " workers; update the library that it is built with"
    ]
