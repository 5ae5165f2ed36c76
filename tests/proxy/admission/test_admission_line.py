"""The waiting line: who is next, who is sent away, and that it keeps its books, whatever happens in whatever order."""

from collections import Counter
from random import Random

import pytest

from proxy.admission.line import Line, Waiter
from proxy.admission.patience import LEAST_S, STANDING_S, Patience
from proxy.admission.priority import Priority, read_priority

NORMAL, LOW, HIGH, CRITICAL = Priority.NORMAL, Priority.LOW, Priority.HIGH, Priority.CRITICAL


def waiter(
    what: object, tenant: bytes = b"", priority: Priority = NORMAL, now_s: float = 0.0, leaves_s: float = 99.0
) -> Waiter:
    return Waiter(what, tenant, priority, now_s, leaves_s)


def taken(line: Line, count: int, *, newest_first: bool = False) -> list[object]:
    found = [line.take(newest_first=newest_first) for _ in range(count)]
    return [one.what if one else None for one in found]


def test_who_came_first_goes_first() -> None:
    line = Line(8)
    for number in range(3):
        assert line.enter(waiter(number)) is None
    assert taken(line, 4) == [0, 1, 2, None]


def test_in_a_line_that_stands_who_came_last_goes_first() -> None:
    line = Line(8)
    for number in range(3):
        line.enter(waiter(number))
    assert taken(line, 4, newest_first=True) == [2, 1, 0, None]


def test_tenants_take_turns() -> None:
    line = Line(16)
    for number in range(6):
        line.enter(waiter(f"a{number}", b"a"))
    line.enter(waiter("b0", b"b"))
    line.enter(waiter("c0", b"c"))
    line.enter(waiter("b1", b"b"))
    assert taken(line, 9) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4", "a5"]


def test_priorities_get_their_parts_and_the_lowest_is_not_starved() -> None:
    line, served = Line(64), Counter[Priority]()
    for priority in Priority:
        for _ in range(4):
            line.enter(waiter(priority, priority=priority))
    for _ in range(1_500):
        next_one = line.take()
        assert next_one
        served[next_one.priority] += 1
        line.enter(waiter(next_one.priority, priority=next_one.priority))
    assert served == {CRITICAL: 800, HIGH: 400, NORMAL: 200, LOW: 100}


def test_a_priority_gets_no_credit_for_the_time_in_which_it_asked_for_nothing() -> None:
    line = Line(64)
    for _ in range(20):
        line.enter(waiter("normal"))
    taken(line, 10)
    for _ in range(20):
        line.enter(waiter("low", priority=LOW))
    assert taken(line, 6).count("low") == 2


def test_a_full_line_sends_away_who_comes() -> None:
    line = Line(2)
    line.enter(waiter(0))
    line.enter(waiter(1))
    newcomer = waiter(2)
    assert line.enter(newcomer) is newcomer
    assert not newcomer.is_waiting
    assert line.waiting == 2


def test_a_full_line_sends_away_the_newest_of_whoever_has_more_than_its_share() -> None:
    line = Line(4)
    for number in range(4):
        line.enter(waiter(f"a{number}", b"a"))
    sent_away = [line.enter(waiter(f"b{number}", b"b")) for number in range(3)]
    assert [one.what if one else None for one in sent_away] == ["a3", "a2", "b2"]


def test_a_full_line_sends_away_a_lower_priority_and_never_a_higher_one() -> None:
    line = Line(2)
    line.enter(waiter("low", priority=LOW))
    line.enter(waiter("high", priority=HIGH))
    sent_away = line.enter(waiter("normal"))
    assert sent_away
    assert sent_away.what == "low"
    again = waiter("low again", b"x", LOW)
    assert line.enter(again) is again


def test_who_left_is_not_taken() -> None:
    line = Line(8)
    waiters = [waiter(number) for number in range(3)]
    for one in waiters:
        line.enter(one)
    assert line.leave(waiters[0])
    assert not line.leave(waiters[0])
    assert taken(line, 3) == [1, 2, None]


def test_the_dead_leave_first_wherever_they_are() -> None:
    line = Line(8)
    for number, leaves_s in enumerate((5.0, 1.0, 3.0)):
        line.enter(waiter(number, leaves_s=leaves_s))
    assert [one.what for one in line.dead(0.9)] == []
    assert [one.what for one in line.dead(3.0)] == [1, 2]
    assert taken(line, 2) == [0, None]


def test_the_late_are_those_who_came_before() -> None:
    line = Line(8)
    for number in range(3):
        line.enter(waiter(number, now_s=float(number)))
    assert [one.what for one in line.late(1.0)] == [0, 1]
    assert [one.what for one in line.late(1.0)] == []


@pytest.mark.parametrize("flood", [10, 100])
def test_who_asks_for_many_times_more_gets_no_more(flood: int) -> None:
    """Of tenants that all want more than they get, with one that asks a hundred times as often."""
    random, line, served = Random(flood), Line(256), Counter[bytes]()
    tenants = [b"flood", b"one", b"two", b"three"]
    for step in range(20_000):
        tenant = random.choices(tenants, [flood, 1, 1, 1])[0]
        line.enter(waiter(step, tenant, now_s=step))
        if random.random() < 3 / (flood + 3):
            next_one = line.take(newest_first=bool(step % 2))
            assert next_one
            served[next_one.tenant] += 1
    others = [served[tenant] for tenant in tenants[1:]]
    assert min(others) >= 0.75 * max(others)
    assert served[b"flood"] <= 1.35 * max(others)


class Model:
    """What a line must know at any time, kept in the simplest way."""

    def __init__(self, size: int) -> None:
        self.line = Line(size)
        self.waiting: list[Waiter] = []

    def remove(self, found: list[Waiter]) -> None:
        for one in found:
            self.waiting.remove(one)
            assert not one.is_waiting

    def check(self) -> None:
        line = self.line
        assert line.waiting == len(self.waiting) <= line.size
        assert all(one.is_waiting for one in self.waiting)
        assert dict(line._tenants) == Counter(one.tenant for one in self.waiting)
        for priority, klass in line._classes.items():
            here = [one for one in self.waiting if one.priority is priority]
            assert klass.waiting == len(here)
            assert klass.queues.keys() == {one.tenant for one in here}
        assert len(line._order) <= 2 * line.waiting + 65
        assert len(line._deadlines) <= 2 * line.waiting + 65


@pytest.mark.parametrize("seed", range(40))
def test_it_keeps_its_books_whatever_happens(seed: int) -> None:
    random = Random(seed)
    model, now_s = Model(random.choice((1, 5, 40))), 0.0
    for number in range(600):
        now_s += random.random() * 0.01
        what = random.random()
        if what < 0.5:
            tenant, priority = b"%d" % random.randrange(6), random.choice(list(Priority))
            one = waiter(number, tenant, priority, now_s, now_s + random.random())
            sent_away = model.line.enter(one)
            model.waiting.append(one)
            if sent_away is not None:
                assert sent_away.priority >= one.priority
                model.remove([sent_away])
        elif what < 0.75:
            next_one = model.line.take(newest_first=random.random() < 0.5)
            assert (next_one is None) == (not model.waiting)
            model.remove([next_one] if next_one else [])
        elif what < 0.85 and model.waiting:
            gone = random.choice(model.waiting)
            assert model.line.leave(gone)
            model.remove([gone])
        elif what < 0.93:
            dead = model.line.dead(now_s)
            assert {id(one) for one in dead} == {id(one) for one in model.waiting if one.leaves_s <= now_s}
            model.remove(dead)
        else:
            late = model.line.late(now_s - 0.2)
            assert {id(one) for one in late} == {id(one) for one in model.waiting if one.entered_s <= now_s - 0.2}
            model.remove(late)
        model.check()


# ---- patience ----


def test_a_line_that_empties_now_and_then_is_not_standing() -> None:
    patience = Patience(1.0)
    for step in range(10):
        now_s = step * 0.08
        patience.note(1, now_s)
        assert not patience.is_standing(now_s)
        patience.note(0, now_s + 0.07)
    assert patience.wait_s(0.8, 0.01) == 1.0


def test_a_line_that_was_not_empty_for_an_interval_is_standing() -> None:
    patience = Patience(1.0)
    patience.note(1, 5.0)
    assert not patience.is_standing(5.0 + STANDING_S)
    assert patience.is_standing(5.01 + STANDING_S)


def test_it_stands_for_as_long_as_somebody_waits_too_long_in_it() -> None:
    patience = Patience(1.0)
    patience.note(1, 5.0)
    assert patience.is_standing(5.2)
    patience.note(0, 5.2)
    patience.note_late(5.25)
    assert patience.is_standing(5.34)
    assert not patience.is_standing(5.36)
    patience.note_late(5.4)
    assert not patience.is_standing(5.4)


@pytest.mark.parametrize(
    ("latency_s", "wait_s"), [(0.0, 0.2), (0.001, LEAST_S), (0.1, pytest.approx(0.04)), (10.0, 0.2)]
)
def test_how_long_may_be_waited_in_a_standing_line(latency_s: float, wait_s: float) -> None:
    patience = Patience(0.2)
    patience.note(1, 0.0)
    assert patience.wait_s(1.0, latency_s) == wait_s


def test_in_a_standing_line_there_is_room_for_those_whose_turn_comes_in_time() -> None:
    patience = Patience(0.2)
    patience.note(1, 0.0)
    assert patience.room(0.05, 0.01, 100) is None
    assert patience.room(1.0, 0.0, 100) is None
    assert patience.room(1.0, 0.01, 100) == 40
    assert patience.room(1.0, 0.01, 2) == 4
    assert patience.room(1.0, 10.0, 100) == 4


def test_room_counts_as_the_size_while_it_is_less() -> None:
    line = Line(8)
    for number in range(3):
        assert line.enter(waiter(number), 3) is None
    newcomer = waiter(3)
    assert line.enter(newcomer, 3) is newcomer
    assert line.enter(newcomer, 100) is None
    other = line.enter(waiter("b", b"b"), 4)
    assert other is newcomer


# ---- priority ----


@pytest.mark.parametrize(
    ("value", "priority"),
    [
        (b"critical", CRITICAL),
        (b"HIGH", HIGH),
        (b" low ", LOW),
        (b"normal", NORMAL),
        (b"", HIGH),
        (b"urgent", HIGH),
        (b"low, critical", HIGH),
        (None, HIGH),
    ],
)
def test_what_a_field_says_counts_if_it_is_one_of_the_words(value: bytes | None, priority: Priority) -> None:
    assert read_priority(value, HIGH) is priority
