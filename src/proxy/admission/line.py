"""The waiting line: who waits for a place, who is next, and who is sent away when there is no room.

It is fair in two steps. Among *priorities* the next one is chosen by stride scheduling (Waldspurger, 1995): each gets
its part of the places as its weight says, so the highest gets most and the lowest is never starved. Among the *tenants*
of a priority the places go round, one each (fair queueing, Nagle, 1987; deficit round robin with requests of one size).
So who asks a hundred times as often as others gets no more than they do while they wait.

Within a tenant the oldest goes first, or the newest where the line is standing (see `patience`).

Where the line is full, who comes takes the place of somebody else only if that one is of a lower priority, or of a
tenant that has more than its share of the line. Nobody is in the line whose client has gone, or who could not be
answered before its deadline any more: the dead leave first.

Nothing here knows of I/O or of a clock: `now_s` is given.
"""

from collections import OrderedDict, deque
from heapq import heappop, heappush
from typing import Any, Final

from proxy.admission.priority import WEIGHTS, Priority

_STRIDE: Final = 840
"""Divided by a weight, it is how far a priority moves on with each place: 840 keeps it whole for weights up to 8."""
_RUBBISH: Final = 64


class Waiter:
    """One who waits. what: the caller's own; leaves_s: from then on it would be in vain."""

    __slots__ = ("entered_s", "is_waiting", "leaves_s", "priority", "tenant", "what")

    def __init__(self, what: Any, tenant: bytes, priority: Priority, entered_s: float, leaves_s: float) -> None:
        self.what = what
        self.tenant = tenant
        self.priority = priority
        self.entered_s = entered_s
        self.leaves_s = leaves_s
        self.is_waiting = False

    def __repr__(self) -> str:
        """Who it is, on one line."""
        return f"<Waiter {self.what!r} {self.priority.name} of {self.tenant!r} since {self.entered_s}>"


class _Queue:
    """Those of one tenant and one priority. ``waiting``: those of ``waiters`` that still are."""

    __slots__ = ("waiters", "waiting")

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()
        self.waiting = 0


class _Class:
    """Those of one priority. ``position``: on the way of the strides; who is least far on is next."""

    __slots__ = ("position", "queues", "stride", "waiting")

    def __init__(self, priority: Priority) -> None:
        self.queues: OrderedDict[bytes, _Queue] = OrderedDict()
        self.waiting = 0
        self.stride = _STRIDE // WEIGHTS[priority]
        self.position = 0


class Line:
    """Who waits, at most ``size`` of them."""

    __slots__ = ("_classes", "_deadlines", "_order", "_position", "_serial", "_tenants", "size", "waiting")

    def __init__(self, size: int) -> None:
        """Begin empty."""
        self.size = size
        self.waiting = 0
        self._classes = {priority: _Class(priority) for priority in Priority}
        self._position = 0  # of the class that was served last
        self._tenants: dict[bytes, int] = {}  # how many wait, by tenant
        self._order: deque[Waiter] = deque()  # all, the oldest first
        self._deadlines: list[tuple[float, int, Waiter]] = []
        self._serial = 0

    def __repr__(self) -> str:
        """Count and bound on one line."""
        return f"<Line {self.waiting} of {self.size}>"

    # ---- coming and going ----

    def enter(self, waiter: Waiter, room: int | None = None) -> Waiter | None:
        """Let somebody in. Returns who is sent away for it: nobody, somebody else, or the one who came.

        room: for how many there is room now, where that is less than the size.
        """
        sent_away, room = None, self.size if room is None else min(room, self.size)
        if self.waiting >= room:
            sent_away = self._whom_to_send_away(waiter, room)
            if sent_away is waiter:
                return waiter
            self.leave(sent_away)
        klass = self._classes[waiter.priority]
        if not klass.waiting:
            klass.position = max(klass.position, self._position)  # no credit for the time without requests
        queue = klass.queues.get(waiter.tenant)
        if queue is None:
            queue = klass.queues[waiter.tenant] = _Queue()
        queue.waiters.append(waiter)
        queue.waiting += 1
        klass.waiting += 1
        self.waiting += 1
        self._tenants[waiter.tenant] = self._tenants.get(waiter.tenant, 0) + 1
        waiter.is_waiting = True
        self._order.append(waiter)
        self._serial += 1
        heappush(self._deadlines, (waiter.leaves_s, self._serial, waiter))
        return sent_away

    def leave(self, waiter: Waiter) -> bool:
        """Take somebody out, wherever in the line. Returns whether it was there."""
        if not waiter.is_waiting:
            return False
        waiter.is_waiting = False
        klass = self._classes[waiter.priority]
        queue = klass.queues[waiter.tenant]
        queue.waiting -= 1
        klass.waiting -= 1
        self.waiting -= 1
        if not queue.waiting:
            del klass.queues[waiter.tenant]
        left = self._tenants[waiter.tenant] - 1
        if left:
            self._tenants[waiter.tenant] = left
        else:
            del self._tenants[waiter.tenant]
        self._sweep(queue)
        return True

    # ---- who is next ----

    def take(self, *, newest_first: bool = False) -> Waiter | None:
        """Take out who is next, or return None where nobody waits."""
        if not self.waiting:
            return None
        klass = min((one for one in self._classes.values() if one.waiting), key=_position_of)
        self._position = klass.position
        klass.position += klass.stride
        tenant, queue = next(iter(klass.queues.items()))
        klass.queues.move_to_end(tenant)
        waiters = queue.waiters
        waiter = waiters.pop() if newest_first else waiters.popleft()
        while not waiter.is_waiting:
            waiter = waiters.pop() if newest_first else waiters.popleft()
        self.leave(waiter)
        return waiter

    # ---- who has waited for long enough ----

    def dead(self, now_s: float) -> list[Waiter]:
        """Take out those who would wait in vain: nobody could answer them in time."""
        found, deadlines = [], self._deadlines
        while deadlines and (deadlines[0][0] <= now_s or not deadlines[0][2].is_waiting):
            waiter = heappop(deadlines)[2]
            if self.leave(waiter):
                found.append(waiter)
        return found

    def late(self, entered_before_s: float) -> list[Waiter]:
        """Take out those who came at this time or earlier."""
        found, order = [], self._order
        while order and (order[0].entered_s <= entered_before_s or not order[0].is_waiting):
            waiter = order.popleft()
            if self.leave(waiter):
                found.append(waiter)
        return found

    # ---- room ----

    def _whom_to_send_away(self, waiter: Waiter, room: int) -> Waiter:
        """Return who has to go where the line is full and this one comes."""
        lowest = max(priority for priority, klass in self._classes.items() if klass.waiting)
        if lowest < waiter.priority:
            return waiter
        if lowest == waiter.priority:
            share = max(1.0, room / (len(self._tenants) + (waiter.tenant not in self._tenants)))
            if self._tenants.get(waiter.tenant, 0) >= share:
                return waiter
            return self._newest_above(share, self._classes[lowest]) or waiter
        return self._newest_above(0.0, self._classes[lowest]) or waiter

    def _newest_above(self, share: float, klass: _Class) -> Waiter | None:
        """Return the newest of the tenant that has most of the line, if that is more than this share."""
        tenant = max(klass.queues, key=self._tenants.__getitem__)
        if self._tenants[tenant] <= share:
            return None
        return next((one for one in reversed(klass.queues[tenant].waiters) if one.is_waiting), None)

    def _sweep(self, queue: _Queue) -> None:
        """Forget those who left from the middle, once they are more than those who wait."""
        if len(queue.waiters) > 2 * queue.waiting + _RUBBISH:
            queue.waiters = deque(one for one in queue.waiters if one.is_waiting)
        if len(self._order) > 2 * self.waiting + _RUBBISH:
            self._order = deque(one for one in self._order if one.is_waiting)
        if len(self._deadlines) > 2 * self.waiting + _RUBBISH:
            self._deadlines = sorted((entry for entry in self._deadlines if entry[2].is_waiting), key=_first_two)


def _position_of(klass: _Class) -> int:
    return klass.position


def _first_two(entry: tuple[float, int, Waiter]) -> tuple[float, int]:
    return entry[:2]
