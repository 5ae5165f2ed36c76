"""Second attempts over a wire of the test: whatever comes, in any order, each request has one end."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from frames.fields import encode_response
from frames.frame import END, CancelReason, FrameType, Method
from frames.wire_values import Event, EventKind, ExchangeFacts, WireResult
from proxy.admin.latency import COUNTS, index_of, upper_bound_us
from proxy.attempts.hedging import MADE, Hedged, HedgeDelays, Hedging
from proxy.attempts.notes import Notes
from proxy.attempts.profiles import READ, Plan
from proxy.errors import BAD_RESPONSE, SERVICE_LOST
from proxy.policy.limits import BytesInFlight
from proxy.request.failure import Failure, FailureKind
from proxy.request.offer import Offer
from proxy.request.stage import Answer
from proxy.route.table import Route
from proxy.targets.instance import Instance

LOST = Failure(FailureKind.LOST, Answer(SERVICE_LOST))
BROKEN = Failure(FailureKind.ANSWERED, Answer(BAD_RESPONSE), status=503, payload=encode_response(503, (), b"broken"))
BRANCHES = 1 << 20


class Wire:
    """Exchanges from 1 on, each kept and sent once; branches above them. arena: the payload of the event at hand."""

    def __init__(self) -> None:
        self.arena = b""
        self.branches: set[int] = set()
        self.sent: dict[int, int] = {}
        self.cancelled: list[tuple[int, int]] = []
        self.waits: list[tuple[int, int]] = []
        self.kept_bytes = 100
        self.result = WireResult.OK
        self._last = BRANCHES

    def facts(self, exchange: int) -> ExchangeFacts | None:
        return ExchangeFacts(1, 1, 1, 5_000, self.kept_bytes, 1, Method.GET, True)

    def branch(self, exchange: int) -> int:
        self._last += 1
        self.branches.add(self._last)
        return self._last

    def again(self, exchange: int, connection: int, *rest: int) -> int:
        if self.result is WireResult.OK:
            self.sent[exchange] = connection
        return self.result

    def wait(self, exchange: int, milliseconds: int) -> int:
        self.waits.append((exchange, milliseconds))
        return 0

    def cancel(self, exchange: int, reason: int) -> int:
        self.cancelled.append((exchange, reason))
        return 0

    def end(self, exchange: int) -> int:
        self.branches.remove(exchange)
        self.sent.pop(exchange, None)
        return 0

    def route_latency(self, route: int) -> list[int]:
        counts = [0] * COUNTS
        counts[index_of(1_500)] = 1_000
        return counts


def offer(name: str, connection: int, *, streams: bool = False) -> Offer:
    instance = Instance("a", name, connection, 0.0)
    return Offer(
        slot=connection,
        connection=connection,
        endpoint_id=1,
        deadline_ms=None,
        idempotent=True,
        streams=streams,
        instance=instance,
    )


class Lab:
    """One route with two instances. The first attempts are on connection 1."""

    def __init__(self, hedge: float = 100.0, attempt_ms: int = 0, *, tokens: int = 1_000_000) -> None:
        self.wire, self.memory = Wire(), BytesInFlight(1_000)
        self.takers: dict[int, Any] = {}
        self.tokens = tokens
        self.is_well = True
        self.settled: dict[int, list[Failure]] = {}
        self.failed: dict[int, list[Failure]] = {}
        profile = cast("Any", SimpleNamespace)(**{name: getattr(READ, name) for name in READ.__struct_fields__})
        profile.hedge, profile.attempt_ms = hedge, attempt_ms
        self.route = Route(1, Method.GET, "/a", service="a", offers=(offer("one", 1), offer("two", 2)))
        self.route.plan = Plan(profile, True, False, True)
        self.delays = HedgeDelays(self.wire.route_latency, upper_bound_us, lambda: 0.0)
        self.notes = Notes()
        self.hedging = Hedging(
            self.wire,
            self.takers,
            cast("Any", SimpleNamespace(take=self._take)),
            self.memory,
            self.notes,
            self.delays,
            instance_of=lambda connection: f"a/{'one' if connection == 1 else 'two'}",
            is_well=lambda connection, gauge: self.is_well,
            connect=lambda offer: offer.connection,
            choose=lambda offers: offers[0] if offers else None,
            settle=lambda exchange, failure: self.settled.setdefault(exchange, []).append(failure),
            failed=lambda exchange, _, failure: self.failed.setdefault(exchange, []).append(failure),
        )
        for _ in range(100):
            self.delays.time(self.route)

    def _take(self, service: str) -> bool:
        self.tokens -= 1
        return self.tokens >= 0

    def early(self, exchange: int) -> bool:
        return self.hedging.early(exchange, 1, self.route)

    def answer(self, branch: int, status: int = 200, body: bytes = b"ok", flags: int = END) -> None:
        payload = encode_response(status, (), body)
        self.wire.arena = payload
        stream: Event = (
            branch,
            2,
            EventKind.STREAM,
            FrameType.RESPONSE,
            flags,
            0,
            len(payload),
            status,
            len(body),
            0,
            0,
        )
        self.takers[branch](stream)

    def tell(self, branch: int, kind: EventKind) -> None:
        self.takers[branch]((branch, 2, kind, 0, 0, 0, 0, 0, 0, 0, 0))

    def nothing_is_left(self) -> None:
        assert (len(self.hedging), self.takers, self.wire.branches, self.memory.held) == (0, {}, set(), 0)


def test_the_time_of_a_first_attempt_is_set_from_what_was_learned() -> None:
    lab = Lab()
    assert lab.route.attempt_ms == 2
    other = Lab(attempt_ms=1)
    assert other.route.attempt_ms == 1
    assert not other.early(1)
    later = Lab(attempt_ms=50)
    assert later.route.attempt_ms == 2
    assert later.early(1)
    assert later.wire.waits == [(1, 48)]


def test_a_branch_goes_to_another_instance() -> None:
    lab = Lab()
    assert lab.early(1)
    (branch,) = lab.wire.branches
    assert lab.wire.sent == {branch: 2}
    assert lab.early(1)  # once more: both go on
    assert len(lab.wire.branches) == 1
    lab.hedging.forget(1)
    assert lab.wire.cancelled == [(branch, CancelReason.HEDGE_LOST)]
    lab.nothing_is_left()


def test_the_answer_of_a_branch_settles_it() -> None:
    lab = Lab()
    lab.early(1)
    lab.answer(BRANCHES + 1)
    (failure,) = lab.settled[1]
    assert (failure.status, failure.payload, failure.cancel) == (
        200,
        encode_response(200, (), b"ok"),
        CancelReason.HEDGE_LOST,
    )
    assert lab.hedging.outcomes == {Hedged.WON: 1}
    lab.nothing_is_left()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_is_not_good_settles_nothing(status: int) -> None:
    lab = Lab()
    lab.early(1)
    lab.answer(BRANCHES + 1, status)
    assert (lab.settled, lab.failed, lab.hedging.outcomes) == ({}, {}, {Hedged.FAILED: 1})
    lab.nothing_is_left()


@pytest.mark.parametrize("kind", [EventKind.LOST, EventKind.REFUSED, EventKind.EXPIRED, EventKind.BAD_RESPONSE])
def test_a_branch_that_has_no_answer_settles_nothing(kind: EventKind) -> None:
    lab = Lab()
    lab.early(1)
    lab.tell(BRANCHES + 1, kind)
    assert (lab.settled, lab.failed, lab.hedging.outcomes) == ({}, {}, {Hedged.FAILED: 1})
    lab.nothing_is_left()


def test_an_answer_that_streams_is_none() -> None:
    lab = Lab()
    lab.early(1)
    lab.answer(BRANCHES + 1, flags=0)
    assert lab.hedging.outcomes == {Hedged.FAILED: 1}
    assert lab.wire.cancelled == [(BRANCHES + 1, CancelReason.BAD_RESPONSE)]
    lab.nothing_is_left()


def test_a_first_failure_is_held_until_the_branch_has_failed_too() -> None:
    lab = Lab()
    lab.early(1)
    assert lab.hedging.first_failed(1, 1, BROKEN)
    assert lab.memory.held == len(BROKEN.payload)
    lab.tell(BRANCHES + 1, EventKind.LOST)
    assert (lab.settled, lab.failed) == ({}, {1: [BROKEN]})
    lab.nothing_is_left()


def test_without_memory_for_a_first_failure_it_is_told_and_the_branch_is_cancelled() -> None:
    lab = Lab()
    lab.early(1)
    assert lab.memory.reserve(999)
    assert not lab.hedging.first_failed(1, 1, BROKEN)
    assert lab.wire.cancelled == [(BRANCHES + 1, CancelReason.HEDGE_LOST)]
    lab.memory.release(999)
    lab.nothing_is_left()


def limited(lab: Lab) -> dict[Hedged, int]:
    assert lab.early(1)
    lab.nothing_is_left()
    return dict(lab.hedging.outcomes)


def test_each_limit_is_counted_once() -> None:
    assert limited(Lab(tokens=0)) == {Hedged.NO_BUDGET: 1}
    lab = Lab()
    lab.wire.kept_bytes = 0
    assert limited(lab) == {Hedged.NO_COPY: 1}
    lab = Lab()
    lab.wire.result = WireResult.NO_CONNECTION
    assert limited(lab) == {Hedged.NO_INSTANCE: 1}
    lab = Lab()
    lab.route.offers = (offer("one", 1), offer("two", 2, streams=True))
    assert limited(lab) == {Hedged.NO_INSTANCE: 1}
    lab = Lab(hedge=0.5)
    lab.delays.rate(1).take()  # type: ignore[union-attr]
    assert limited(lab) == {Hedged.NO_RATE: 1}


def test_what_a_gateway_before_this_one_sends_again_is_left_to_it() -> None:
    lab = Lab()
    lab.notes.nest(1)
    assert not lab.early(1)
    lab.nothing_is_left()


def test_whose_time_was_over_once_is_slow_the_second_time() -> None:
    lab = Lab(tokens=0, attempt_ms=50)
    assert lab.early(1)
    assert lab.wire.waits == [(1, 48)]
    assert not lab.early(1)
    assert lab.hedging.outcomes == {Hedged.NO_BUDGET: 1}


def test_an_instance_that_is_suspected_is_not_waited_for() -> None:
    lab = Lab()
    lab.is_well = False
    assert not lab.early(1)
    lab.nothing_is_left()


def test_a_time_that_is_over_for_a_hedge_says_nothing_of_the_instance() -> None:
    lab = Lab()
    assert lab.hedging.is_due(1, 1, lab.route)
    lab.early(1)
    assert lab.hedging.is_due(1, 1, lab.route)  # the hedge is under way
    lab.tell(BRANCHES + 1, EventKind.LOST)
    assert not lab.hedging.is_due(1, 1, lab.route)


def replay(seed: int) -> None:
    rand = random.Random(seed)
    lab = Lab(hedge=rand.choice([5, 100]), tokens=rand.choice([0, 3, 1_000]))
    ended: set[int] = set()
    number = 0
    for _ in range(rand.randint(1, 120)):
        draw, hedged = rand.random(), list(lab.hedging._hedges)
        if draw < 0.35 or not hedged:
            number += 1
            lab.delays.time(lab.route)
            assert lab.early(number)
            continue
        exchange = rand.choice(hedged)
        hedge = lab.hedging._hedges[exchange]
        if draw < 0.5:
            lab.hedging.forget(exchange)
            ended.add(exchange)
        elif draw < 0.65 and hedge.first is None:
            lab.hedging.first_failed(exchange, 1, rand.choice([LOST, BROKEN]))
        elif draw < 0.85:
            lab.answer(hedge.branch, rand.choice([200, 200, 404, 429, 500]))
        else:
            lab.tell(hedge.branch, rand.choice([EventKind.LOST, EventKind.REFUSED, EventKind.EXPIRED]))
        assert set(lab.takers) == lab.wire.branches == {each.branch for each in lab.hedging._hedges.values()}
    for exchange in list(lab.hedging._hedges):
        lab.hedging.forget(exchange)
    lab.nothing_is_left()
    told = [*lab.settled, *lab.failed]
    assert len(told) == len(set(told))
    assert all(len(each) == 1 for each in (*lab.settled.values(), *lab.failed.values()))
    assert not set(told) & ended
    outcomes = lab.hedging.outcomes
    assert outcomes.total() == number
    assert sum(outcomes[each] for each in MADE) == lab.wire._last - BRANCHES


def test_at_random_each_request_has_one_end_and_no_branch_is_left() -> None:
    for seed in range(1_500):
        replay(seed)
