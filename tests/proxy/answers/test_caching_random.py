"""The stage of the cache over a wire that only notes down: random lives, each of which has one end."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest
from request_fields import Fields
from route_support import offer, route

from frames.fields import encode_response
from frames.frame import FieldId, Method
from frames.wire_values import EXPIRED_EARLY, HEAD_PLAIN, Event, EventKind, RequestHead, WireResult
from proxy.answers.caching import Caching
from proxy.answers.kept import Kept
from proxy.errors import DEADLINE, NO_INSTANCE, SERVICE_LOST
from proxy.request.ended import GONE, Ended, Endings
from proxy.request.exchange import Exchange
from proxy.request.parked import Parking
from proxy.request.route_policy import CacheRule, RoutePolicy
from proxy.request.snapshot import Snapshot
from proxy.request.stage import PARKED, Answer, Result, Stage

SNAPSHOT = cast(Snapshot, None)


class World:
    """Requests by number: which are with the service, and how each has ended. It is the wire and the lane, too."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0
        self.with_service: set[int] = set()
        self.ends: dict[int, str] = {}
        self.bodies: dict[int, bytes] = {}
        self.requests: dict[int, Fields] = {}
        self.targets: dict[int, bytes] = {}
        self.endings: Endings = {}
        self.takers: dict[int, Callable[[Event], None]] = {}
        self.refreshing: list[Callable[[Ended], None]] = []
        self.snapshot = SNAPSHOT
        everything: Any = self
        self.parking = Parking(everything, self.takers, everything, after=self.after, send=self.send)
        self.caching = Caching(
            self,
            Kept(20_000, 8_000),
            lambda: self.endings,
            lambda: self.parking,
            wait_ms=500,
            refresh=self.refresh,
            now_ms=lambda: self.now,
        )
        self.route = route((offer("b-1"),), RoutePolicy(cache=CacheRule(ttl_ms=2_000, stale_ms=2_000)))

    # ---- the wire, as the stage and the parking see it ----

    def __getattr__(self, name: str) -> Any:
        asked_of = {"named_field", "request_field", "caller", "client_address", "set_context"}
        if name not in asked_of:
            raise AttributeError(name)
        return lambda number, *more: getattr(self.requests[number], name)(number, *more)

    def request_head(self, number: int) -> RequestHead | None:
        return RequestHead(HEAD_PLAIN, 0, self.targets[number], 0, 0)

    def is_secured(self, number: int) -> bool:
        return False

    def request_head_fields(self, number: int) -> list[tuple[int, bytes, bytes]]:
        return [(0, name, value) for name, value in self.requests[number].fields.items()]

    def keep(self, number: int, deadline_ms: int, identity: object) -> int:
        return WireResult.OK if self.chance.random() < 0.9 else WireResult.NO_ROOM

    def wait(self, number: int, milliseconds: int) -> None:
        pass

    def flush_soon(self) -> None:
        pass

    def pass_on(self, number: int, payload: bytes) -> int:
        self.end(number, "passed on")
        return WireResult.OK

    # ---- the lane ----

    def answer(self, number: int, answer: Any, *_: Any) -> int:
        self.end(number, "answered")
        take = self.endings.pop(number, None)
        if take is not None:
            take(Ended(answer=answer))
        return WireResult.OK

    def client_gone(self, number: int) -> None:
        self.with_service.discard(number)
        self.end(number, "gone")
        take = self.endings.pop(number, None)
        if take is not None:
            take(GONE)

    def fail(self, exchange: Exchange, error: Exception) -> None:
        raise error

    def after(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Result:
        return Answer(NO_INSTANCE) if self.chance.random() < 0.1 else None

    def send(self, exchange: Exchange) -> None:
        self.with_service.add(exchange.id)

    def refresh(self, exchange: Exchange, done: Callable[[Ended], None]) -> bool:
        self.refreshing.append(done)
        return True

    # ---- what happens ----

    def end(self, number: int, how: str) -> None:
        assert number not in self.ends, (number, how, self.ends[number])
        self.ends[number] = how

    def ask(self, number: int) -> None:
        chance = self.chance
        fields = {b"host": b"edge", b"accept": chance.choice([b"a", b"b"])}
        if chance.random() < 0.1:
            fields[b"cache-control"] = chance.choice([b"no-cache", b"no-store", b"max-age=0"])
        self.requests[number], self.targets[number] = Fields(fields), b"/%d" % chance.randrange(3)
        exchange = Exchange(self, SNAPSHOT)
        method = Method.POST if chance.random() < 0.05 else Method.GET
        exchange.begin(number, method, 0, b"/", SNAPSHOT)
        exchange.route, exchange.offers, exchange.deadline_ms = self.route, self.route.offers, 1_000
        result = self.caching.stage(exchange)
        if result is None:
            self.with_service.add(number)
        elif result is not PARKED:
            assert isinstance(result, Answer)
            self.answer(number, result)

    def land(self, number: int) -> None:
        """The service answers, or is lost."""
        self.with_service.discard(number)
        if self.chance.random() < 0.15:
            self.answer(number, Answer(SERVICE_LOST))
            return
        self.end(number, "sent alone")
        take = self.endings.pop(number, None)
        if take is not None:
            take(self.answered())

    def answered(self) -> Ended:
        kinds = [[], [], [(b"vary", b"accept")], [(b"cache-control", b"no-store")]]
        fields = [(FieldId.NAMED, *field) for field in self.chance.choice(kinds)]
        status = self.chance.choice([200, 200, 200, 404, 503])
        return Ended(status, encode_response(status, fields, b"x" * self.chance.randrange(2_000)))

    def tell(self, kind: EventKind, number: int, flags: int = 0) -> None:
        take = self.takers.get(number)
        if take is not None:
            take((number, 0, kind, 0, flags, 0, 0, 0, 0, 0, 0))
        elif kind == EventKind.CLIENT_GONE:
            self.client_gone(number)
        else:
            self.with_service.discard(number)
            self.answer(number, Answer(DEADLINE))

    @property
    def open(self) -> list[int]:
        return sorted(self.requests.keys() - self.ends.keys())


@pytest.mark.parametrize("seed", range(200))
def test_each_request_has_one_end_and_nobody_waits_for_ever(seed: int) -> None:
    live(seed)


def test_everything_happens_in_these_lives() -> None:
    outcomes = Counter[str]()
    for seed in range(20):
        outcomes.update(live(seed).caching.figures.outcomes)
    assert all(outcomes[outcome] for outcome in ("miss", "hit", "stale", "collapsed", "bypass")), outcomes


def live(seed: int) -> World:
    world = World(seed)
    chance, caching = world.chance, world.caching
    for number in range(1, 150):
        world.now += chance.randrange(400)
        world.ask(number)
        for _ in range(chance.randrange(3)):
            operation, sent = chance.randrange(10), sorted(world.with_service)
            if operation < 5 and sent:
                world.land(chance.choice(sent))
            elif operation == 5 and world.refreshing:
                lost = Ended(answer=Answer(SERVICE_LOST))
                world.refreshing.pop(0)(world.answered() if chance.random() < 0.8 else lost)
            elif operation == 6 and world.open:
                world.tell(EventKind.CLIENT_GONE, chance.choice(world.open))
            elif operation == 7 and world.open:
                one = chance.choice(world.open)
                flags = EXPIRED_EARLY if one in world.parking and chance.random() < 0.7 else 0
                world.tell(EventKind.EXPIRED, one, flags)
        waiting = {one for flight in caching._flights.values() for one in flight.waiters}
        assert waiting == set(caching._waiting) == {one for one in world.open if one in world.parking}
        assert all(flight.waiters is not None for flight in caching._flights.values())
        assert len(world.open) == len(waiting) + len(world.with_service)
    while world.with_service:
        world.land(min(world.with_service))
    assert (world.open, world.endings, world.takers, caching._flights, len(world.parking)) == ([], {}, {}, {}, 0)
    assert caching.kept.byte_count <= caching.kept.bytes_max
    return world
