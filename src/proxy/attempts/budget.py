"""The budget of attempts beyond the first: what all retries and hedges of a service share.

    budget = AttemptBudget(BudgetTerms())
    budget.saw(now, requests)      # how many first attempts there were in all, whenever somebody looks
    if budget.take(now):           # one more attempt may be made, now or after a wait
        ...

Each request puts a part of a token in, and each second some more, so that a few retries are possible where there are
few requests. A token is good for the window, then it is gone. Whoever makes another attempt takes one, *before* it
waits for anything: what waits counts. Nothing is given back. So over any time, attempts beyond the first are at most

    part x requests  +  floor x (seconds + window)

whatever fails, and a budget is never below zero. The numbers are those of Finagle's and Linkerd's retry budgets.

Pure: no clock, no I/O. What the requests were is asked for lazily, when somebody wants to take: between two looks they
are taken to have come evenly.
"""

from collections import deque
from typing import Final

import msgspec

SLICES: Final = 10
"""Of the window: tokens put in within one of them are gone together."""
TOKEN: Final = 1_000_000
"""Amounts are whole numbers of millionths: no sum is ever a little off."""


class BudgetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """percent: of the requests; floor: tokens a second besides; window_s: for how long a token is good."""

    percent: float = 20.0
    floor: int = 10
    window_s: float = 10.0


class AttemptBudget:
    """Tokens for attempts beyond the first. ``now`` is in seconds of any clock that never goes back."""

    __slots__ = ("_at", "_saw", "_slices", "_terms", "looked_at", "made", "refused")

    def __init__(self, terms: BudgetTerms, now: float = 0.0, requests: int = 0) -> None:
        """Begin as after a window without requests. requests: how many there were before, which put nothing in."""
        self._terms = terms
        self._saw = requests
        self._at = self._slice(now)
        self.looked_at = now
        """When somebody told last how many requests there were."""
        self._slices: deque[int] = deque([self._floor] * SLICES, maxlen=SLICES)
        self.made = 0
        """Tokens that were taken."""
        self.refused = 0
        """How often there was none."""

    def saw(self, now: float, requests: int) -> None:
        """Take in how many first attempts there were in all until now: a count that only ever rises."""
        before = self._at
        self._advance(now)
        self.looked_at = max(now, self.looked_at)
        count, self._saw = max(0, requests - self._saw), max(requests, self._saw)
        if not count:
            return
        passed = self._at - before
        amount = round(count * self._terms.percent * TOKEN / 100)
        for back in range(min(passed, SLICES - 1) + 1):
            self._slices[-1 - back] += amount // (passed + 1)

    def take(self, now: float) -> bool:
        """Take a token for one more attempt, made now or after a wait; False: there is none."""
        self._advance(now)
        if sum(self._slices) < TOKEN:
            self.refused += 1
            return False
        wanted = TOKEN
        for index, amount in enumerate(self._slices):  # the oldest first: they are the next to be gone
            taken = min(amount, wanted)
            self._slices[index] = amount - taken
            wanted -= taken
        self.made += 1
        return True

    def left(self, now: float) -> float:
        """Return how many tokens there are."""
        self._advance(now)
        return sum(self._slices) / TOKEN

    @property
    def _floor(self) -> int:
        return round(self._terms.floor * self._terms.window_s * TOKEN / SLICES)

    def _slice(self, now: float) -> int:
        return int(now * SLICES / self._terms.window_s)

    def _advance(self, now: float) -> None:
        at = self._slice(now)
        for _ in range(min(SLICES, at - self._at)):
            self._slices.append(self._floor)  # which drops the oldest
        self._at = max(at, self._at)

    def __repr__(self) -> str:
        """What is left, and what was done, on one line."""
        return f"<AttemptBudget left={sum(self._slices) / TOKEN:.1f} made={self.made} refused={self.refused}>"
