"""The brain of a fan-out, by plain values and by random runs of it."""

import random

import pytest

from proxy.fanout.fan import Fan, Rule, Step

NOTHING = Step()


def test_all_are_asked_as_far_as_there_is_room() -> None:
    fan = Fan(3, Rule(needed=3, at_once=2))
    assert fan.begin() == Step(ask=(0, 1))
    assert fan.done(1, is_good=True) == Step(ask=(2,))
    assert fan.done(0, is_good=True) == NOTHING
    assert fan.done(2, is_good=True) == Step(is_over=True)
    assert fan.is_met


def test_the_first_good_answer_stops_the_others() -> None:
    fan = Fan(4, Rule(needed=1, at_once=3, ends_when_met=True))
    fan.begin()
    assert fan.done(0, is_good=False) == Step(ask=(3,))
    assert fan.done(2, is_good=True) == Step(stop=(1, 3), is_over=True)
    assert (fan.is_met, fan.under_way) == (True, 0)


def test_whoever_was_not_asked_yet_is_never_asked_after_the_end() -> None:
    fan = Fan(9, Rule(needed=1, at_once=1, ends_when_met=True))
    assert fan.begin() == Step(ask=(0,))
    assert fan.done(0, is_good=True) == Step(is_over=True)
    assert fan.done(1, is_good=True) == NOTHING


def test_a_quorum_that_cannot_be_reached_any_more_ends_it_where_it_is_to_stop() -> None:
    stopping = Fan(3, Rule(needed=2, at_once=3, ends_when_met=True, stops=True))
    stopping.begin()
    assert stopping.done(1, is_good=False) == NOTHING
    assert stopping.done(0, is_good=False) == Step(stop=(2,), is_over=True)
    assert not stopping.is_met
    patient = Fan(3, Rule(needed=2, at_once=3, ends_when_met=True))
    patient.begin()
    assert [patient.done(leg, is_good=False) for leg in (1, 0)] == [NOTHING, NOTHING]
    assert patient.done(2, is_good=True) == Step(is_over=True)
    assert not patient.is_met


def test_the_first_failure_ends_one_that_needs_all_and_is_to_stop() -> None:
    fan = Fan(5, Rule(needed=5, at_once=3, stops=True))
    fan.begin()
    assert fan.done(1, is_good=False) == Step(stop=(0, 2), is_over=True)


@pytest.mark.parametrize(("count", "needed"), [(0, 0), (0, 1), (2, 3)])
def test_too_few_legs_are_over_before_anybody_is_asked(count: int, needed: int) -> None:
    fan = Fan(count, Rule(needed=needed, at_once=1))
    assert fan.begin() == Step(is_over=True)
    assert fan.give_up() == NOTHING


def test_giving_up_stops_all_that_are_under_way_in_the_order_in_which_they_were_asked() -> None:
    fan = Fan(4, Rule(needed=4, at_once=3))
    fan.begin()
    fan.done(1, is_good=True)
    assert fan.give_up() == Step(stop=(0, 2, 3), is_over=True)
    assert fan.give_up() == NOTHING
    assert fan.done(2, is_good=True) == NOTHING


def test_the_same_leg_counts_once() -> None:
    fan = Fan(2, Rule(needed=2, at_once=2, ends_when_met=True))
    fan.begin()
    assert fan.done(0, is_good=True) == NOTHING
    assert fan.done(0, is_good=True) == NOTHING
    assert not fan.is_met


@pytest.mark.parametrize(("count", "at_once"), [(-1, 1), (1, 0)])
def test_nobody_can_be_asked_in_no_order(count: int, at_once: int) -> None:
    with pytest.raises(ValueError, match="at once"):
        Fan(count, Rule(needed=1, at_once=at_once))


def replay(seed: int) -> None:
    """Ask, answer and give up at random; the rules of the page hold after each step."""
    rand = random.Random(seed)
    count, at_once = rand.randint(0, 12), rand.randint(1, 5)
    rule = Rule(rand.randint(0, 12), at_once, rand.random() < 0.5, rand.random() < 0.5)
    fan = Fan(count, rule)
    under_way: set[int] = set()
    done: set[int] = set()
    good = failed = 0

    def take(step: Step) -> None:
        nonlocal under_way
        assert not under_way & set(step.ask)
        assert not done & set(step.ask)
        assert set(step.stop) <= under_way
        under_way = (under_way | set(step.ask)) - set(step.stop)
        assert len(under_way) <= at_once
        assert len(under_way) == fan.under_way
        if step.is_over:
            assert not under_way
            assert not step.ask
            is_done = len(done) == count
            is_met = rule.ends_when_met and good >= rule.needed
            is_lost = rule.stops and count - failed < rule.needed
            assert is_done or is_met or is_lost or count < max(1, rule.needed) or given_up

    given_up = False
    take(fan.begin())
    for _ in range(60):
        draw = rand.random()
        if draw < 0.03:
            given_up = True
            take(fan.give_up())
        else:
            leg = rand.choice([*under_way] or [rand.randrange(0, 14)])
            is_good = rand.random() < 0.6
            if leg in under_way:
                under_way.discard(leg)
                done.add(leg)
                good, failed = good + is_good, failed + (not is_good)
            take(fan.done(leg, is_good=is_good))
        if fan.is_over:
            assert fan.is_met == (good >= rule.needed)
    assert fan.is_over or under_way


def test_random_runs_keep_what_must_hold() -> None:
    for seed in range(3_000):
        replay(seed)
