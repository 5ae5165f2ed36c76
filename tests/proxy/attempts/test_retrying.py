"""Sending again, over a wire that is made up: what is asked of it, and that nothing is left whatever happens."""

import random
from typing import Any

import pytest

from frames.frame import CancelReason, Method
from frames.wire_values import ExchangeFacts, SendHow, WireResult
from proxy.attempts.judging import Why
from proxy.attempts.notes import Notes
from proxy.attempts.profiles import BUILT_IN, Profile, plan_of
from proxy.attempts.retrying import Retrying
from proxy.errors import BAD_RESPONSE, SERVICE_LOST, SERVICE_OVERLOADED
from proxy.request.failure import Failure, FailureKind
from proxy.request.offer import Offer
from proxy.request.stage import Answer
from proxy.route.table import Route
from proxy.targets.instance import Instance

LOST = Failure(FailureKind.LOST, Answer(SERVICE_LOST))
UNSENT = LOST._replace(is_started=False)
REFUSED = Failure(FailureKind.REFUSED, Answer(SERVICE_OVERLOADED), is_started=False)
ANSWERED = Failure(FailureKind.ANSWERED, Answer(BAD_RESPONSE), status=503, payload=b"\x01\xf7\0\0no")
BAD = Failure(FailureKind.BAD, Answer(BAD_RESPONSE), cancel=CancelReason.BAD_RESPONSE)
FIRST = SendHow.KEEP | SendHow.HOLD | SendHow.TELL
LAST = SendHow.KEEP | SendHow.TELL
EXCHANGE = 5 << 32 | 7


def offer(connection: int, name: str = "", **more: Any) -> Offer:
    instance = Instance("billing", name or f"b-{connection}", connection, 0.0)
    return Offer(
        slot=connection,
        connection=connection,
        endpoint_id=9,
        deadline_ms=None,
        idempotent=False,
        streams=False,
        instance=instance,
        **{"gauge": connection * 10, **more},
    )


class FakeWire:
    """Keeps a transcript, and where each exchange stands: with a connection, undecided, or gone."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.sent_to: dict[int, int] = {}
        self.attempts: dict[int, int] = {}
        self.kept_bytes = 100
        self.remaining_ms = 10_000
        self.refuses: set[int] = set()

    def begin(self, exchange: int, connection: int) -> None:
        self.sent_to[exchange], self.attempts[exchange] = connection, 1

    def facts(self, exchange: int) -> ExchangeFacts | None:
        if exchange not in self.attempts:
            return None
        connection, attempt = self.sent_to[exchange], self.attempts[exchange]
        return ExchangeFacts(connection, 3, 0, self.remaining_ms, self.kept_bytes, attempt, Method.GET, True)

    def again(self, exchange: int, connection: int, *rest: int) -> int:
        self.calls.append(("again", connection, *rest))
        if connection in self.refuses or not connection:
            return WireResult.NO_CONNECTION
        assert not self.sent_to[exchange], "it is with a service already"
        assert rest[-2] > self.attempts[exchange], "an attempt has a number of its own"
        self.sent_to[exchange], self.attempts[exchange] = connection, rest[-2]
        return WireResult.OK

    def wait(self, exchange: int, milliseconds: int) -> int:
        self.calls.append(("wait", milliseconds))
        return WireResult.OK

    def cancel(self, exchange: int, reason: int) -> int:
        self.calls.append(("cancel", CancelReason(reason).name))
        self.sent_to[exchange] = 0
        return WireResult.OK


class Budget:
    def __init__(self) -> None:
        self.tokens = 1_000
        self.held = 0

    def take(self, service: str) -> bool:
        assert service == "billing"
        self.tokens -= self.tokens > 0
        return self.tokens > 0

    def reserve(self, byte_count: int) -> bool:
        self.held += byte_count
        return True

    def release(self, byte_count: int) -> None:
        self.held -= byte_count
        assert self.held >= 0


class Stand:
    """One route, whose offers are those over the given connections; an exchange that was sent over the first."""

    def __init__(self, *connections: int, method: Method = Method.GET, profile: Profile | None = None) -> None:
        self.wire, self.budget, self.notes = FakeWire(), Budget(), Notes()
        self.names = {connection: f"billing/b-{connection}" for connection in range(100)}
        profiles = {**BUILT_IN, **({profile.name: profile} if profile else {})}
        plan = plan_of(method, is_idempotent=False, name=profile.name if profile else "", profiles=profiles)
        self.route: Route | None = Route(3, method, "/", tuple(map(offer, connections)), service="billing", plan=plan)
        self.retrying = Retrying(
            self.wire,
            self.budget,
            self.budget,
            self.notes,
            route_of=lambda index: self.route,
            instance_of=self.names.__getitem__,
            choose=lambda offers: offers[0] if offers else None,
            connect=lambda chosen: chosen.connection,
            rand=lambda: 0.999999,
            now_s=lambda: 0.0,
        )
        self.wire.begin(EXCHANGE, connections[0])

    def offers(self, *offers: Offer) -> None:
        assert self.route is not None
        self.route.offers = offers

    def fails(self, failure: Failure) -> Failure | None:
        connection = self.wire.sent_to[EXCHANGE]
        if failure.cancel is None:
            self.wire.sent_to[EXCHANGE] = 0
        return self.retrying.failed(EXCHANGE, connection, failure)

    def wakes(self) -> Failure | None:
        return self.retrying.early(EXCHANGE, self.wire.sent_to[EXCHANGE])

    def took(self) -> list[tuple[Any, ...]]:
        calls, self.wire.calls = self.wire.calls, []
        return calls


def test_it_waits_then_goes_to_another_instance_with_the_next_number() -> None:
    stand = Stand(1, 2)
    assert stand.fails(LOST) is None
    assert stand.took() == [("wait", 25)]
    assert stand.retrying.waiting == (EXCHANGE,)
    assert stand.wakes() is None
    assert stand.took() == [("again", 2, 3, 9, 20, FIRST, 2, 0)]
    assert not stand.retrying.waiting
    assert stand.fails(ANSWERED) is None
    assert stand.took() == [("wait", 50)]
    assert stand.budget.held == len(ANSWERED.payload)
    assert stand.wakes() is None
    assert stand.took() == [("again", 1, 3, 9, 10, LAST, 3, 0)]  # its answer is final: it need not be held
    assert stand.budget.held == 0
    told = stand.fails(ANSWERED)
    assert told is not None
    assert (told.status, told.payload, told.is_started) == (503, ANSWERED.payload, True)
    assert len(stand.retrying) == 0
    assert dict(stand.retrying.sent) == {FailureKind.LOST: 1, FailureKind.ANSWERED: 1}
    assert dict(stand.retrying.given_up) == {Why.ATTEMPTS: 1}


def test_what_costs_nothing_goes_at_once() -> None:
    stand = Stand(1, 2)
    assert stand.fails(UNSENT) is None
    assert [call[0] for call in stand.took()] == ["again"]


def test_what_is_still_with_its_service_is_taken_back_first() -> None:
    stand = Stand(1, 2)
    assert stand.fails(BAD) is None
    assert stand.took() == [("cancel", "BAD_RESPONSE"), ("wait", 25)]
    stand = Stand(1, 2, profile=Profile(name="quick", attempt_ms=100))
    assert stand.retrying.early(EXCHANGE, 1) is None
    assert stand.took() == [("cancel", "DEADLINE"), ("again", 2, 3, 9, 20, FIRST, 2, 100)]


def test_an_attempt_whose_time_is_over_stays_where_there_can_be_no_other() -> None:
    stand = Stand(1, 2, profile=Profile(name="quick", attempt_ms=100))
    stand.budget.tokens = 0
    assert stand.retrying.early(EXCHANGE, 1) is None
    assert stand.took() == [("wait", 3_600_000)]  # to its deadline, which comes first
    assert dict(stand.retrying.given_up) == {Why.BUDGET: 1}


def test_an_instance_that_came_back_is_the_one_that_was_asked() -> None:
    stand = Stand(1, 2)
    assert stand.fails(LOST) is None
    stand.names[5] = "billing/b-1"
    stand.offers(offer(5, "b-1"), offer(2))
    assert stand.wakes() is None
    assert stand.took()[-1][:2] == ("again", 2)


def test_who_cannot_take_it_is_passed_by() -> None:
    stand = Stand(1, 2, 3)
    stand.wire.refuses = {2}
    assert stand.fails(UNSENT) is None
    assert [call[:2] for call in stand.took()] == [("again", 2), ("again", 3)]


def test_where_nobody_is_it_looks_again_and_takes_no_more_of_the_budget() -> None:
    stand = Stand(1)
    stand.wire.refuses = {1}
    assert stand.fails(ANSWERED) is None
    tokens = stand.budget.tokens
    waits = [call[1] for call in stand.took()]
    while stand.wakes() is None:
        waits += [call[1] for call in stand.took() if call[0] == "wait"]
        assert stand.budget.held == len(ANSWERED.payload)
    assert waits == [25, 50, 100, 200, 250]
    assert stand.budget.tokens == tokens
    assert stand.budget.held == 0
    assert len(stand.retrying) == 0


def test_what_a_service_said_is_told_rather_than_that_nobody_was_there_afterwards() -> None:
    stand = Stand(1)
    assert stand.fails(ANSWERED) is None
    stand.route = None
    told = None
    while told is None:
        told = stand.wakes()
    assert (told.kind, told.payload) == (FailureKind.ANSWERED, ANSWERED.payload)


def test_a_failure_that_no_service_has_started_was_started_if_one_before_it_was() -> None:
    stand = Stand(1, 2)
    assert stand.fails(LOST) is None
    assert stand.wakes() is None
    stand.wire.remaining_ms = 0
    told = stand.fails(REFUSED)
    assert told is not None
    assert told.answer.detail == "It was not sent again: the wait would be longer than its deadline."
    assert told.is_started
    stand = Stand(1, 2)
    stand.wire.remaining_ms = 0
    told = stand.fails(REFUSED)
    assert told is not None
    assert not told.is_started


def test_an_exchange_that_is_gone_is_nobodys() -> None:
    stand = Stand(1, 2)
    assert stand.fails(LOST) is None
    del stand.wire.attempts[EXCHANGE]
    assert stand.wakes() is None  # an event says so
    stand.retrying.forget(EXCHANGE)
    assert len(stand.retrying) == 0
    assert stand.retrying.failed(99, 1, LOST) is LOST
    assert stand.retrying.early(99, 1) is not None


def test_a_route_that_is_gone_sends_nothing_again() -> None:
    stand = Stand(1, 2)
    stand.route = None
    assert stand.fails(LOST) is LOST
    assert stand.took() == []


@pytest.mark.parametrize("seed", range(300))
def test_whatever_happens_each_request_has_one_end_and_nothing_is_left(seed: int) -> None:
    """A list of random events; each exchange is told once, or forgotten, or answered by a service."""
    chance = random.Random(seed)
    profile = Profile(
        name="any",
        attempts=chance.randint(1, 5),
        attempt_ms=chance.choice([0, 100]),
        backoff_ms=chance.choice([0, 25]),
        elsewhere=chance.random() < 0.7,
    )
    stand = Stand(1, 2, 3, profile=profile, method=chance.choice([Method.GET, Method.POST]))
    stand.retrying._rand = chance.random
    stand.budget.tokens = chance.choice([0, 5, 1_000])
    wire, retrying = stand.wire, stand.retrying
    live = set(range(EXCHANGE, EXCHANGE + 20))
    for exchange in live:
        wire.begin(exchange, chance.randint(1, 3))
    failures = [LOST, UNSENT, REFUSED, ANSWERED, ANSWERED._replace(status=500), BAD]
    sendings = len(live)
    while live:
        exchange = chance.choice(sorted(live))
        wire.remaining_ms = chance.choice([0, 10, 60, 10_000])
        wire.refuses = set(chance.sample([1, 2, 3], chance.randint(0, 3)))
        is_waiting = exchange in retrying.waiting
        assert is_waiting == (not wire.sent_to[exchange])
        told: Failure | None
        if chance.random() < 0.15:  # its client leaves, its deadline passes, or its answer is good
            retrying.forget(exchange)
            told = LOST
        elif is_waiting:
            told = retrying.early(exchange, 0)
        elif chance.random() < 0.2:
            told = retrying.early(exchange, wire.sent_to[exchange])
        else:
            failure, connection = chance.choice(failures), wire.sent_to[exchange]
            if failure.cancel is None:
                wire.sent_to[exchange] = 0
            told = retrying.failed(exchange, connection, failure)
        if told is not None:
            live.discard(exchange)
            del wire.attempts[exchange]
        assert stand.budget.tokens >= 0
        assert len(retrying) <= len(live)
    assert len(retrying) == 0
    assert retrying.waiting == ()
    assert stand.budget.held == 0
    sendings += sum(retrying.sent.values())
    assert sendings <= 20 * profile.attempts
    if stand.route is not None and not stand.route.plan.repeats:
        assert set(retrying.sent) <= {FailureKind.LOST, FailureKind.REFUSED, FailureKind.NOBODY}


def test_notes_are_of_one_exchange_and_no_other_of_its_slot() -> None:
    notes = Notes()
    exchange: Any = type("", (), {"id": EXCHANGE, "offers": (offer(1),)})()
    notes.choose(exchange)
    notes.put_key(EXCHANGE)
    notes.nest(EXCHANGE)
    other = EXCHANGE + (1 << 32)
    assert (notes.chosen(EXCHANGE), notes.has_key(EXCHANGE), notes.is_nested(EXCHANGE)) == (exchange.offers, True, True)
    assert (notes.chosen(other), notes.has_key(other), notes.is_nested(other)) == (None, False, False)
