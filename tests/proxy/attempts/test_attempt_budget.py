"""The budget of attempts: never below zero, never more than its part, whatever is asked of it and when."""

import random

import pytest

from proxy.attempts.budget import SLICES, AttemptBudget, BudgetTerms
from proxy.attempts.budgets import AttemptBudgets
from proxy.gateway.service_groups import RequestMarks, ServiceGroups

TERMS = BudgetTerms(percent=20.0, floor=10, window_s=10.0)
NO_FLOOR = BudgetTerms(percent=20.0, floor=0)


def take_all(budget: AttemptBudget, now: float) -> int:
    count = 0
    while budget.take(now):
        count += 1
    return count


def test_without_requests_there_is_the_floor() -> None:
    budget = AttemptBudget(TERMS)
    assert take_all(budget, 0.0) == 100
    assert take_all(budget, 0.5) == 0
    assert take_all(budget, 1.0) == 10
    assert take_all(budget, 3.0) == 20
    assert take_all(budget, 1_000.0) == 100
    assert (budget.made, budget.refused) == (230, 5)


def test_a_part_of_the_requests_is_put_in() -> None:
    budget = AttemptBudget(NO_FLOOR)
    assert not budget.take(0.0)
    budget.saw(0.0, 4)
    assert not budget.take(0.0)
    budget.saw(0.0, 5)
    assert budget.take(0.0)
    assert not budget.take(0.0)
    budget.saw(1.0, 1_005)
    assert take_all(budget, 1.0) == 200


def test_what_was_put_in_is_good_for_the_window() -> None:
    budget = AttemptBudget(NO_FLOOR)
    budget.saw(0.5, 1_000)
    assert budget.left(9.9) == 200
    assert budget.left(10.0) == 0
    assert not budget.take(10.0)


def test_between_two_looks_requests_have_come_evenly() -> None:
    budget = AttemptBudget(NO_FLOOR)
    budget.saw(99.0, 100_000)  # a thousand a second for a hundred seconds: ten of them still count
    assert budget.left(99.0) == 2_000
    assert budget.left(103.0) == 1_200


def test_the_oldest_tokens_are_taken_first() -> None:
    budget = AttemptBudget(NO_FLOOR)
    budget.saw(0.0, 5)
    budget.saw(5.0, 5)
    budget.saw(5.0, 10)
    assert budget.take(5.0)
    assert budget.left(10.0) == 1


def test_a_count_that_falls_puts_nothing_in() -> None:
    budget = AttemptBudget(NO_FLOOR, requests=100)
    budget.saw(0.0, 50)
    assert budget.left(0.0) == 0
    budget.saw(0.0, 105)
    assert budget.left(0.0) == 1


def test_time_that_stands_still_or_falls_changes_nothing() -> None:
    budget = AttemptBudget(TERMS, now=50.0)
    assert take_all(budget, 50.0) == 100
    assert take_all(budget, 3.0) == 0
    assert budget.left(50.9) == 0


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_it_is_never_below_zero_and_never_gives_more_than_its_part(seed: int) -> None:
    chance = random.Random(seed)
    terms = BudgetTerms(
        percent=chance.choice([0.0, 0.5, 20.0, 100.0]),
        floor=chance.choice([0, 1, 10]),
        window_s=chance.choice([1.0, 10.0]),
    )
    now, requests, begun = chance.random() * 100, 0, 0.0
    budget, begun = AttemptBudget(terms, now), now
    taken = 0
    for _ in range(300):
        what = chance.randrange(4)
        if what == 0:
            now += chance.choice([0.0, 0.001, 0.3, 2.0, 30.0])
        elif what == 1:
            requests += chance.choice([0, 1, 7, 1_000])
            budget.saw(now, requests)
        else:
            for _ in range(chance.choice([1, 5, 200])):
                taken += budget.take(now)
        assert budget.left(now) >= 0
        assert all(amount >= 0 for amount in budget._slices)
        assert len(budget._slices) == SLICES
        assert budget.made == taken
        most = terms.percent / 100 * requests + terms.floor * (now - begun + 2 * terms.window_s)
        assert taken <= most


def test_storms_at_any_rate_stay_within_a_quarter() -> None:
    """All instances fail, and each request wants two more attempts: what is sent is at most 1.25 of what came."""
    for rate in (300, 1_000, 20_000):
        budget, sent, requests = AttemptBudget(TERMS), 0, 0
        for step in range(600):
            now = step / 10
            requests += rate // 10
            budget.saw(now, requests)
            sent += rate // 10 + sum(budget.take(now) for _ in range(2 * rate // 10))
        assert sent / requests <= 1.25


class Counted:
    def __init__(self) -> None:
        self.requests = {"a": 0, "b": 0}
        self.now = 0.0
        self.budgets = AttemptBudgets(NO_FLOOR, self.requests.__getitem__, lambda: self.now)


def test_each_service_has_its_own() -> None:
    counted = Counted()
    counted.requests["a"] = 4
    assert not counted.budgets.take("a")
    counted.requests["a"] = 5
    assert counted.budgets.take("a")
    assert not counted.budgets.take("b")
    assert list(counted.budgets) == ["a", "b"]
    assert counted.budgets.left("a") == 0


@pytest.mark.parametrize("has_looked", [False, True])
@pytest.mark.parametrize(("per_tick", "least"), [(0, 120), (100, 280)])
def test_what_came_lately_counts_although_nobody_looked(has_looked: bool, per_tick: int, least: int) -> None:
    """An hour with no failure, then five seconds with more requests, and then one fails."""
    counted = Counted()
    groups = ServiceGroups(lambda route, group: None)
    numbers = {groups.number(service): service for service in ("a", "b")}
    marks = RequestMarks(groups, lambda number: counted.requests[numbers[number]])
    counted.budgets = AttemptBudgets(NO_FLOOR, counted.requests.__getitem__, lambda: counted.now, marks.of)
    marks.tick(0.0)
    if has_looked:
        assert not counted.budgets.take("a")
    for tick in range(3_600):
        counted.now = float(tick)
        counted.requests["a"] += per_tick
        marks.tick(counted.now)
    counted.now += 5
    counted.requests["a"] += 1_000
    most = (1_000 + 10 * per_tick) / 5
    assert least <= counted.budgets.left("a") <= most
    assert counted.budgets.left("b") == 0


def test_other_terms_begin_anew() -> None:
    counted = Counted()
    assert not counted.budgets.take("a")
    counted.budgets.change(NO_FLOOR)
    assert list(counted.budgets) == ["a"]
    counted.budgets.change(TERMS)
    assert list(counted.budgets) == []
    assert counted.budgets.take("a")
