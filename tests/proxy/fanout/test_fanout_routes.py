"""Requests that wait for fan-outs, over a parking, a sender and a clock of the test: whatever comes, in any order."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
import trio.testing

from frames.fields import encode_response
from frames.frame import CancelReason, Method
from frames.wire_values import ForwardedFields
from proxy.errors import BYTES_IN_FLIGHT_FULL, DEADLINE, SERVICE_LOST
from proxy.fanout.asking import Asker, Leg, Question
from proxy.fanout.merged import LegName
from proxy.fanout.plan import Combine, FanOutPlan, LegPlan
from proxy.fanout.routes import FanOuts
from proxy.policy.limits import BytesInFlight
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Done, Outgoing, Place
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import PARKED, Answer, Await, Result, Stage
from proxy.route.table import Route, RouteTable

Told = Callable[[Exchange], None] | None


class Parking:
    """Parks whatever it is given. ``answers``: what each exchange got, in order."""

    def __init__(self) -> None:
        self.parked: dict[int, tuple[Exchange, Told, Told]] = {}
        self.answers: dict[int, list[Any]] = {}
        self.is_full = False

    def park(
        self, exchange: Exchange, stage: Stage, *, on_gone: Told = None, on_expired: Told = None
    ) -> Exchange | None:
        if self.is_full:
            return None
        assert exchange.id not in self.parked
        self.parked[exchange.id] = (exchange, on_gone, on_expired)
        return exchange

    def answer(self, exchange: int, answer: Answer, /) -> None:
        del self.parked[exchange]
        self.answers.setdefault(exchange, []).append(answer.reason.code)

    def pass_on(self, exchange: int, payload: Any, /) -> bool:
        del self.parked[exchange]
        self.answers.setdefault(exchange, []).append(payload)
        return True

    def forget(self, exchange: int, /) -> object:
        return self.parked.pop(exchange)

    def gone(self, exchange: int) -> None:
        kept, on_gone, _ = self.parked.pop(exchange)
        self.answers.setdefault(exchange, []).append("gone")
        if on_gone is not None:
            on_gone(kept)

    def expired(self, exchange: int) -> None:
        kept, _, on_expired = self.parked[exchange]
        if on_expired is not None:
            on_expired(kept)
        if exchange in self.parked:
            self.answer(exchange, Answer(DEADLINE))


class Sender:
    """Takes what is sent, and gives each an id from 1 on."""

    def __init__(self) -> None:
        self.sent: dict[int, Done] = {}
        self.cancelled: list[CancelReason] = []
        self.is_failing = False
        self._last = 0

    def send(self, place: Place, outgoing: Outgoing, done: Done, /) -> int | Answer:
        if self.is_failing:
            raise RuntimeError("a fault of ours")
        self._last += 1
        self.sent[self._last] = done
        return self._last

    def give_up(self, exchange: int, reason: CancelReason, /) -> None:
        del self.sent[exchange]
        self.cancelled.append(reason)

    def answer(self, exchange: int, outcome: Outcome) -> None:
        self.sent.pop(exchange)(outcome)


class Legs:
    """Makes three legs of each request; what it is asked with is its path."""

    def asked_for(self, exchange: Exchange, plan: FanOutPlan, /) -> tuple[bytes, ForwardedFields] | Answer:
        return b"", ForwardedFields(0, b"")

    def legs(self, exchange: Exchange, plan: FanOutPlan, query: bytes, fields: ForwardedFields, /) -> list[Leg]:
        question = Question(Place(1, 2, 3), Outgoing(method=Method.GET, target=b"/", deadline_ms=plan.leg_ms))
        return [Leg(LegName(f"leg-{at}"), question) for at in range(3)]

    def forget(self) -> None:
        pass


def whole(body: bytes = b"ok", status: int = 200) -> Whole:
    return Whole(status, encode_response(status, (), body), len(body))


class Lab:
    """Fan-outs of one route."""

    def __init__(self, **plan: Any) -> None:
        self.now = 100.0
        self.parking, self.sender, self.budget = Parking(), Sender(), BytesInFlight(1_000_000)
        self.asker = Asker(self.sender, self.budget, lambda: self.now)
        self.fan_outs = FanOuts(self.asker, Legs(), lambda: self.parking)
        self.route = Route(1, Method.GET, "/{any}", service="a", deadline_ms=5_000)
        legs = tuple(LegPlan(name=f"leg-{at}", service="a") for at in range(3))
        self.plan = FanOutPlan(name="f", service="a", method=Method.GET, path="/{any}", legs=legs, **plan)
        self.route.fanout = self.plan
        self.snapshot = Snapshot(RouteTable(), Limits(10_000, 30_000))

    def exchange(self, number: int, path: bytes = b"/a", flags: int = 0, method: int = Method.GET) -> Exchange:
        exchange = Exchange(cast("Any", None), self.snapshot)  # nothing asks for a field
        exchange.begin(number, method, flags, path, self.snapshot)
        exchange.route, exchange.deadline_ms, exchange.content_length = self.route, 5_000, 0
        return exchange

    def ask(self, number: int, path: bytes = b"/a", method: int = Method.GET) -> Result:
        return self.fan_outs.ask(self.exchange(number, path, method=method), lambda exchange: None)

    def nothing_is_left(self) -> None:
        fan_outs = self.fan_outs
        assert (len(fan_outs), fan_outs.waiting, fan_outs._flights, fan_outs._waited) == (0, 0, {}, {})
        assert (self.sender.sent, self.parking.parked, self.budget.held, self.asker.under_way) == ({}, {}, 0, 0)


def test_who_cannot_be_parked_is_answered_at_once_and_nobody_is_asked() -> None:
    lab = Lab()
    lab.parking.is_full = True
    assert lab.ask(1) == Answer(BYTES_IN_FLIGHT_FULL)
    lab.nothing_is_left()


def test_a_fault_of_ours_leaves_nothing_behind() -> None:
    lab = Lab(kept_ms=1_000)
    lab.sender.is_failing = True
    with pytest.raises(RuntimeError, match="a fault of ours"):
        lab.ask(1)
    lab.nothing_is_left()


def test_an_answer_is_given_again_for_its_time() -> None:
    lab = Lab(kept_ms=1_000, combine=Combine.FIRST)
    assert lab.ask(1) is PARKED
    lab.sender.answer(2, whole())
    lab.now += 0.9
    assert lab.ask(2) is PARKED
    assert lab.parking.answers == {1: [whole().payload], 2: [whole().payload]}
    lab.now += 0.2
    assert lab.ask(3) is PARKED
    assert len(lab.sender.sent) == 3
    lab.parking.gone(3)
    lab.nothing_is_left()


def test_another_path_is_another_answer() -> None:
    lab = Lab(kept_ms=1_000)
    lab.ask(1, b"/a")
    lab.ask(2, b"/b")
    assert len(lab.sender.sent) == 6


def test_a_change_of_the_configuration_forgets_what_is_kept() -> None:
    lab = Lab(kept_ms=1_000, combine=Combine.FIRST)
    lab.ask(1)
    lab.sender.answer(1, whole())
    lab.fan_outs.forget()
    lab.ask(2)
    assert len(lab.sender.sent) == 3


OUTCOMES: list[Outcome] = [whole(), whole(), whole(b"", 500), Answer(SERVICE_LOST), Answer(DEADLINE)]


def replay(seed: int) -> None:
    """Ask, answer, leave, let time pass, in any order. Every request has one end, and nothing is left in the end."""
    rand = random.Random(seed)
    lab = Lab(
        combine=rand.choice(list(Combine)),
        quorum=2,
        at_once=rand.randint(1, 3),
        stops=rand.random() < 0.5,
        kept_ms=rand.choice([0, 0, 50, 1_000]),
        in_flight_max=rand.randint(1, 4),
        bytes_max=rand.choice([3, 1_000]),
    )
    number, refused = 0, 0
    for _ in range(rand.randint(1, 80)):
        draw = rand.random()
        if draw < 0.35:
            number += 1
            result = lab.ask(number, rand.choice([b"/a", b"/b"]), rand.choice([Method.GET, Method.HEAD]))
            assert result is PARKED or isinstance(result, Answer)
            refused += isinstance(result, Answer)
        elif draw < 0.75 and lab.sender.sent:
            outcome: Outcome = rand.choice(OUTCOMES)
            lab.sender.answer(rand.choice(list(lab.sender.sent)), outcome)
        elif draw < 0.85 and lab.parking.parked:
            lab.parking.gone(rand.choice(list(lab.parking.parked)))
        elif draw < 0.92 and lab.parking.parked:
            lab.parking.expired(rand.choice(list(lab.parking.parked)))
        else:
            lab.now += rand.random() * 0.1
        assert len(lab.fan_outs) <= lab.plan.in_flight_max
        assert lab.asker.under_way == len(lab.sender.sent) <= lab.plan.at_once * len(lab.fan_outs)
        assert lab.fan_outs.waiting == len(lab.parking.parked)
    while lab.parking.parked:
        lab.parking.gone(next(iter(lab.parking.parked)))
    lab.nothing_is_left()
    assert all(len(answers) == 1 for answers in lab.parking.answers.values())
    assert len(lab.parking.answers) == number - refused
    outcomes = lab.fan_outs.outcomes
    assert all(count > 0 for count in outcomes.values())


def test_at_random_every_request_has_one_end_and_nothing_is_left() -> None:
    for seed in range(2_000):
        replay(seed)


async def test_a_request_that_a_task_carries() -> None:
    lab = Lab(combine=Combine.FIRST, kept_ms=1_000)
    exchange = lab.exchange(1, flags=NEEDS_TASK)
    awaited = lab.fan_outs.ask(exchange, lambda _: None)
    assert isinstance(awaited, Await)
    assert awaited.deadline_ms == 5_000
    assert lab.sender.sent == {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(awaited.wait)
        await trio.testing.wait_all_tasks_blocked()
        assert (len(lab.fan_outs), len(lab.sender.sent)) == (1, 3)
        lab.sender.answer(2, whole(b"mine"))
    reply = lab.fan_outs.ask(exchange, lambda _: None)
    assert (reply.status, reply.body) == (200, b"mine")  # type: ignore[union-attr]
    lab.nothing_is_left()
    again = lab.fan_outs.ask(lab.exchange(2, flags=NEEDS_TASK), lambda _: None)
    assert again == reply


async def test_a_task_may_be_cancelled_whenever_it_waits() -> None:
    for steps in range(4):
        lab = Lab()
        awaited = lab.fan_outs.ask(lab.exchange(1, flags=NEEDS_TASK), lambda _: None)
        assert isinstance(awaited, Await)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(awaited.wait)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            for exchange in list(lab.sender.sent)[: steps // 2]:
                lab.sender.answer(exchange, whole())
            nursery.cancel_scope.cancel()
        lab.nothing_is_left()
        assert set(lab.sender.cancelled) <= {CancelReason.CLIENT_GONE}


async def test_what_a_task_left_unasked_for_is_not_kept_for_ever() -> None:
    lab = Lab(combine=Combine.FIRST)
    for number in range(5):
        awaited = lab.fan_outs.ask(lab.exchange(number, flags=NEEDS_TASK), lambda _: None)
        assert isinstance(awaited, Await)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(awaited.wait)
            await trio.testing.wait_all_tasks_blocked()
            lab.sender.answer(max(lab.sender.sent), whole())
    assert len(lab.fan_outs._waited) == 1
