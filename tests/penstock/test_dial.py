"""Dialling with a clock that jumps, a random number that is given, and a link that is no connection."""

import itertools
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from frames.fixed import encode_fault, encode_goaway, encode_heartbeat
from frames.frame import FaultCode, FrameType, GoawayReason, HealthStatus
from frames.greeting import Hello, Welcome, decode_hello, encode_welcome
from penstock.dial import Backoff, connect
from penstock.dial_workers import Dialler
from penstock.link import Ending, Link
from penstock.settings import Address

ADDRESS = Address("gw.test", 7420)
HELLO = Hello(
    protocol=1, features=(), service="s", version="1.0.0", instance="i", heartbeat_ms=1000, credit_bytes=0, endpoints=()
)
WELCOME = encode_welcome(Welcome(protocol=1, features=(), gateway="gw", heartbeat_ms=1000, credit_bytes=0))


def welcome(*features: str, wants_endpoints: bool = False) -> bytes:
    return encode_welcome(
        Welcome(
            protocol=1,
            features=features,
            gateway="gw",
            heartbeat_ms=1000,
            credit_bytes=0,
            wants_endpoints=wants_endpoints,
        )
    )


class Wire:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []
        self.closed: list[int] = []

    def frame(self, _connection: int, frame_type: int, _flags: int, _exchange: int, payload: bytes, /) -> int:
        self.written.append((frame_type, payload))
        return 0

    def close(self, connection: int, /) -> int:
        self.closed.append(connection)
        return 0

    def flush_soon(self) -> None: ...


class FakeSocket:
    """Is connected."""

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.1", 7420)


class World:
    """A gateway that does what the test says at each dial, and the times at which it was dialled."""

    def __init__(self, *steps: Callable[[Link], Awaitable[None]] | OSError) -> None:
        self.steps = list(steps)
        self.times: list[float] = []
        self.links: list[Link] = []
        self.wire = Wire()
        self.worked: list[Link] = []
        self.nursery: trio.Nursery | None = None
        self.bounds: list[tuple[float, float]] = []

    def draw(self, low: float, high: float) -> float:
        self.bounds.append((low, high))
        return high

    async def connect(self, host: str, port: int) -> socket.socket:
        assert (host, port) == ("gw.test", 7420)
        self.times.append(trio.current_time())
        if not self.steps:  # the story is over
            assert self.nursery is not None
            self.nursery.cancel_scope.cancel()
            await trio.sleep_forever()
        if self.steps[0] is hang:
            self.steps.pop(0)
            await trio.sleep_forever()
        if isinstance(self.steps[0], OSError):
            raise self.steps.pop(0)  # type: ignore[misc]
        return FakeSocket()  # type: ignore[return-value]

    def open_link(self, _sock: socket.socket, gateway: str) -> Link:
        link = Link(
            self.wire,
            len(self.links) + 1,
            gateway,
            trio.current_time(),
            cancel=lambda *_: None,
            take=lambda *_: None,
            forget=lambda _: None,
        )
        link.greet(HELLO)
        self.links.append(link)
        step: Any = self.steps.pop(0)
        assert self.nursery is not None
        self.nursery.start_soon(step, link)
        return link

    async def work(self, link: Link) -> None:
        self.worked.append(link)
        await link.ended.wait()

    async def run(self, seconds: float = 1000) -> bool:
        """Run the dialler until the story or the time is over; whether it came to an end of its own."""
        ended = False
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as self.nursery:
                dialler = Dialler(
                    ADDRESS,
                    self.open_link,
                    self.work,
                    make_backoff=lambda: Backoff(self.draw),
                    connect=self.connect,
                )
                await dialler.run()
                ended = True
        return ended


def _receive(link: Link, kind: FrameType, payload: bytes) -> None:
    link.receive(kind, 0, 0, payload, trio.current_time())


def welcome_for(seconds: float) -> Callable[[Link], Awaitable[None]]:
    async def step(link: Link) -> None:
        _receive(link, FrameType.WELCOME, WELCOME)
        await trio.sleep(seconds)
        link.end()

    return step


def fault(code: FaultCode) -> Callable[[Link], Awaitable[None]]:
    async def step(link: Link) -> None:
        _receive(link, FrameType.FAULT, encode_fault(code, "no"))

    return step


async def hang_up(link: Link) -> None:
    link.end()


async def say_nothing(link: Link) -> None:
    await link.ended.wait()


async def replace(link: Link) -> None:
    _receive(link, FrameType.WELCOME, WELCOME)
    _receive(link, FrameType.GOAWAY, encode_goaway(GoawayReason.REPLACED, 0))
    link.end()


async def hang(link: Link) -> None:
    """The dial itself hangs: it never comes to a link."""


def _gaps(times: list[float]) -> list[float]:
    return [round(after - before, 6) for before, after in itertools.pairwise(times)]


def test_backoff_draws_from_0_to_a_bound_that_doubles_up_to_the_cap() -> None:
    bounds: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return (low + high) / 2

    backoff = Backoff(draw)
    waits = [backoff.next_s() for _ in range(9)]
    assert bounds == [(0.0, high) for high in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0)]
    assert waits[:2] == [0.05, 0.1]
    backoff.reset()
    assert backoff.next_s() == 0.05


def test_backoff_stays_within_its_bounds_for_ever() -> None:
    backoff = Backoff(random.Random(7).uniform)
    waits = [backoff.next_s() for _ in range(2000)]
    assert min(waits) >= 0
    assert max(waits) <= 10.0
    assert max(waits) > 9.0


async def test_what_cannot_be_reached_is_dialled_again_and_said_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    refused = [ConnectionRefusedError(111, "Connection refused") for _ in range(5)]
    world = World(*refused)
    assert not await world.run()
    assert _gaps(world.times) == [0.1, 0.2, 0.4, 0.8, 1.6]
    (record,) = caplog.records
    assert "gw.test:7420: cannot be reached: Connection refused" in record.getMessage()
    assert "PENSTOCK_GATEWAYS" in record.getMessage()


async def test_a_dial_that_hangs_is_given_up(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    world = World(hang)
    assert not await world.run()
    assert _gaps(world.times) == [5.1]
    assert "no answer" in caplog.text


async def test_a_link_that_was_good_resets_the_backoff(autojump_clock: MockClock) -> None:
    world = World(hang_up, hang_up, hang_up, welcome_for(12), hang_up)
    await world.run()
    assert _gaps(world.times) == [0.1, 0.2, 0.4, 12.1, 0.2]
    assert len(world.worked) == 1


async def test_a_link_that_breaks_at_once_does_not(autojump_clock: MockClock) -> None:
    world = World(*[welcome_for(0) for _ in range(5)])
    await world.run()
    assert _gaps(world.times) == [0.1, 0.2, 0.4, 0.8, 1.6]


async def test_no_welcome_is_not_waited_for(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    world = World(say_nothing)
    await world.run()
    assert _gaps(world.times) == [5.1]
    assert world.wire.closed == [1]
    assert "did not answer HELLO" in caplog.text


@pytest.mark.parametrize("code", [FaultCode.UNAUTHENTICATED, FaultCode.FORBIDDEN, FaultCode.UNSUPPORTED_VERSION])
async def test_who_is_turned_away_comes_back_slowly(autojump_clock: MockClock, code: FaultCode) -> None:
    world = World(fault(code), fault(code))
    await world.run()
    assert _gaps(world.times) == [10.0, 10.0]
    assert world.bounds == [(5.0, 10.0)] * 2
    assert [link.ending for link in world.links] == [Ending.TURNED_AWAY] * 2


async def test_another_fault_is_a_lost_link(autojump_clock: MockClock) -> None:
    world = World(fault(FaultCode.INTERNAL))
    await world.run()
    assert _gaps(world.times) == [0.1]


async def test_replaced_is_the_end(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    world = World(replace)
    assert await world.run()
    assert len(world.times) == 1
    assert "PENSTOCK_INSTANCE" in caplog.text


async def test_cancelling_closes_the_link(autojump_clock: MockClock) -> None:
    world = World(welcome_for(100))
    await world.run(1)
    assert world.links[0].ended.is_set()
    assert world.wire.closed == [1]


async def test_connect_gives_a_plain_socket() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        sock = await connect(*listener.socket.getsockname())
        with sock, (await listener.accept()).socket as accepted:
            assert sock.getpeername() == accepted.getsockname()


class TestLink:
    taken: list[tuple[int, int, int, int, bytes]]

    def make(self) -> tuple[Link, Wire, list[Link], list[tuple[int, int]]]:
        wire, forgotten, cancelled = Wire(), list[Link](), list[tuple[int, int]]()
        self.taken = []
        link = Link(
            wire,
            7,
            "gw",
            0.0,
            cancel=lambda *key: cancelled.append(key),
            take=lambda *frame: self.taken.append(frame),
            forget=forgotten.append,
        )
        link.greet(HELLO)
        return link, wire, forgotten, cancelled

    def test_greets_then_opens(self) -> None:
        link, wire, _, _ = self.make()
        assert [kind for kind, _ in wire.written] == [FrameType.HELLO]
        assert not link.may_call
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 1.0)
        assert link.may_call
        assert link.opened_at == 1.0

    def test_silence_of_three_heartbeats_is_given_up(self) -> None:
        link, wire, forgotten, _ = self.make()
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.receive(FrameType.HEARTBEAT, 0, 0, encode_heartbeat(HealthStatus.HEALTHY, 0, 0), 2.0)
        link.check_time(5.0)
        assert not forgotten
        link.check_time(5.01)
        assert forgotten == [link]
        assert [kind for kind, _ in wire.written] == [FrameType.HELLO, FrameType.FAULT]
        link.heartbeat(HealthStatus.HEALTHY, 0, 0)  # after the end: nothing
        link.goaway(0)
        link.close()
        assert forgotten == [link]
        assert len(wire.written) == 2

    def test_a_gateway_that_does_not_close_after_goaway_is_closed(self) -> None:
        link, wire, forgotten, _ = self.make()
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.receive(FrameType.GOAWAY, 0, 0, encode_goaway(GoawayReason.MAINTENANCE, 500), 0.0)
        link.check_time(1.5)
        assert not forgotten
        link.check_time(1.6)
        assert forgotten == [link]
        assert wire.closed == [7]
        assert link.ending is Ending.LOST

    @pytest.mark.parametrize("kind", [FrameType.HELLO, FrameType.HEARTBEAT, FrameType.GOAWAY])
    def test_what_may_not_come_before_welcome(self, kind: FrameType) -> None:
        link, wire, forgotten, _ = self.make()
        link.receive(kind, 0, 0, encode_heartbeat(HealthStatus.HEALTHY, 0, 0), 0.0)
        assert wire.written[-1][0] == FrameType.FAULT
        assert forgotten == [link]

    @pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"protocol": 1}', b'{"protocol": 2}', b"\xff"])
    def test_a_welcome_of_another_form(self, payload: bytes) -> None:
        link, wire, forgotten, _ = self.make()
        link.receive(FrameType.WELCOME, 0, 0, payload, 0.0)
        assert wire.written[-1][0] == FrameType.FAULT
        assert forgotten == [link]

    def test_cancel_and_what_belongs_to_nobody(self) -> None:
        link, wire, _, cancelled = self.make()
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.receive(FrameType.CANCEL, 0, 12, b"\x01\0\0\0", 0.0)
        for kind in (FrameType.RESPONSE, FrameType.DATA, FrameType.TRAILERS, FrameType.CREDIT, FrameType.REFUSED):
            link.receive(kind, 0, 12, b"\0" * 8, 0.0)
        assert cancelled == [(7, 12)]
        assert len(wire.written) == 1

    def test_only_one_goaway(self) -> None:
        link, wire, _, _ = self.make()
        link.goaway(5)
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.goaway(5)
        link.goaway(5)
        assert [kind for kind, _ in wire.written] == [FrameType.HELLO, FrameType.GOAWAY]
        link.heartbeat(HealthStatus.DRAINING, 0, 0)
        assert wire.written[-1][0] == FrameType.HEARTBEAT

    def test_a_slim_hello_that_is_known_opens_the_link(self) -> None:
        link, wire = self.make_slim()
        assert decode_hello(wire.written[0][1]).endpoints is None
        link.receive(FrameType.WELCOME, 0, 0, welcome("digest"), 0.0)
        assert (link.opened.is_set(), link.takes_digests, len(wire.written)) == (True, True, 1)

    def test_a_slim_hello_that_is_not_known_is_followed_by_the_list(self) -> None:
        link, wire = self.make_slim()
        link.receive(FrameType.WELCOME, 0, 0, welcome("digest", wants_endpoints=True), 0.0)
        assert not link.opened.is_set()
        assert not link.may_call
        assert [decode_hello(payload).endpoints for _, payload in wire.written] == [None, ()]
        link.receive(FrameType.WELCOME, 0, 0, welcome("digest"), 0.0)
        assert link.opened.is_set()
        assert link.may_call

    def test_a_gateway_that_wants_the_list_twice_is_given_up(self) -> None:
        link, wire = self.make_slim()
        for _ in range(2):
            link.receive(FrameType.WELCOME, 0, 0, welcome("digest", wants_endpoints=True), 0.0)
        assert [kind for kind, _ in wire.written] == [FrameType.HELLO, FrameType.HELLO, FrameType.FAULT]

    def test_other_endpoints_are_announced_once_and_only_while_the_link_is_open(self) -> None:
        link, wire, _, _ = self.make()
        newer = msgspec.structs.replace(HELLO, version="1.1.0")
        link.announce(newer)  # not welcomed yet
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.announce(newer)
        link.announce(newer)
        assert [decode_hello(payload).version for _, payload in wire.written] == ["1.0.0", "1.1.0"]
        link.receive(FrameType.WELCOME, 0, 0, WELCOME, 0.0)
        link.goaway(5)
        link.announce(HELLO)
        assert [kind for kind, _ in wire.written[2:]] == [FrameType.GOAWAY]

    def test_a_link_that_is_left_takes_and_asks_nothing_new(self) -> None:
        link, wire, _, _ = self.make()
        link.receive(FrameType.WELCOME, 0, 0, welcome("calls"), 0.0)
        assert link.may_ask
        link.leave(5)
        assert (link.may_ask, link.may_call, link.is_leaving) == (False, False, True)
        assert wire.written[-1][0] == FrameType.GOAWAY

    def make_slim(self) -> tuple[Link, Wire]:
        wire = Wire()
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        link = Link(wire, 7, "gw", 0.0, cancel=nothing, take=nothing, forget=nothing)
        link.greet(HELLO, slim=True)
        return link, wire

    def test_repr(self) -> None:
        link, _, _, _ = self.make()
        assert repr(link).startswith("<Link gw <Session service greeting s/i>")
