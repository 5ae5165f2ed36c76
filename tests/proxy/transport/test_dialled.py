"""Services that are dialled: when, how often, and for how long. The clock jumps, the wire and the network are fakes."""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from frames.fixed import decode_goaway
from frames.frame import FrameType, GoawayReason
from frames.greeting import EndpointOffer, Hello, encode_hello
from frames.wire_values import CloseCause, SocketKind
from proxy.pooled import TargetKey
from proxy.targets.instance import Change
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits
from proxy.targets.registry import Registry
from proxy.transport.dialled import Dialled
from proxy.transport.framed import FramedTransport
from proxy.transport.port import FramedSettings

BILLING, ORDERS = TargetKey("billing.test", 7501), TargetKey("orders.test", 7502)


def hello(service: str, instance: str = "i1") -> bytes:
    endpoints = (EndpointOffer(id=1, method="GET", path=f"/{service}"),)
    members = {"service": service, "version": "1.0.0", "instance": instance, "endpoints": endpoints}
    return encode_hello(Hello(protocol=1, features=(), heartbeat_ms=5000, credit_bytes=0, **members))  # type: ignore[arg-type]


class FakeWire:
    """Takes sockets over, and keeps what is written."""

    def __init__(self) -> None:
        self.adopted = 0
        self.full = False
        self.written: list[tuple[int, str]] = []
        self.last = b""

    def adopt(self, _connected: socket.socket, kind: SocketKind, *, dialled: bool = False) -> int:
        assert (kind, dialled) == (SocketKind.FRAMED, True)
        if self.full:
            raise OSError("cannot take over the socket: full")
        self.adopted += 1
        return self.adopted

    def frame(self, connection: int, frame_type: int, _flags: int, _exchange: int, payload: bytes, /) -> int:
        self.written.append((connection, FrameType(frame_type).name))
        self.last = payload
        return 0

    def frames_heard(self, _connection: int, /) -> int:
        return 0

    def close(self, connection: int, /) -> int:
        self.written.append((connection, "close"))
        return 0

    def peer(self, connection: int, /) -> str:
        return f"127.0.0.1:{connection}"

    def flush_soon(self) -> None: ...


class Bench:
    """What is dialled, and when; ``there`` says what becomes of a dial, by host."""

    def __init__(self, *addresses: TargetKey) -> None:
        self.wire = FakeWire()
        self.registry = Registry()
        self.transport = FramedTransport[Change](
            self.wire, self.registry, FramedSettings(gateway="gw-1"), check=lambda _: None, on_change=lambda _: None
        )
        self.times: list[tuple[str, float]] = []
        self.there: dict[str, Callable[[], Awaitable[None]]] = {}
        limits = PoolLimits(per_target=1, silent_s=1e9)
        self.pool = Pool(limits, [0] * 4096, draw=lambda _low, high: high)
        self.registry.ring_of = self.pool.greeted
        self.dialled = Dialled(self.wire, self.transport, self.pool, connect=self.connect)
        self.dialled.set_targets(addresses)

    async def connect(self, key: TargetKey, _nursery: trio.Nursery) -> socket.socket:
        self.times.append((key.host.split(".")[0], round(trio.current_time() - self.started, 3)))
        if key.host in self.there:
            await self.there[key.host]()
        return socket.socket.__new__(socket.socket)  # nobody looks at it

    def start(self, nursery: trio.Nursery) -> None:
        self.started = trio.current_time()
        nursery.start_soon(self.dialled.run)

    def greet(self, connection: int, service: str = "billing") -> None:
        self.transport.frame(connection, 0, FrameType.HELLO, 0, hello(service))

    def lose(self, connection: int) -> None:
        self.transport.closed(connection, CloseCause.EOF, 0)


async def refused() -> None:
    raise OSError(errno.ECONNREFUSED, "Connection refused")


async def test_each_address_is_dialled_and_what_comes_is_a_service_like_any_other(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING, ORDERS)
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.sleep(1)
        assert sorted(bench.times) == [("billing", 0), ("orders", 0)]
        assert repr(bench.dialled) == "<Dialled targets=2 connections=2>"
        assert (bench.pool.statistics().reached, bench.pool.statistics().failures) == (2, 0)
        bench.greet(1, "billing")
        bench.greet(2, "orders")
        assert [instance.name for instance in bench.registry.instances] == ["billing/i1", "orders/i1"]
        assert bench.wire.written == [(1, "WELCOME"), (2, "WELCOME")]
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_reached_is_dialled_ever_more_slowly_and_said_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(BILLING)
    bench.there["billing.test"] = refused
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert [at for _, at in bench.times] == [0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3]
    assert (bench.pool.statistics().reached, bench.pool.statistics().failures) == (0, 9)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [
        "service at billing.test:7501: cannot be reached: Connection refused; services.dial says where it is"
    ]


async def test_who_does_not_accept_within_a_second_is_not_waited_for(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING)
    bench.there["billing.test"] = trio.sleep_forever
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.sleep(2.5)
        nursery.cancel_scope.cancel()
    assert [at for _, at in bench.times] == [0, 1.1, 2.3]


async def test_a_connection_that_is_lost_is_dialled_again_and_a_long_one_soon(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING)
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        for connection, lasts in ((1, 1.0), (2, 1.0), (3, 6.0), (4, 1.0)):
            await trio.testing.wait_all_tasks_blocked()
            bench.greet(connection)
            await trio.sleep(lasts)
            bench.lose(connection)
            await trio.sleep({1: 0.1, 2: 0.2, 3: 0.1, 4: 0.2}[connection] + 0.001)
        nursery.cancel_scope.cancel()
    assert len(bench.times) == bench.wire.adopted == 5


async def test_without_room_for_one_more_connection_it_is_tried_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(BILLING)
    bench.wire.full = True
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.sleep(0.05)
        bench.wire.full = False
        await trio.sleep(0.1)
        assert bench.dialled.connections == 1
        nursery.cancel_scope.cancel()
    assert "cannot take over the socket: full" in caplog.text


async def test_a_service_that_is_here_by_another_connection_is_not_dialled(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING)
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.testing.wait_all_tasks_blocked()
        bench.greet(1)
        bench.transport.opened(77)  # the same instance dials, too
        bench.greet(77)
        bench.lose(1)
        await trio.sleep(60)
        assert len(bench.times) == 1
        bench.lose(77)
        await trio.sleep(6)
        assert len(bench.times) == 2
        nursery.cancel_scope.cancel()


async def test_other_addresses_take_the_place_of_the_first(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING)
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.testing.wait_all_tasks_blocked()
        bench.greet(1)
        bench.dialled.set_targets([BILLING, ORDERS])
        await trio.testing.wait_all_tasks_blocked()
        assert [name for name, _ in bench.times] == ["billing", "orders"]
        bench.dialled.set_targets([ORDERS])
        assert bench.wire.written[-1] == (1, "GOAWAY")
        assert decode_goaway(bench.wire.last).reason == GoawayReason.MAINTENANCE
        bench.lose(1)
        await trio.sleep(60)
        assert [name for name, _ in bench.times] == ["billing", "orders"]
        nursery.cancel_scope.cancel()


async def test_addresses_that_are_set_before_it_runs_are_dialled_when_it_does(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.dialled.set_targets([BILLING])
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert bench.dialled.connections == 1
        nursery.cancel_scope.cancel()


async def test_a_gateway_that_drains_dials_nobody_any_more(autojump_clock: MockClock) -> None:
    bench = Bench(BILLING)
    async with trio.open_nursery() as nursery:
        bench.start(nursery)
        await trio.testing.wait_all_tasks_blocked()
        bench.greet(1)
        bench.transport.drain()
        bench.lose(1)
        await trio.sleep(60)
        assert len(bench.times) == 1
        nursery.cancel_scope.cancel()
