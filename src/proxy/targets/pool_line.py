"""The lines before full targets: who waits for a connection, in order, each until a deadline of its own.

Who was given a connection keeps a place on it, until it is in flight and the wire counts it, or it does not want it
any more: `settle`.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from proxy.pooled import Fail, Why
from proxy.targets.pool_values import Connection, PoolLimits, Ring

PRUNE_ABOVE: Final = 64
"""Deadlines of those who have left, before the heap is made again without them."""


class Lines:
    """All who wait. A ring's own line is ``ring.line``; changes go through here."""

    def __init__(self, limits: PoolLimits, in_flight: Sequence[int]) -> None:
        """Begin empty. in_flight: the wire's, by slot."""
        self.limits = limits
        self._in_flight = in_flight
        self._rings: dict[int, Ring] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._given: dict[int, Connection] = {}
        self._failed: dict[int, Why] = {}
        self.served = 0
        """Who was given a connection, ever."""
        self.refusals = dict.fromkeys(Why, 0)
        """Who was not, by why."""

    def __len__(self) -> int:
        """How many wait, all together."""
        return len(self._rings)

    def __bool__(self) -> bool:
        """Whether `serve` has anything to do."""
        return bool(self._rings or self._failed)

    def load(self, connection: Connection) -> int:
        """Return how many requests are in flight on a connection, or will be in a moment."""
        return self._in_flight[connection.slot] + connection.given

    def roomiest(self, ring: Ring) -> Connection | None:
        """Return the connection with the fewest in flight, if it has room for one more."""
        best = min(ring.connections, key=self.load, default=None)
        return best if best is not None and self.load(best) < self.limits.in_flight_max else None

    def join(self, ring: Ring, waiter: int, deadline_at: float, now: float, *, is_reachable: bool) -> Why | None:
        """Put somebody at the end of a ring's line; None, or why it would wait in vain."""
        self._expire(now)
        if deadline_at <= now:
            return self._refuse(Why.DEAD)
        if not is_reachable:
            return self._refuse(Why.UNREACHABLE)
        if len(self._rings) >= self.limits.waiting_max:
            return self._refuse(Why.FULL)
        self._rings[waiter] = ring
        ring.line[waiter] = deadline_at
        heappush(self._deadlines, (deadline_at, waiter))
        return None

    def settle(self, waiter: int) -> None:
        """Let somebody out of the line, or free the place that was kept. Nothing more is said of it."""
        self._leave(waiter)
        self._failed.pop(waiter, None)
        connection = self._given.pop(waiter, None)
        if connection is not None:
            connection.given -= 1

    def expire(self, waiter: int) -> None:
        """Let somebody out whose deadline has passed, as somebody else has seen."""
        if waiter in self._rings:
            self._leave(waiter)
            self._refuse(Why.DEAD)

    def given(self, waiter: int, ring: Ring) -> Connection | None:
        """Return what was given to somebody, if it is one of the ring's and still alive."""
        connection = self._given.get(waiter)
        return connection if connection is not None and connection in ring.connections else None

    def fail(self, ring: Ring) -> None:
        """Let everybody out of a ring's line: nobody is there."""
        for waiter in list(ring.line):
            self._leave(waiter)
            self._failed[waiter] = self._refuse(Why.UNREACHABLE)

    def serve(self, now: float) -> tuple[list[Fail], list[tuple[int, Connection]]]:
        """Let out who need not wait any more: in vain, and with a connection. The dead leave first."""
        self._expire(now)
        failed = [Fail(waiter, why) for waiter, why in self._failed.items()]
        self._failed.clear()
        served = []
        for ring in dict.fromkeys(self._rings.values()):
            while ring.line and (connection := self.roomiest(ring)) is not None:
                waiter = next(iter(ring.line))
                self._leave(waiter)
                self._given[waiter] = connection
                connection.given += 1
                served.append((waiter, connection))
        self.served += len(served)
        return failed, served

    def _expire(self, now: float) -> None:
        """Let those out whose deadline has passed."""
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline_at, waiter = heappop(self._deadlines)
            ring = self._rings.get(waiter)
            if ring is not None and ring.line[waiter] == deadline_at:
                self._leave(waiter)
                self._failed[waiter] = self._refuse(Why.DEAD)

    def _leave(self, waiter: int) -> None:
        ring = self._rings.pop(waiter, None)
        if ring is None:
            return
        del ring.line[waiter]
        if len(self._deadlines) > 2 * len(self._rings) + PRUNE_ABOVE:
            self._deadlines = [(each.line[one], one) for one, each in self._rings.items()]
            heapify(self._deadlines)

    def _refuse(self, why: Why) -> Why:
        self.refusals[why] += 1
        return why
