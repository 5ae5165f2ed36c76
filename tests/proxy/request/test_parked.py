"""Parked exchanges over a wire that only notes down what it is asked: each is answered once, or sent once."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from request_fields import Fields
from route_support import offer, route

from frames.frame import Method
from frames.wire_values import EXPIRED_EARLY, NO_IDENTITY, Event, EventKind, WireResult
from proxy.errors import BAD_RESPONSE, DEADLINE, DRAINING, INTERNAL, NO_ROUTE, RATE_LIMITED
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.held import HeldFields
from proxy.request.parked import UNTIL_DEADLINE_MS, NotParkedError, Parking
from proxy.request.snapshot import Snapshot
from proxy.request.stage import PARKED, TASK_LANE, Answer, Await, Reply, Result, Stage

LATE = Answer(DEADLINE)
NOW = cast(Snapshot, "now")


class FakeWire(Fields):
    """Notes down what it is asked; ``kept`` is what `keep` returns."""

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        super().__init__({b"x-tenant-id": b"acme"})
        self.calls = calls
        self.timed: list[int] = []
        self.kept = WireResult.OK
        self.passed = WireResult.OK

    def request_head_fields(self, exchange: int) -> list[tuple[int, bytes, bytes]]:
        return [(0, name, value) for name, value in self.fields.items()]

    def keep(self, exchange: int, deadline_ms: int, identity: object) -> int:
        self.calls.append(("keep", exchange, deadline_ms, identity))
        return self.kept

    def wait(self, exchange: int, milliseconds: int) -> None:
        self.timed.append(exchange)
        if milliseconds != UNTIL_DEADLINE_MS:
            self.calls.append(("wait", exchange, milliseconds))

    def answer(self, exchange: int, status: int, lines: bytes, body: bytes, close: bool) -> int:
        self.calls.append(("reply", exchange, status, lines))
        return WireResult.OK

    def pass_on(self, exchange: int, payload: bytes) -> int:
        self.calls.append(("pass_on", exchange, payload))
        return self.passed

    def flush_soon(self) -> None:
        pass


class Carrier:
    """Stands for the express lane."""

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self.calls = calls
        self.snapshot = NOW

    def answer(self, exchange: int, answer: Answer) -> None:
        self.calls.append(("answer", exchange, answer))

    def client_gone(self, exchange: int) -> None:
        self.calls.append(("client_gone", exchange))

    def fail(self, exchange: Exchange, error: Exception) -> None:
        self.calls.append(("fail", exchange.id, str(error)))


class Lab:
    """A parking whose ``behind`` is what the stages behind the parking one find."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.wire = FakeWire(self.calls)
        self.takers: dict[int, Callable[[Event], None]] = {}
        self.behind: Callable[[Exchange], Result] = lambda exchange: None
        self.sent: Answer | None = None
        self.parking = Parking(self.wire, self.takers, Carrier(self.calls), after=self.after, send=self.send)

    def after(self, exchange: Exchange, stage: Stage, snapshot: Snapshot) -> Result:
        self.calls.append(("after", exchange.id, stage, snapshot))
        return self.behind(exchange)

    def send(self, exchange: Exchange) -> Answer | None:
        self.calls.append(("send", exchange.id))
        return self.sent

    def begun(self, number: int = 7, flags: int = 0) -> Exchange:
        exchange = Exchange(self.wire, cast(Snapshot, "then"))
        exchange.begin(number, Method.GET, flags, b"/invoices", cast(Snapshot, "then"))
        exchange.route = route((offer("b-1"),))
        exchange.deadline_ms = 900
        return exchange

    def park(self, number: int = 7, **how: Any) -> Exchange:
        kept = self.parking.park(self.begun(number), stage, **how)
        assert kept is not None
        self.calls.clear()
        return kept

    def tell(self, kind: EventKind, number: int = 7, flags: int = 0) -> None:
        """Have an event reach who takes it, as the batch does."""
        self.takers[number]((number, 0, kind, 0, flags, 0, 0, 0, 0, 0, 0))


def stage(exchange: Exchange) -> Result:
    return PARKED


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_what_is_parked_is_kept_by_the_wire_and_readable_beyond_the_batch(lab: Lab) -> None:
    begun = lab.begun()
    kept = lab.parking.park(begun, stage)
    assert lab.calls == [("keep", 7, 900, NO_IDENTITY)]
    assert kept is not None
    assert kept is not begun
    assert isinstance(kept.fields, HeldFields)
    assert kept.route is begun.route
    lab.wire.fields.clear()
    assert kept.fields.named_field(7, b"x-tenant-id") == b"acme"
    assert 7 in lab.parking
    assert len(lab.parking) == 1


@pytest.mark.parametrize("result", [WireResult.NO_ROOM, WireResult.NO_EXCHANGE, WireResult.INVALID])
def test_what_cannot_be_kept_is_not_parked(lab: Lab, result: WireResult) -> None:
    lab.wire.kept = result
    assert lab.parking.park(lab.begun(), stage) is None
    assert (len(lab.parking), lab.takers) == (0, {})


def test_the_wire_is_to_tell_of_the_deadline_of_whatever_is_parked(lab: Lab) -> None:
    lab.park()
    assert lab.wire.timed == [7]
    lab.parking.forget(7)
    lab.parking.park(lab.begun(), stage, is_kept=True)
    lab.parking.forget(7)
    lab.parking.park(lab.begun(), stage, wait_ms=5)
    assert lab.wire.timed == [7, 7, 7]


def test_what_a_task_carries_is_not_parked(lab: Lab) -> None:
    assert lab.parking.park(lab.begun(flags=NEEDS_TASK), stage) is None
    assert lab.calls == []


def test_one_that_the_wire_has_already_is_parked_as_it_is(lab: Lab) -> None:
    begun = lab.begun()
    assert lab.parking.park(begun, stage, is_kept=True) is begun
    assert lab.calls == []


def test_each_way_to_end(lab: Lab) -> None:
    answer = Answer(RATE_LIMITED)
    lab.park()
    lab.parking.answer(7, answer)
    lab.parking.park(lab.begun(), stage)
    lab.parking.reply(7, Reply(308, ((b"location", b"/x"),)))
    lab.parking.park(lab.begun(), stage)
    assert lab.parking.pass_on(7, b"response")
    lab.parking.park(lab.begun(), stage)
    lab.parking.resume(7)
    kept = lab.parking.park(lab.begun(), stage)
    assert lab.parking.forget(7) is kept
    assert [call for call in lab.calls if call[0] != "keep"] == [
        ("answer", 7, answer),
        ("reply", 7, 308, b"location: /x\r\n"),
        ("pass_on", 7, b"response"),
        ("after", 7, stage, NOW),
        ("send", 7),
    ]
    assert (len(lab.parking), lab.takers) == (0, {})


def test_a_payload_that_is_no_answer_is_a_bad_response(lab: Lab) -> None:
    lab.wire.passed = WireResult.INVALID
    lab.park()
    assert not lab.parking.pass_on(7, b"nonsense")
    assert lab.calls == [("pass_on", 7, b"nonsense"), ("answer", 7, Answer(BAD_RESPONSE))]


@pytest.mark.parametrize("first", ["answer", "resume", "gone", "late", "drained", "never"])
@pytest.mark.parametrize("second", ["answer", "reply", "pass_on", "resume", "forget"])
def test_a_second_end_is_refused_loudly(lab: Lab, first: str, second: str) -> None:
    firsts: dict[str, Callable[[], object]] = {
        "answer": lambda: lab.parking.answer(7, Answer(RATE_LIMITED)),
        "resume": lambda: lab.parking.resume(7),
        "gone": lambda: lab.tell(EventKind.CLIENT_GONE),
        "late": lambda: lab.tell(EventKind.EXPIRED),
        "drained": lambda: lab.parking.give_up_all(),
    }
    seconds: dict[str, Callable[[], object]] = {
        "answer": lambda: lab.parking.answer(7, Answer(RATE_LIMITED)),
        "reply": lambda: lab.parking.reply(7, Reply(204)),
        "pass_on": lambda: lab.parking.pass_on(7, b""),
        "resume": lambda: lab.parking.resume(7),
        "forget": lambda: lab.parking.forget(7),
    }
    if first != "never":
        lab.park()
        firsts[first]()
    lab.calls.clear()
    with pytest.raises(NotParkedError, match="0x7 is not parked: it has been answered, or is gone"):
        seconds[second]()
    assert lab.calls == []


def test_one_is_not_parked_twice(lab: Lab) -> None:
    lab.park()
    with pytest.raises(NotParkedError, match="parked already"):
        lab.parking.park(lab.begun(), stage)


def test_one_that_is_being_carried_on_is_not_decided_twice(lab: Lab) -> None:
    def behind(exchange: Exchange) -> Result:
        lab.parking.answer(7, Answer(RATE_LIMITED))
        return None

    lab.behind = behind
    lab.park()
    lab.parking.resume(7)
    failure = ("fail", 7, "exchange 0x7 is not parked: it is being carried on")
    assert lab.calls == [("after", 7, stage, NOW), failure]
    assert len(lab.parking) == 0


# ---- what happens to them ----


def test_a_client_that_leaves_is_counted_and_told(lab: Lab) -> None:
    gone: list[Exchange] = []
    kept = lab.park(on_gone=gone.append)
    lab.tell(EventKind.CLIENT_GONE)
    assert lab.calls == [("client_gone", 7)]
    assert gone == [kept]
    assert lab.takers == {}


def test_the_deadline_is_answered_by_default(lab: Lab) -> None:
    lab.park()
    lab.tell(EventKind.EXPIRED)
    assert lab.calls == [("answer", 7, LATE)]
    assert lab.takers == {}


def test_the_deadline_is_answered_where_whoever_was_told_has_not(lab: Lab) -> None:
    told: list[Exchange] = []
    kept = lab.park(on_expired=told.append)
    lab.tell(EventKind.EXPIRED)
    assert told == [kept]
    assert lab.calls == [("answer", 7, LATE)]


def test_at_the_deadline_another_answer_may_be_given(lab: Lab) -> None:
    lab.park(on_expired=lambda exchange: lab.parking.answer(exchange.id, Answer(RATE_LIMITED)))
    lab.tell(EventKind.EXPIRED)
    assert lab.calls == [("answer", 7, Answer(RATE_LIMITED))]


def test_nothing_is_sent_after_the_deadline(lab: Lab) -> None:
    lab.park(on_expired=lab.parking.resume)
    lab.tell(EventKind.EXPIRED)
    assert lab.calls == [("answer", 7, LATE)]


def test_a_wait_ends_without_an_answer(lab: Lab) -> None:
    told: list[Exchange] = []
    lab.parking.park(lab.begun(), stage, on_expired=told.append, wait_ms=25)
    assert lab.calls[-1] == ("wait", 7, 25)
    lab.tell(EventKind.EXPIRED, flags=EXPIRED_EARLY)
    assert len(told) == 1
    assert 7 in lab.parking
    lab.tell(EventKind.EXPIRED)
    assert len(told) == 2
    assert lab.calls[-1:] == [("answer", 7, LATE)]


def test_after_a_wait_it_may_go_on(lab: Lab) -> None:
    lab.park(on_expired=lab.parking.resume, wait_ms=25)
    lab.tell(EventKind.EXPIRED, flags=EXPIRED_EARLY)
    assert lab.calls == [("after", 7, stage, NOW), ("send", 7)]


def test_whoever_fails_at_an_expiry_leaves_nothing_parked(lab: Lab) -> None:
    def fails(exchange: Exchange) -> None:
        raise LookupError("a bug of ours")

    lab.park(on_expired=fails)
    with pytest.raises(LookupError):
        lab.tell(EventKind.EXPIRED)
    assert (len(lab.parking), lab.takers) == (0, {})


def test_an_event_of_a_service_is_a_fault_of_ours(lab: Lab) -> None:
    lab.park()
    with pytest.raises(NotParkedError, match="no service has"):
        lab.tell(EventKind.LOST)
    assert lab.takers == {}


def test_when_the_time_to_drain_is_over_all_are_answered_and_told(lab: Lab) -> None:
    gone: list[int] = []
    for number in (7, 8):
        lab.parking.park(lab.begun(number), stage, on_gone=lambda exchange: gone.append(exchange.id))
    lab.calls.clear()
    lab.parking.give_up_all()
    assert lab.calls == [("answer", 7, Answer(DRAINING)), ("answer", 8, Answer(DRAINING))]
    assert gone == [7, 8]
    assert (len(lab.parking), lab.takers) == (0, {})


def test_whoever_is_told_of_one_may_decide_about_the_next(lab: Lab) -> None:
    lab.parking.park(lab.begun(7), stage, on_gone=lambda exchange: lab.parking.answer(8, Answer(RATE_LIMITED)))
    lab.parking.park(lab.begun(8), stage)
    lab.calls.clear()
    lab.parking.give_up_all()
    assert lab.calls == [("answer", 7, Answer(DRAINING)), ("answer", 8, Answer(RATE_LIMITED))]


# ---- carried on ----


async def _nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("found", "called"),
    [
        (Answer(NO_ROUTE), ("answer", 7, Answer(NO_ROUTE))),
        (Reply(308, ((b"location", b"/b"),)), ("reply", 7, 308, b"location: /b\r\n")),
        (TASK_LANE, ("answer", 7, Answer(INTERNAL))),
        (PARKED, ("answer", 7, Answer(INTERNAL))),
        (Await(_nothing), ("answer", 7, Answer(INTERNAL))),
    ],
    ids=["a route that is gone", "a redirect", "a task", "parked by nobody", "awaited"],
)
def test_what_the_stages_behind_find_is_answered(lab: Lab, found: Result, called: tuple[Any, ...]) -> None:
    lab.behind = lambda exchange: found
    lab.park()
    lab.parking.resume(7)
    assert lab.calls == [("after", 7, stage, NOW), called]
    assert lab.takers == {}


def test_one_that_cannot_be_sent_is_answered(lab: Lab) -> None:
    lab.sent = Answer(RATE_LIMITED)
    lab.park()
    lab.parking.resume(7)
    assert lab.calls[-1] == ("answer", 7, Answer(RATE_LIMITED))


def test_a_stage_that_fails_is_a_fault_of_ours(lab: Lab) -> None:
    def fails(exchange: Exchange) -> Result:
        raise LookupError("a bug of ours")

    lab.behind = fails
    lab.park()
    lab.parking.resume(7)
    assert lab.calls[-1] == ("fail", 7, "a bug of ours")
    assert lab.takers == {}


def test_it_may_be_parked_again_by_the_next_stage_and_is_the_same(lab: Lab) -> None:
    def next_stage(exchange: Exchange) -> Result:
        assert lab.parking.park(exchange, next_stage, wait_ms=5) is exchange
        return PARKED

    lab.behind = next_stage
    kept = lab.park()
    lab.parking.resume(7)
    assert lab.calls == [("after", 7, stage, NOW), ("wait", 7, 5)]
    assert 7 in lab.parking
    lab.behind = lambda exchange: None
    lab.calls.clear()
    lab.parking.resume(kept)
    assert lab.calls == [("after", 7, next_stage, NOW), ("send", 7)]


def test_the_next_stage_may_decide_at_once(lab: Lab) -> None:
    def next_stage(exchange: Exchange) -> Result:
        lab.parking.park(exchange, next_stage)
        lab.parking.answer(exchange.id, Answer(RATE_LIMITED))
        return PARKED

    lab.behind = next_stage
    lab.park()
    lab.parking.resume(7)
    assert lab.calls == [("after", 7, stage, NOW), ("answer", 7, Answer(RATE_LIMITED))]
    assert lab.takers == {}


@pytest.mark.parametrize("seed", range(200))
def test_random_lives_have_one_end_each(seed: int) -> None:
    lab, chance = Lab(), random.Random(seed)
    results: list[Result] = [None, Answer(NO_ROUTE), Reply(204), PARKED]

    def behind(exchange: Exchange) -> Result:
        found = chance.choice(results)
        if found is PARKED:
            lab.parking.park(exchange, stage)
        return found

    lab.behind = behind
    number = 0
    for _ in range(60):
        parked = [one for one in range(1, number + 1) if one in lab.parking]
        one = chance.choice(parked) if parked else 0
        operation = chance.randrange(8)
        if operation < 3 or not one:
            number += 1
            lab.parking.park(lab.begun(number), stage, on_expired=chance.choice([None, lab.parking.resume]))
        elif operation == 3:
            lab.parking.resume(one)
        elif operation == 4:
            lab.parking.answer(one, Answer(RATE_LIMITED))
        elif operation == 5:
            lab.tell(EventKind.CLIENT_GONE, one)
        else:
            lab.tell(EventKind.EXPIRED, one, flags=chance.choice([0, EXPIRED_EARLY]))
        assert lab.takers.keys() == {one for one in range(1, number + 1) if one in lab.parking}
    lab.parking.give_up_all()
    ends = [call[1] for call in lab.calls if call[0] in ("answer", "reply", "send", "client_gone", "fail")]
    assert sorted(ends) == list(range(1, number + 1))
