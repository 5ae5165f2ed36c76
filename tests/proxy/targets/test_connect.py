"""The stage that takes a connection, and those who wait: whatever becomes of them, each is told once, and no place is
left behind."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio

from frames.frame import Method
from frames.greeting import EndpointOffer, Hello
from proxy.errors import CONNECT_FAILED, CONNECT_LINE_FULL, DEADLINE
from proxy.pooled import Dial, Fail, Give, TargetKey
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.snapshot import Snapshot
from proxy.request.stage import PARKED, Answer, Await, Result
from proxy.targets.connect import Connecting
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits
from proxy.targets.registry import Registry

KEYS = (TargetKey("a.test", 1), TargetKey("b.test", 2))
THINGS = (Method.GET, "/things", "billing")


def hello(instance: str) -> Hello:
    endpoints = (EndpointOffer(id=7, method="GET", path="/things"),)
    members: dict[str, Any] = {"service": "billing", "version": "1.0.0", "instance": instance, "endpoints": endpoints}
    return Hello(protocol=1, features=(), heartbeat_ms=5000, credit_bytes=0, **members)


class FakeWire:
    """Counts what is in flight, as the wire does."""

    def __init__(self) -> None:
        self.in_flight = [0] * 64
        self.on_turn: list[Callable[[], None]] = []

    def age_ms(self, _exchange: int, /) -> int:
        return 0


class FakeParking:
    """Parks, unless it is full; ``resume`` runs the stage again where the routes are others by now."""

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench
        self.parked: dict[int, tuple[Exchange, Callable[[Exchange], None]]] = {}
        self.late: dict[int, Callable[[Exchange], None]] = {}
        self.is_full = self.finds_anew = False

    def park(self, exchange: Exchange, stage: Any, *, on_gone: Any, on_expired: Any) -> Exchange | None:
        if self.is_full:
            return None
        assert exchange.id not in self.parked
        self.parked[exchange.id] = (exchange, on_gone)
        self.late[exchange.id] = on_expired
        return exchange

    def resume(self, exchange: int, /) -> None:
        entry = self.parked.pop(exchange)[0]
        if self.finds_anew:
            entry.offers = self.bench.offers
            entry.offer = next((offer for offer in entry.offers), entry.offer)
            result = self.bench.connecting.connect(entry, self.bench.stage)
        else:
            result = None
        self.bench.end(entry, result)

    def answer(self, exchange: int, answer: Answer, /) -> None:
        del self.parked[exchange]
        self.bench.ended.append((exchange, answer.reason.code))


class Bench:
    """A pool, a registry, and requests for one route."""

    def __init__(self, **limits: Any) -> None:
        self.wire = FakeWire()
        self.now = 0.0
        given = {"grow_at": 1, "in_flight_max": 1, "per_target": 1, "silent_s": 1e9, **limits}
        self.pool = Pool(PoolLimits(**given), self.wire.in_flight, draw=lambda _low, high: high)
        self.pool.want(KEYS[:1])
        self.registry = Registry()
        self.registry.ring_of = self.pool.greeted
        self.parking = FakeParking(self)
        self.turns = self.handles = self.requests = 0
        self.dialling: list[TargetKey] = []
        self.sent: list[tuple[int, int]] = []
        self.ended: list[tuple[int, str]] = []
        self.connecting = Connecting(
            self.wire, self.pool, lambda: self.parking, take_turn_soon=self.count_turn, clock=lambda: self.now
        )

    def stage(self, exchange: Exchange) -> Result:
        return self.connecting.connect(exchange, self.stage)

    def count_turn(self) -> None:
        self.turns += 1

    @property
    def offers(self) -> Any:
        route = self.registry.routes.get(THINGS)
        return () if route is None else route.offers

    def act(self) -> None:
        for action in self.pool.turn(self.now):
            if isinstance(action, Dial):
                self.dialling.append(action.key)
            elif isinstance(action, Give | Fail):
                self.connecting.tell(action)

    def reach(self, instance: str = "i1") -> int:
        """Let the oldest dial succeed."""
        self.act()
        self.handles += 1
        self.pool.connected(self.dialling.pop(0), self.handles, self.handles, self.now)
        self.registry.hello(self.handles, hello(instance), self.now)
        return self.handles

    def miss(self) -> None:
        self.pool.failed(self.dialling.pop(0), self.now)
        self.act()

    def request(self, *, flags: int = 0, deadline_ms: int = 10_000) -> tuple[Exchange, Result]:
        self.requests += 1
        exchange = Exchange(cast(Any, None), cast(Snapshot, None))
        exchange.begin(self.requests, Method.GET, flags, b"/things", cast(Snapshot, None))
        exchange.deadline_ms, exchange.offers = deadline_ms, self.offers
        exchange.offer = self.offers[0]
        result = self.stage(exchange)
        if result is None:
            self.end(exchange, result)
        elif isinstance(result, Answer):
            self.ended.append((exchange.id, result.reason.code))
        return exchange, result

    def end(self, exchange: Exchange, result: Result) -> None:
        """Behind the stage: what is not parked again is sent."""
        if result is None:
            handle = exchange.offer.connection
            assert exchange.offer.slot == handle
            self.wire.in_flight[handle] += 1
            assert self.wire.in_flight[handle] <= self.pool.limits.in_flight_max
            self.sent.append((exchange.id, handle))
        elif isinstance(result, Answer):
            self.ended.append((exchange.id, result.reason.code))
        else:
            assert result is PARKED

    def answered(self, handle: int = 1) -> None:
        """The service has answered one, and the wire's step is over."""
        self.wire.in_flight[handle] -= 1
        self.look()

    def look(self) -> None:
        for look in tuple(self.wire.on_turn):
            look()

    def nothing_is_left(self) -> None:
        self.look()
        assert (self.pool._lines._given, len(self.pool._lines), self.wire.on_turn) == ({}, 0, [])
        assert repr(self.connecting) == "<Connecting parked=0 in_tasks=0>"
        assert self.connecting._served == {}


def test_who_finds_a_connection_takes_it_and_nothing_is_done() -> None:
    bench = Bench()
    bench.reach()
    _, result = bench.request()
    assert (result, bench.sent, bench.turns, bench.wire.on_turn) == (None, [(1, 1)], 0, [])


def test_a_further_connection_is_another_offer_of_the_same_instance() -> None:
    bench = Bench(per_target=2, warm=2)
    bench.reach()
    bench.reach()
    one, two = bench.request()[0], bench.request()[0]
    assert (one.offer.connection, two.offer.connection, two.offer.slot) == (1, 2, 2)
    assert one.offer.instance is two.offer.instance


@pytest.mark.parametrize("finds_anew", [False, True])
def test_who_is_parked_goes_on_when_there_is_room(finds_anew: bool) -> None:
    bench = Bench()
    bench.parking.finds_anew = finds_anew
    bench.reach()
    bench.request()
    assert bench.request()[1] is PARKED
    assert bench.request()[1] is PARKED
    bench.answered()
    bench.answered()
    assert bench.sent == [(1, 1), (2, 1), (3, 1)]
    bench.nothing_is_left()


def test_who_was_given_a_connection_that_is_gone_when_the_routes_are_found_anew_waits_again() -> None:
    bench = Bench()
    bench.parking.finds_anew = True
    bench.reach()
    bench.request()
    bench.request()
    bench.wire.in_flight[1] = 0
    told = bench.pool.serve(0)
    bench.pool.going(1)
    for one in told:
        assert isinstance(one, Give)
        bench.connecting.tell(one)
    assert (bench.sent, list(bench.parking.parked)) == ([(1, 1)], [2])
    bench.pool.lost(1, 0)
    bench.registry.lost(1)
    bench.now = 1
    bench.reach()
    bench.look()
    assert bench.sent == [(1, 1), (2, 2)]
    bench.nothing_is_left()


@pytest.mark.parametrize("how", ["gone", "expired", "dead"])
def test_whoever_leaves_leaves_no_place_behind(how: str) -> None:
    bench = Bench()
    bench.reach()
    bench.request()
    waiting, _ = bench.request(deadline_ms=1_000)
    if how == "dead":
        bench.now = 1
        bench.look()
        assert bench.ended == [(2, DEADLINE.code)]
    else:
        told = bench.parking.parked.pop(2)[1] if how == "gone" else bench.parking.late[2]
        bench.parking.parked.pop(2, None)
        told(waiting)
    assert bench.pool.statistics().refusals["dead"] == (how != "gone")
    bench.answered()
    assert bench.request()[1] is None
    bench.nothing_is_left()


def test_who_finds_the_line_full_or_nobody_there_is_told_so_at_once() -> None:
    bench = Bench(waiting_max=1)
    bench.reach()
    bench.request()
    bench.request()
    bench.request()
    assert bench.ended == [(3, CONNECT_LINE_FULL.code)]
    offers = bench.offers
    bench.pool.lost(1, 0)
    bench.now = 1
    bench.act()
    bench.miss()
    exchange = bench.request()[0]
    assert bench.ended[1:] == [(2, CONNECT_FAILED.code), (4, CONNECT_FAILED.code)]
    assert exchange.offer is offers[0]


def test_who_is_told_that_nobody_is_there_goes_to_another_instance() -> None:
    bench = Bench()
    bench.pool.want(KEYS)
    bench.reach("i1")
    bench.reach("i2")
    bench.wire.in_flight[1] = bench.wire.in_flight[2] = 1
    exchange, result = bench.request()
    assert result is PARKED
    exchange.offers = bench.offers
    bench.pool.lost(1, 0)
    bench.now = 1
    bench.act()
    bench.miss()
    assert exchange.offer.connection == 2, "which has no room either, so it waits there"
    bench.answered(2)
    assert bench.sent == [(1, 2)]
    bench.nothing_is_left()


async def test_who_cannot_be_parked_waits_in_its_task() -> None:
    bench = Bench()
    bench.reach()
    bench.request()
    exchange, result = bench.request(flags=NEEDS_TASK)
    assert isinstance(result, Await)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(result.wait)
        await trio.testing.wait_all_tasks_blocked()
        assert bench.turns > 0
        bench.answered()
    bench.end(exchange, bench.stage(exchange))
    assert bench.sent == [(1, 1), (2, 1)]
    bench.nothing_is_left()


@pytest.mark.parametrize("is_given", [False, True])
async def test_a_task_that_is_cancelled_leaves_no_place_behind(is_given: bool) -> None:
    bench = Bench()
    bench.parking.is_full = True
    bench.reach()
    bench.request()
    _, result = bench.request()
    assert isinstance(result, Await)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(result.wait)
        await trio.testing.wait_all_tasks_blocked()
        if is_given:
            bench.answered()
        nursery.cancel_scope.cancel()
    if is_given:  # it was woken before it was cancelled, and its stage is not asked again
        bench.look()
    else:
        bench.answered()
    assert bench.request()[1] is None
    bench.nothing_is_left()


def test_a_task_that_never_begins_leaves_no_place_behind() -> None:
    bench = Bench()
    bench.reach()
    bench.request()
    assert isinstance(bench.request(flags=NEEDS_TASK)[1], Await)
    bench.answered()
    bench.now = 1.1
    bench.look()
    assert bench.request()[1] is None
    bench.nothing_is_left()


def test_whatever_happens_each_request_ends_once() -> None:
    for seed in range(60):
        rand = random.Random(seed)
        bench = Bench(in_flight_max=2, per_target=2, waiting_max=6, warm=rand.randint(0, 1), idle_s=5)
        bench.parking.finds_anew = rand.random() < 0.5
        bench.pool.want(KEYS)
        bench.reach("i1")
        gone = 0
        for _ in range(200):
            bench.now += rand.choice((0.0, 0.05, 0.3, 2.0))
            what = rand.choices(("ask", "answer", "turn", "reach", "miss", "lose", "gone"), (8, 8, 6, 3, 1, 1, 1))[0]
            busy = [handle for handle, count in enumerate(bench.wire.in_flight) if count]
            if what == "ask" and bench.offers:
                bench.request(deadline_ms=rand.choice((10, 1_000, 60_000)))
            elif what == "answer" and busy:
                bench.answered(rand.choice(busy))
            elif what == "turn":
                bench.act()
                bench.look()
            elif what in ("reach", "miss") and bench.dialling:
                if what == "reach" and bench.handles < 60:
                    bench.reach(f"i-{bench.dialling[0].host}")
                else:
                    bench.miss()
            elif what == "lose" and bench.pool._connections:
                handle = rand.choice(list(bench.pool._connections))
                bench.wire.in_flight[handle] = 0
                bench.pool.lost(handle, bench.now)
                bench.registry.lost(handle)
            elif what == "gone" and bench.parking.parked:
                number = rand.choice(list(bench.parking.parked))
                exchange, on_gone = bench.parking.parked.pop(number)
                on_gone(exchange)
                gone += 1
        for exchange, on_gone in bench.parking.parked.values():
            on_gone(exchange)
            gone += 1
        bench.parking.parked.clear()
        over = [number for number, _ in bench.sent + bench.ended]
        assert len(over) == len(set(over)), f"seed {seed}"
        assert len(over) + gone == bench.requests, f"seed {seed}"
        bench.look()
        assert (bench.pool._lines._given, len(bench.pool._lines)) == ({}, 0), f"seed {seed}"
