"""Admission over a wire and a parking that are lists and numbers: in any order, everybody has exactly one end."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import cast

import pytest
from request_fields import Fields
from route_support import NO_SNAPSHOT

from frames.wire_values import GroupFigures
from proxy.admission.admitting import Admission
from proxy.admission.refusals import Cause
from proxy.admission.stages import make_limit_concurrency
from proxy.request.caller import Caller
from proxy.request.exchange import FROM_TRUSTED, NEEDS_TASK, Exchange
from proxy.request.route_policy import Concurrency, RoutePolicy
from proxy.request.stage import PARKED, Answer, Stage
from proxy.route.table import Route

GROUP = 7


class Wire:
    """What is in flight is counted here, as the wire does: with each send, and each answer."""

    def __init__(self) -> None:
        self.route_in_flight = [0] * 8
        self.group_in_flight = [0] * 8
        self.on_turn: list[Callable[[], None]] = []
        self.figures = GroupFigures(0, 0, 0)
        self.age = 0

    def group_figures(self, group: int) -> GroupFigures:
        assert group == GROUP
        return self.figures

    def age_ms(self, exchange: int) -> int:
        return self.age

    def send(self, route: int) -> None:
        self.route_in_flight[route] += 1
        self.group_in_flight[GROUP] += 1

    def answered(self, route: int) -> None:
        self.route_in_flight[route] -= 1
        self.group_in_flight[GROUP] -= 1

    def turn(self) -> None:
        for look in tuple(self.on_turn):
            look()


class Parking:
    """Who waits, and what became of those who did."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.parked: dict[int, tuple[Exchange, Callable[[Exchange], None], Callable[[Exchange], None]]] = {}
        self.ends: list[tuple[int, str]] = []
        self.wait_ms: list[int | None] = []
        self.keeps = True
        self.on_answer: Callable[[], object] = lambda: None

    def park(
        self,
        exchange: Exchange,
        stage: Stage,
        *,
        on_gone: Callable[[Exchange], None] | None,
        on_expired: Callable[[Exchange], None] | None,
        wait_ms: int | None,
    ) -> Exchange | None:
        if not self.keeps:
            return None
        assert exchange.id not in self.parked
        assert on_gone
        assert on_expired
        kept = exchange.copy()
        self.parked[exchange.id] = kept, on_gone, on_expired
        self.wait_ms.append(wait_ms)
        return kept

    def answer(self, exchange: int, answer: Answer) -> None:
        del self.parked[exchange]
        self.ends.append((exchange, answer.reason.code))
        self.on_answer()

    def resume(self, exchange: Exchange) -> None:
        del self.parked[exchange.id]
        self.wire.send(exchange.route.index)
        self.ends.append((exchange.id, "sent"))

    def gone(self, exchange: int) -> None:
        kept, on_gone, _ = self.parked.pop(exchange)
        self.ends.append((exchange, "gone"))
        on_gone(kept)

    def expired(self, exchange: int) -> None:
        kept, _, on_expired = self.parked[exchange]
        on_expired(kept)
        if exchange in self.parked:
            del self.parked[exchange]
            self.ends.append((exchange, "deadline"))


class Setting:
    """One service with some routes, and the stage before it."""

    def __init__(self, trusts: Callable[[str], bool] = lambda address: False) -> None:
        self.now_s = 100.0
        self.wire = Wire()
        self.parking = Parking(self.wire)
        self.admission = Admission(self.wire, lambda: self.parking, clock=lambda: self.now_s)
        self.stage = make_limit_concurrency(self.wire, self.admission, trusts)
        self.number = 0

    def route(self, index: int = 1, **policy: object) -> Route:
        concurrency = Concurrency(**policy)  # type: ignore[arg-type]
        template = f"/things/{index}"
        return Route(
            index=index, method=1, template=template, service="things", group=GROUP,
            policy=RoutePolicy(concurrency=concurrency),
        )  # fmt: skip

    def exchange(self, route: Route, *, tenant: bytes = b"", priority: bytes = b"", flags: int = 0) -> Exchange:
        self.number += 1
        exchange = Exchange(Fields({b"x-priority": priority} if priority else {}), NO_SNAPSHOT)
        exchange.begin(self.number, 1, flags, route.template.encode(), NO_SNAPSHOT)
        exchange.route, exchange.deadline_ms = route, 1_000
        exchange.caller = Caller(tenant=tenant) if tenant else None
        return exchange

    def ask(self, route: Route, **more: object) -> str:
        exchange = self.exchange(route, **more)  # type: ignore[arg-type]
        result = self.stage(exchange)
        if result is None:
            self.wire.send(route.index)
            return "sent"
        return "parked" if result is PARKED else cast(Answer, result).reason.code

    @property
    def tally(self) -> dict[str, int]:
        refused = self.admission.tallies["things"].refused
        return {cause.value: count for cause, count in refused.items() if count}


@pytest.fixture
def things() -> Setting:
    return Setting()


def test_a_place_is_taken_until_it_is_answered(things: Setting) -> None:
    route = things.route(service_max=2, waiting=0)
    assert [things.ask(route) for _ in range(3)] == ["sent", "sent", "concurrency_full"]
    things.wire.answered(1)
    assert things.ask(route) == "sent"
    assert things.tally == {"full": 1}


def test_routes_share_the_limit_of_their_service_and_each_has_its_own(things: Setting) -> None:
    one, two = things.route(1, route_max=1, service_max=2, waiting=0), things.route(2, service_max=2, waiting=0)
    assert [things.ask(route) for route in (one, one, two, two)] == [
        *("sent", "concurrency_full"),
        *("sent", "concurrency_full"),
    ]


def test_nobody_goes_past_the_line(things: Setting) -> None:
    route = things.route(service_max=1)
    assert [things.ask(route), things.ask(route)] == ["sent", "parked"]
    things.wire.answered(1)
    assert things.ask(route) == "parked"
    things.wire.turn()
    assert things.parking.ends == [(2, "sent")]
    things.wire.answered(1)
    things.wire.turn()
    assert things.parking.ends == [(2, "sent"), (3, "sent")]
    assert things.wire.on_turn == []
    assert things.ask(route) == "parked"


def test_turns_are_looked_at_only_while_somebody_waits(things: Setting) -> None:
    route = things.route(service_max=1)
    things.ask(route)
    assert len(things.wire.on_turn) == 0
    things.ask(route)
    things.ask(route)
    assert len(things.wire.on_turn) == 1
    things.parking.gone(2)
    things.parking.gone(3)
    things.wire.turn()
    assert things.wire.on_turn == []
    assert things.admission.waiting == 0


def test_two_lines_for_one_limit_take_turns(things: Setting) -> None:
    one, two = things.route(1, service_max=1), things.route(2, service_max=1, waiting=9)
    things.ask(one)
    for route in (one, one, two, two):
        assert things.ask(route) == "parked"
    for index in (1, 1, 2, 1):
        things.wire.answered(index)
        things.wire.turn()
    order = [number for number, _ in things.parking.ends]
    assert sorted(order) == [2, 3, 4, 5]
    assert {order[0], order[1]} & {2, 3}
    assert {order[0], order[1]} & {4, 5}


def test_what_cannot_be_kept_is_refused(things: Setting) -> None:
    route = things.route(service_max=1)
    things.parking.keeps = False
    assert [things.ask(route), things.ask(route)] == ["sent", "concurrency_full"]
    assert things.ask(route, flags=NEEDS_TASK) == "concurrency_full"
    assert things.admission.waiting == 0


def test_a_call_of_a_service_does_not_wait(things: Setting) -> None:
    route = things.route(service_max=1)
    things.ask(route)
    things.number = -1  # its exchange has no number
    assert things.ask(route) == "concurrency_full"


def test_whose_deadline_is_too_near_is_refused_at_once(things: Setting) -> None:
    route = things.route(service_max=1)
    things.ask(route)
    things.wire.age = 1_000
    assert things.ask(route) == "hopeless"
    assert things.tally == {"hopeless": 1}


def test_it_waits_no_longer_than_there_is_hope(things: Setting) -> None:
    route = things.route(service_max=1, wait_ms=900)
    things.ask(route)
    things.wire.age = 600
    assert things.ask(route) == "parked"
    assert things.parking.wait_ms in ([400], [401])
    things.now_s += 0.5
    things.wire.turn()
    assert things.parking.ends == [(2, "hopeless")]


def test_a_timer_that_is_a_little_early_does_not_change_the_reason(things: Setting) -> None:
    route = things.route(service_max=1, wait_ms=900)
    things.ask(route)
    things.wire.age = 600
    assert things.ask(route) == "parked"
    things.now_s += 0.399
    things.parking.expired(2)
    assert things.parking.ends == [(2, "hopeless")]


def test_who_has_waited_for_too_long_is_sent_away_by_its_timer_or_by_a_turn(things: Setting) -> None:
    route = things.route(service_max=1, wait_ms=100)
    things.ask(route)
    things.ask(route)
    things.ask(route)
    things.now_s += 0.101
    things.parking.expired(2)
    things.wire.turn()
    assert things.parking.ends == [(2, "line_too_slow"), (3, "line_too_slow")]
    assert things.tally == {"too_slow": 2}


def test_who_comes_since_another_was_sent_away_finds_a_line(things: Setting) -> None:
    """Requests that wait for another's answer go on by themselves where there is none."""
    one, two = things.route(1, service_max=1, wait_ms=50), things.route(2, service_max=1, wait_ms=90)
    for route in (one, one, one):
        things.ask(route)
    came: list[str] = []
    things.parking.on_answer = lambda: came.append(things.ask(two))
    things.now_s += 0.06
    things.wire.turn()
    assert came == ["parked", "parked"]
    assert [end for _, end in things.parking.ends] == ["line_too_slow", "line_too_slow"]
    things.wire.answered(1)
    things.wire.turn()
    assert things.parking.ends[-1] == (4, "sent")


def test_a_full_line_sends_away_somebody_else_for_who_matters_more() -> None:
    things = Setting(trusts=lambda address: True)
    route = things.route(service_max=1, waiting=1)
    things.ask(route)
    assert things.ask(route, priority=b"low") == "parked"
    assert things.ask(route, priority=b"critical") == "parked"
    assert things.ask(route, priority=b"low") == "line_full"
    assert things.parking.ends == [(2, "line_full")]
    assert things.tally == {"line_full": 2}


@pytest.mark.parametrize(("flags", "ends"), [(FROM_TRUSTED, "parked"), (0, "line_full")])
def test_a_priority_counts_if_it_came_from_somebody_who_is_trusted(things: Setting, flags: int, ends: str) -> None:
    route = things.route(service_max=1, waiting=1)
    things.ask(route)
    things.ask(route)
    assert things.ask(route, priority=b"high", flags=flags) == ends


def test_a_route_that_is_made_again_finds_its_gate(things: Setting) -> None:
    route, again = things.route(service_max=1), things.route(service_max=1)
    things.ask(route)
    things.ask(route)
    assert things.ask(again) == "parked"
    assert again.gate is route.gate


def test_an_adaptive_limit_is_followed_by_all_its_gates(things: Setting) -> None:
    one = things.route(1, service_max=100, is_adaptive=True)
    two = things.route(2, service_max=100, is_adaptive=True, route_max=5)
    for route in (one, two):
        things.ask(route)
    assert (one.gate.service_limit, two.gate.service_limit) == (40, 40)
    things.wire.group_in_flight[GROUP] = 40
    for step in range(1, 40):
        things.now_s += 0.1
        things.wire.figures = GroupFigures(400 * step, 400 * step, 400 * step * 10_000)
        things.admission.learn()
    assert one.gate.service_limit == two.gate.service_limit
    assert one.gate.service_limit > 40


@pytest.mark.parametrize("seed", range(60))
def test_everybody_has_exactly_one_end_and_no_limit_is_passed(seed: int) -> None:
    """Whatever happens in whatever order; in the end nothing is left."""
    random, things = Random(seed), Setting(trusts=lambda address: True)
    most = random.choice((1, 3, 8))
    routes = [
        things.route(1, service_max=most, waiting=random.choice((1, 4))),
        things.route(2, service_max=most, route_max=random.choice((1, 2)), waiting=3, wait_ms=50),
    ]
    begun: Counter[int] = Counter()
    for _ in range(400):
        what, wire, parking = random.random(), things.wire, things.parking
        things.now_s += random.random() * 0.02
        if what < 0.5:
            tenant, priority = b"%d" % random.randrange(3), random.choice((b"", b"low", b"high"))
            ended = things.ask(random.choice(routes), tenant=tenant, priority=priority)
            begun[things.number] += ended == "parked"
        elif what < 0.7:
            index = random.choice([1, 2])
            if wire.route_in_flight[index]:
                wire.answered(index)
        elif what < 0.8 and parking.parked:
            parking.gone(random.choice(list(parking.parked)))
        elif what < 0.85 and parking.parked:
            parking.expired(random.choice(list(parking.parked)))
        else:
            wire.turn()
            waits = [route for route in routes if route.gate and route.gate.line.waiting]
            assert not any(route.gate.has_place(wire.route_in_flight, wire.group_in_flight) for route in waits)
        assert wire.group_in_flight[GROUP] <= most
        assert wire.route_in_flight[2] <= routes[1].policy.concurrency.route_max  # type: ignore[union-attr,operator]
        assert len(parking.parked) == things.admission.waiting
    for number in list(things.parking.parked):
        things.parking.gone(number)
    things.wire.turn()
    ends = Counter(number for number, _ in things.parking.ends)
    assert ends == +begun
    assert (things.admission.waiting, things.wire.on_turn) == (0, [])
    tally = things.admission.tallies["things"]
    assert tally.admitted == sum(end == "sent" for _, end in things.parking.ends)
    assert set(tally.refused) == set(Cause)
