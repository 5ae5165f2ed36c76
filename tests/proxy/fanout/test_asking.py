"""The legs of one fan-out, over a sender that answers as the test says."""

from typing import NamedTuple

import pytest

from frames.fields import encode_response
from frames.frame import CancelReason, Method
from proxy.errors import (
    BYTES_IN_FLIGHT_FULL,
    DEADLINE,
    FANOUT_LEG_STOPPED,
    FANOUT_LEG_TIMEOUT,
    FANOUT_TOO_LARGE,
    NO_INSTANCE,
    SERVICE_CONGESTED,
    SERVICE_LOST,
)
from proxy.fanout.asking import Asker, Asking, Leg, Question
from proxy.fanout.fan import Rule
from proxy.fanout.merged import LegName
from proxy.fanout.results import LegResult
from proxy.policy.limits import BytesInFlight
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Done, Outgoing, Place
from proxy.request.stage import Answer


def whole(body: bytes = b"ok", status: int = 200) -> Whole:
    return Whole(status, encode_response(status, (), body), len(body))


class Sender:
    """Takes what is sent, and gives each an id from 1 on."""

    def __init__(self) -> None:
        self.sent: dict[int, tuple[Outgoing, Done]] = {}
        self.given_up: list[tuple[int, CancelReason]] = []
        self.refuses: list[Answer] = []
        self._last = 0

    def send(self, place: Place, outgoing: Outgoing, done: Done, /) -> int | Answer:
        if self.refuses:
            return self.refuses.pop()
        self._last += 1
        self.sent[self._last] = (outgoing, done)
        return self._last

    def give_up(self, exchange: int, reason: CancelReason, /) -> None:
        del self.sent[exchange]
        self.given_up.append((exchange, reason))

    def answer(self, exchange: int, outcome: Outcome) -> None:
        self.sent.pop(exchange)[1](outcome)


class Lab(NamedTuple):
    sender: Sender
    asker: Asker
    budget: BytesInFlight
    now: list[float]
    ended: list[list[LegResult]]

    def asking(
        self, count: int, rule: Rule, *, bytes_max: int = 100, ends_at: float = 10.0, leg_ms: int = 1_000
    ) -> Asking:
        question = Question(Place(1, 2, 3), Outgoing(method=Method.GET, target=b"/a", deadline_ms=leg_ms))
        legs = [Leg(LegName(f"leg-{at}"), question) for at in range(count)]
        return self.of(legs, rule, bytes_max=bytes_max, ends_at=ends_at)

    def of(self, legs: list[Leg], rule: Rule, *, bytes_max: int = 100, ends_at: float = 10.0) -> Asking:
        def done(asking: Asking) -> None:
            self.ended.append(asking.results())

        return Asking(self.asker, legs, rule, bytes_max=bytes_max, ends_at=ends_at, done=done)

    def words(self) -> list[str]:
        (results,) = self.ended
        return [result.word for result in results]

    def nothing_is_left(self) -> None:
        assert (self.sender.sent, self.budget.held, self.asker.under_way) == ({}, 0, 0)


@pytest.fixture
def lab() -> Lab:
    sender, budget, now = Sender(), BytesInFlight(1_000), [0.0]
    return Lab(sender, Asker(sender, budget, lambda: now[0]), budget, now, [])


ALL = Rule(needed=2, at_once=2)
FIRST = Rule(needed=1, at_once=3, ends_when_met=True)


def test_all_answer(lab: Lab) -> None:
    asking = lab.asking(3, Rule(needed=3, at_once=2))
    asking.begin()
    assert (list(lab.sender.sent), lab.asker.under_way) == ([1, 2], 2)
    lab.now[0] = 0.25
    lab.sender.answer(2, whole(b"two"))
    assert list(lab.sender.sent) == [1, 3]
    assert lab.budget.held == len(whole(b"two").payload)
    lab.sender.answer(1, whole(b"one"))
    assert lab.ended == []
    lab.sender.answer(3, whole(b"three"))
    (results,) = lab.ended
    assert [(result.body, result.ms) for result in results] == [(b"one", 250.0), (b"two", 250.0), (b"three", 0.0)]
    assert (asking.is_over, asking.is_met, lab.asker.results) == (True, True, {"good": 3})
    lab.nothing_is_left()


def test_siblings_of_the_first_good_answer_are_cancelled(lab: Lab) -> None:
    lab.asking(4, FIRST).begin()
    lab.sender.answer(2, whole(b"two"))
    assert lab.sender.given_up == [(1, CancelReason.HEDGE_LOST), (3, CancelReason.HEDGE_LOST)]
    assert lab.words() == ["fanout_leg_stopped", "good", "fanout_leg_stopped", "fanout_leg_stopped"]
    assert lab.asker.results == {"good": 1, "fanout_leg_stopped": 3}
    lab.nothing_is_left()


def test_siblings_of_the_first_failure_are_cancelled_where_asked(lab: Lab) -> None:
    lab.asking(3, Rule(needed=3, at_once=3, stops=True)).begin()
    lab.sender.answer(1, whole(b"bad", 500))
    assert lab.sender.given_up == [(2, CancelReason.HEDGE_LOST), (3, CancelReason.HEDGE_LOST)]
    assert lab.words() == ["bad_status", "fanout_leg_stopped", "fanout_leg_stopped"]
    lab.nothing_is_left()


def test_a_leg_that_cannot_be_sent_has_failed_and_the_next_takes_its_place(lab: Lab) -> None:
    lab.sender.refuses = [Answer(SERVICE_CONGESTED)]
    lab.asking(3, Rule(needed=1, at_once=1)).begin()
    assert len(lab.sender.sent) == 1
    lab.sender.answer(1, Answer(SERVICE_LOST))
    lab.sender.answer(2, whole())
    assert lab.words() == ["service_congested", "service_lost", "good"]
    lab.nothing_is_left()


def test_it_may_be_over_before_anything_is_sent(lab: Lab) -> None:
    challenge = ((b"www-authenticate", b"Bearer"),)
    legs = [Leg(LegName(name), Answer(NO_INSTANCE, headers=challenge)) for name in "ab"]
    asking = lab.of(legs, ALL)
    asking.begin()
    assert lab.words() == ["no_instance", "no_instance"]
    assert lab.ended[0][0].headers == challenge
    assert (asking.is_met, asking.is_over) == (False, True)
    lab.nothing_is_left()


def test_a_leg_that_was_to_be_sent_is_not_once_a_sibling_has_ended_it(lab: Lab) -> None:
    lab.sender.refuses = [Answer(SERVICE_CONGESTED)]
    lab.asking(3, Rule(needed=3, at_once=3, stops=True)).begin()
    assert (lab.sender.sent, lab.sender.given_up) == ({}, [])
    assert lab.words() == ["service_congested", "fanout_leg_stopped", "fanout_leg_stopped"]
    assert lab.asker.results.total() == 3


def test_too_few_legs_are_not_asked(lab: Lab) -> None:
    lab.asking(2, Rule(needed=3, at_once=3)).begin()
    assert lab.words() == ["fanout_leg_stopped", "fanout_leg_stopped"]
    lab.nothing_is_left()


def test_giving_up_cancels_all_and_tells_nobody(lab: Lab) -> None:
    asking = lab.asking(3, ALL)
    asking.begin()
    lab.sender.answer(1, whole())
    asking.give_up(CancelReason.CLIENT_GONE)
    asking.give_up(CancelReason.CLIENT_GONE)
    assert lab.sender.given_up == [(2, CancelReason.CLIENT_GONE), (3, CancelReason.CLIENT_GONE)]
    assert lab.ended == []
    lab.nothing_is_left()


def test_the_time_of_a_leg_and_the_time_of_the_whole(lab: Lab) -> None:
    lab.asking(3, Rule(needed=1, at_once=1), ends_at=1.5).begin()
    assert lab.sender.sent[1][0].deadline_ms == 1_000
    lab.now[0] = 1.0
    lab.sender.answer(1, Answer(DEADLINE))
    assert lab.sender.sent[2][0].deadline_ms == 500
    lab.now[0] = 1.5
    lab.sender.answer(2, Answer(DEADLINE))
    assert [result.reason for result in lab.ended[0]] == [FANOUT_LEG_TIMEOUT, DEADLINE, DEADLINE]
    lab.nothing_is_left()


def test_the_bytes_of_all_answers_together(lab: Lab) -> None:
    lab.asking(3, Rule(needed=1, at_once=3), bytes_max=10).begin()
    lab.sender.answer(1, whole(bytes(6)))
    lab.sender.answer(2, whole(bytes(5)))
    lab.sender.answer(3, whole(bytes(4)))
    assert [result.reason for result in lab.ended[0]] == [None, FANOUT_TOO_LARGE, None]
    assert lab.asker.results == {"good": 2, "fanout_too_large": 1}
    lab.nothing_is_left()


def test_no_more_is_held_than_there_is_memory(lab: Lab) -> None:
    assert lab.budget.reserve(995)
    lab.asking(2, ALL).begin()
    lab.sender.answer(1, whole(b"12"))
    lab.sender.answer(2, whole(b""))
    assert [result.reason for result in lab.ended[0]] == [BYTES_IN_FLIGHT_FULL, None]
    assert lab.budget.held == 995


def test_what_has_become_of_it_so_far(lab: Lab) -> None:
    asking = lab.asking(3, Rule(needed=1, at_once=3))
    asking.begin()
    lab.sender.answer(2, whole())
    assert asking.is_met
    assert [result.word for result in asking.results()] == ["deadline", "good", "deadline"]
    asking.give_up(CancelReason.DEADLINE)
    assert lab.asker.results == {"good": 1, "deadline": 2}
    lab.nothing_is_left()


def test_whoever_fails_at_the_end_leaves_nothing_behind(lab: Lab) -> None:
    def done(asking: Asking) -> None:
        raise RuntimeError("a fault of ours")

    question = Question(Place(1, 2, 3), Outgoing(method=Method.GET, target=b"/a", deadline_ms=9))
    asking = Asking(lab.asker, [Leg(LegName("a"), question)], FIRST, bytes_max=9, ends_at=9.0, done=done)
    asking.begin()
    with pytest.raises(RuntimeError, match="a fault of ours"):
        lab.sender.answer(1, whole())
    lab.nothing_is_left()
    assert FANOUT_LEG_STOPPED.code not in lab.asker.results
