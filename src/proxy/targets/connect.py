"""Connect, as a stage: by which connection of a dialled instance a request goes, and the wait where there is none.

Whoever is chosen has a connection at hand, nearly always. Where all of its connections are full, or it is dormant, the
request waits in the pool's line: parked, without a task, or in the task that carries it where its body does not fit.
Who waits in vain goes to another instance, if one has room, and is refused else.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import trio
from msgspec.structs import replace

from frames.wire_values import slot_of
from proxy.errors import CONNECT_FAILED, CONNECT_LINE_FULL, DEADLINE
from proxy.pooled import Fail, Give, Why
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.stage import PARKED, Answer, Await, Result, Stage
from proxy.targets.pool import Pool

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.targets.pool_values import Ring

BEGINS_S: Final = 1.0
"""Tasks begin within milliseconds; this one will not."""

_REFUSED: Final = {
    Why.FULL: Answer(CONNECT_LINE_FULL),
    Why.DEAD: Answer(DEADLINE),
    Why.UNREACHABLE: Answer(CONNECT_FAILED),
}


class Waiting(Protocol):
    """Where a request waits without a task: `proxy.request.parked.Parking`."""

    def park(
        self,
        exchange: Exchange,
        stage: Stage,
        *,
        on_gone: Callable[[Exchange], None],
        on_expired: Callable[[Exchange], None],
    ) -> Exchange | None:
        """Park an exchange; None: it cannot be."""
        ...

    def resume(self, exchange: int, /) -> None:
        """Run the stages behind the one that has parked, and send."""

    def answer(self, exchange: int, answer: Answer, /) -> None:
        """Answer with a reason."""


class ConnectPort(Protocol):
    """What is asked of the wire."""

    @property
    def in_flight(self) -> Sequence[int]:
        """Requests in flight, by slot."""
        ...

    @property
    def on_turn(self) -> list[Callable[[], None]]:
        """What is to be run after each step."""
        ...

    def age_ms(self, exchange: int, /) -> int:
        """Return the milliseconds since the first byte of a request."""
        ...


class _InTask:
    """A request that waits in a task."""

    __slots__ = ("begins_by", "is_over", "why")

    def __init__(self, begins_by: float) -> None:
        self.begins_by = begins_by
        """When its task must have begun to wait: there is none where the client has left within the batch."""
        self.is_over = trio.Event()
        self.why: Why | None = None


class Connecting:
    """The stage, and those who wait."""

    def __init__(
        self,
        wire: ConnectPort,
        pool: Pool,
        parking: Callable[[], Waiting],
        *,
        take_turn_soon: Callable[[], None],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """take_turn_soon: has what the pool says done as soon as the batch is over."""
        self._wire = wire
        self._pool = pool
        self._parking = parking
        self._take_turn_soon = take_turn_soon
        self._clock = clock
        self._parked: dict[int, Exchange] = {}
        self._in_tasks: dict[int, _InTask] = {}
        self._served: dict[int, Why | None] = {}
        """Whose wait is over, until the stage has been asked again: None for a connection that was given."""

    def __repr__(self) -> str:
        """How many wait."""
        return f"<Connecting parked={len(self._parked)} in_tasks={len(self._in_tasks)}>"

    # ---- the stage ----

    def connect(self, exchange: Exchange, stage: Stage) -> Result:
        """Set by which connection of the offer's instance the request goes, or let it wait for one."""
        offer = exchange.offer
        ring = offer.instance.ring
        if ring is None:
            return None
        if self._served and exchange.id in self._served:
            return self._ask_again(exchange, ring, stage)
        handle = self._pool.checkout(ring)
        if handle == offer.connection:
            return None
        if handle:
            exchange.offer = _over(offer, handle)
            return None
        return self._wait(exchange, ring, stage)

    def _ask_again(self, exchange: Exchange, ring: "Ring", stage: Stage) -> Result:
        """Go on with one whose wait is over, and whose routes may have been found anew."""
        why, number = self._served.pop(exchange.id), exchange.id
        handle = self._pool.given(number, ring)
        self._pool.settle(number)
        handle = handle or self._pool.checkout(ring)
        if handle:
            exchange.offer = _over(exchange.offer, handle)
            return None
        return self._wait(exchange, ring, stage) if why is None else self._elsewhere(exchange, why, stage)

    def _wait(self, exchange: Exchange, ring: "Ring", stage: Stage) -> Result:
        why = self._join(exchange, ring)
        return self._elsewhere(exchange, why, stage) if why is not None else self._stand(exchange, stage)

    def _elsewhere(self, exchange: Exchange, why: Why, stage: Stage) -> Result:
        if self._find_other(exchange, why):
            return None
        return self._stand(exchange, stage) if self._join_other(exchange, why) else _REFUSED[why]

    def _join(self, exchange: Exchange, ring: "Ring") -> Why | None:
        """Put a request into the line of a ring, until its deadline."""
        now = self._clock()
        left_s = (exchange.deadline_ms - self._wire.age_ms(exchange.id)) / 1000
        return self._pool.wait(ring, exchange.id, now + left_s, now)

    def _stand(self, exchange: Exchange, stage: Stage) -> Result:
        """Let a request wait that is in line: parked, or in a task."""
        number, kept = exchange.id, None
        self._watch()
        try:
            if not exchange.flags & NEEDS_TASK:
                kept = self._parking().park(exchange, stage, on_gone=self._gone, on_expired=self._late)
        except BaseException:
            self._pool.settle(number)
            raise
        if kept is not None:
            self._parked[number] = kept
            return PARKED
        self._in_tasks[number] = _InTask(self._clock() + BEGINS_S)
        return Await(lambda: self._wait_in_task(number))

    def _find_other(self, exchange: Exchange, why: Why) -> bool:
        """Choose another of the instances that might have been chosen: of those with room, the least busy."""
        in_flight = self._wire.in_flight
        for offer in sorted(_others(exchange, why), key=lambda one: in_flight[one.slot]):
            ring = offer.instance.ring
            handle = offer.connection if ring is None else self._pool.checkout(ring)
            if handle:
                exchange.offer = offer if handle == offer.connection else _over(offer, handle)
                return True
        return False

    def _join_other(self, exchange: Exchange, why: Why) -> bool:
        """Wait for another of these instances, which can be reached as far as anybody knows."""
        for offer in _others(exchange, why):
            ring = offer.instance.ring
            if ring is not None and self._pool.is_reachable(ring, self._clock()):
                exchange.offer = offer
                return self._join(exchange, ring) is None
        return False

    # ---- what becomes of those who wait ----

    def tell(self, told: Give | Fail) -> None:
        """Take what the pool says of one who waits."""
        number, why = told.waiter, told.why if isinstance(told, Fail) else None
        in_task, exchange = self._in_tasks.get(number), self._parked.pop(number, None)
        if in_task is not None:
            in_task.why = why
            in_task.is_over.set()
        elif exchange is None:
            self._pool.settle(number)  # gone meanwhile
        elif why is not None:
            self._refuse(exchange, why)
        else:
            self._resume(exchange, told.connection if isinstance(told, Give) else 0)

    def _resume(self, exchange: Exchange, connection: int) -> None:
        """Send by the connection that was given, unless the routes are others by now and another one is chosen."""
        exchange.offer = _over(exchange.offer, connection)
        self._served[exchange.id] = None
        try:
            self._parking().resume(exchange.id)
        finally:
            if exchange.id in self._served:  # it was not asked again: the wire counts it from now on
                del self._served[exchange.id]
                self._pool.settle(exchange.id)

    def _refuse(self, exchange: Exchange, why: Why) -> None:
        """Send to another instance, or have it wait for one; where there is none, answer."""
        if self._find_other(exchange, why):
            self._served[exchange.id] = why
            try:
                self._parking().resume(exchange.id)
            finally:
                self._served.pop(exchange.id, None)
        elif self._join_other(exchange, why):
            self._parked[exchange.id] = exchange
            self._watch()
        else:
            self._parking().answer(exchange.id, _REFUSED[why])

    def _gone(self, exchange: Exchange) -> None:
        """Forget one whose client has left; who has parked it answers."""
        self._parked.pop(exchange.id, None)
        self._pool.settle(exchange.id)

    def _late(self, exchange: Exchange) -> None:
        """Forget one whose deadline has passed."""
        self._pool.expire(exchange.id)
        self._gone(exchange)

    async def _wait_in_task(self, number: int) -> None:
        """Wait until the pool has said something. Whoever is cancelled leaves no place behind."""
        in_task = self._in_tasks.get(number)
        if in_task is None:  # it has begun far too late: the stage looks anew
            self._served[number] = None
            return
        in_task.begins_by = math.inf
        try:
            self._take_turn_soon()
            await in_task.is_over.wait()
        except BaseException:
            self._pool.settle(number)
            raise
        finally:
            self._in_tasks.pop(number, None)
        self._served[number] = in_task.why

    # ---- the line moves when an answer has come ----

    def _watch(self) -> None:
        """Have the line looked at after each step, as long as anybody waits."""
        self._take_turn_soon()
        if self._look not in self._wire.on_turn:
            self._wire.on_turn.append(self._look)

    def _look(self) -> None:
        now = self._clock()
        self._tidy(now)
        for told in self._pool.serve(now):
            if isinstance(told, Give | Fail):
                self.tell(told)
        if not (self._pool.is_waited_for or self._parked or self._in_tasks or self._served):
            self._wire.on_turn.remove(self._look)

    def _tidy(self, now: float) -> None:
        """Free the places of tasks that went on another way, without asking the stage again, or never began."""
        for number in tuple(self._served):
            del self._served[number]
            self._pool.settle(number)
        for number in [number for number, in_task in self._in_tasks.items() if in_task.begins_by < now]:
            del self._in_tasks[number]
            self._pool.settle(number)


def _others(exchange: Exchange, why: Why) -> "list[Offer]":
    """Return the other instances that might have been chosen; none where it is too late for any."""
    chosen = exchange.offer.instance
    return [] if why is Why.DEAD else [offer for offer in exchange.offers if offer.instance is not chosen]


def _over(offer: "Offer", connection: int) -> "Offer":
    """Return the offer by another connection of its instance."""
    return replace(offer, connection=connection, slot=slot_of(connection))
