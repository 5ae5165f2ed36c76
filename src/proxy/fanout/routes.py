"""Routes that ask several: a client's request waits, parked, for what becomes of its legs.

Who asks for the same while it is being asked waits for the same answer, and who asks soon after is given it again,
where the plan keeps answers. *The same* is what its legs would be sent: path, query, tenant, and every field that goes
on. Ids, trace and the client's address are those of the first.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol

from frames.frame import CancelReason, Method
from frames.wire_values import HEAD_CHUNKED, ForwardedFields
from proxy.errors import BYTES_IN_FLIGHT_FULL, FANOUT_BODY, FANOUT_FULL, FANOUT_TOO_WIDE, INTERNAL
from proxy.fanout.asking import Asker, Asking, Leg
from proxy.fanout.combined import Given, combined, is_complete
from proxy.fanout.fan import Rule
from proxy.fanout.kept import Kept
from proxy.fanout.plan import FanOutPlan
from proxy.fanout.tasks import TaskWait, reply_of
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.stage import PARKED, Answer, Await, Reply, Result, Stage

_SAFE: Final = (Method.GET, Method.HEAD, Method.OPTIONS)

COMPLETE: Final = "complete"
PARTIAL: Final = "partial"
FAILED: Final = "failed"
GONE: Final = "gone"
LATE: Final = "late"
SHARED: Final = "shared"
KEPT: Final = "kept"
OUTCOMES: Final = (COMPLETE, PARTIAL, FAILED, LATE, GONE, SHARED, KEPT)


class Waiting(Protocol):
    """Where requests wait: `proxy.request.parked.Parking`."""

    def park(
        self,
        exchange: Exchange,
        stage: Stage,
        *,
        on_gone: Callable[[Exchange], None] | None = None,
        on_expired: Callable[[Exchange], None] | None = None,
    ) -> Exchange | None:
        """Park an exchange; None where its request cannot be kept."""
        ...

    def answer(self, exchange: int, answer: Answer, /) -> None:
        """Answer with a reason."""
        ...

    def pass_on(self, exchange: int, payload: Any, /) -> bool:
        """Answer with a RESPONSE's payload."""
        ...

    def forget(self, exchange: int, /) -> object:
        """Let go of an exchange, as it is."""
        ...


class Legs(Protocol):
    """Who makes legs of a request: `proxy.fanout.legs.LegMaker`."""

    def asked_for(self, exchange: Exchange, plan: FanOutPlan, /) -> tuple[bytes, ForwardedFields] | Answer:
        """Return the query, and the fields that go on."""
        ...

    def legs(self, exchange: Exchange, plan: FanOutPlan, query: bytes, fields: ForwardedFields, /) -> list[Leg]:
        """Return the legs."""
        ...

    def forget(self) -> None:
        """Forget what was worked out about plans."""
        ...


class _Flight:
    """One fan-out under way, and who waits for it."""

    __slots__ = ("asking", "key", "plan", "waiting")

    def __init__(self, plan: FanOutPlan, key: Hashable | None) -> None:
        self.plan = plan
        self.key = key
        self.asking: Asking | None = None
        self.waiting: dict[int, int] = {}  # exchange: method


class FanOuts:
    """All of them. ``outcomes`` counts requests by route's name and what became of them."""

    def __init__(self, asker: Asker, legs: Legs, parking: Callable[[], Waiting]) -> None:
        """Begin with none."""
        self._asker = asker
        self._legs = legs
        self._parking = parking
        self._flights: dict[Hashable, _Flight] = {}
        self._of: dict[int, _Flight] = {}
        self._under_way: Counter[str] = Counter()
        self._waited: dict[int, TaskWait] = {}
        """Of requests that a task carries: what their stage, which is asked again at once, has to say."""
        self.kept: Kept[Given] = Kept()
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """How many fan-outs are under way."""
        return self._under_way.total()

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<FanOuts {len(self)} under way, {len(self._of)} requests wait, {self.kept!r}>"

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._of)

    def forget(self) -> None:
        """Forget what was kept and worked out: the configuration is another."""
        self.kept.clear()
        self._legs.forget()

    # ---- from the batch ----

    def ask(self, exchange: Exchange, stage: Stage) -> Result:
        """Begin with a request whose route asks several."""
        plan: FanOutPlan = exchange.route.fanout
        needs_task = bool(exchange.flags & NEEDS_TASK)
        if needs_task:
            waited = self._waited.pop(exchange.id, None)
            if waited is not None:
                return waited.found or Answer(INTERNAL)
            if exchange.content_length or exchange.flags & HEAD_CHUNKED:
                return Answer(FANOUT_BODY)
        asked = self._legs.asked_for(exchange, plan)
        if isinstance(asked, Answer):
            return asked
        query, fields = asked
        key = _key(exchange, plan, query, fields)
        if key is not None:
            given = self.kept.find(key, self._asker.clock())
            if given is not None:
                return self._give(exchange, stage, given)
            flight = self._flights.get(key)
            if flight is not None and not needs_task:
                self.outcomes[plan.name, SHARED] += 1
                return self._wait(exchange, stage, flight)
        if self._under_way[plan.name] >= plan.in_flight_max:
            return Answer(FANOUT_FULL, f"At most {plan.in_flight_max} are asked at once for this path.")
        legs = self._legs.legs(exchange, plan, query, fields)
        if len(legs) > plan.width_max:
            return Answer(FANOUT_TOO_WIDE, f"{len(legs)} would be asked, and at most {plan.width_max} may be.")
        return self._begin_in_task(exchange, key, legs) if needs_task else self._begin(exchange, stage, key, legs)

    def _begin_in_task(self, exchange: Exchange, key: Hashable | None, legs: list[Leg]) -> Await:
        """Let a task wait for a request that cannot be parked. Its stage is asked again when all is over."""
        plan, number = exchange.route.fanout, exchange.id

        def settle(asking: Asking) -> Answer | Reply:
            found = self._settle(plan, key, asking)
            return found if isinstance(found, Answer) else reply_of(found.payload, found.body_bytes)

        waited = TaskWait(
            self._asker,
            legs,
            _rule(plan, len(legs)),
            bytes_max=plan.bytes_max,
            deadline_ms=exchange.deadline_ms,
            settle=settle,
        )

        async def wait() -> None:
            self._waited = {at: other for at, other in self._waited.items() if not other.has_ended}
            self._under_way[plan.name] += 1
            try:
                await waited.wait()
                self._waited[number] = waited
            finally:
                self._under_way[plan.name] -= 1

        return Await(wait, exchange.deadline_ms)

    def _begin(self, exchange: Exchange, stage: Stage, key: Hashable | None, legs: list[Leg]) -> Result:
        plan: FanOutPlan = exchange.route.fanout
        flight = _Flight(plan, key)
        result = self._wait(exchange, stage, flight)
        if isinstance(result, Answer):
            return result
        deadline_ms = exchange.deadline_ms
        if key is not None:  # others may wait for it who have more time than this client
            deadline_ms = exchange.route.deadline_ms or exchange.snapshot.limits.deadline_ms
        flight.asking = Asking(
            self._asker,
            legs,
            _rule(plan, len(legs)),
            bytes_max=plan.bytes_max,
            ends_at=self._asker.clock() + deadline_ms / 1000,
            done=lambda asking: self._done(flight, asking),
        )
        if key is not None:
            self._flights[key] = flight
        self._under_way[plan.name] += 1
        try:
            flight.asking.begin()
        except Exception:  # a fault of ours: whoever runs the stages answers it
            if self._leave(exchange) is not None:
                self._parking().forget(exchange.id)
            self._end(flight, CancelReason.CLIENT_GONE)
            raise
        return PARKED

    def _wait(self, exchange: Exchange, stage: Stage, flight: _Flight) -> Result:
        """Let a request wait for a flight."""
        if self._parking().park(exchange, stage, on_gone=self._gone, on_expired=self._late) is None:
            return _not_kept(exchange)
        flight.waiting[exchange.id] = exchange.method
        self._of[exchange.id] = flight
        return PARKED

    def _give(self, exchange: Exchange, stage: Stage, given: Given) -> Result:
        """Give an answer that was kept."""
        if exchange.flags & NEEDS_TASK:
            self.outcomes[exchange.route.fanout.name, KEPT] += 1
            return reply_of(given.payload, given.body_bytes)
        if self._parking().park(exchange, stage) is None:
            return _not_kept(exchange)
        self.outcomes[exchange.route.fanout.name, KEPT] += 1
        self._parking().pass_on(exchange.id, given.to(exchange.method))
        return PARKED

    # ---- what becomes of it ----

    def _done(self, flight: _Flight, asking: Asking) -> None:
        """The legs are over."""
        self._land(flight)
        found = self._settle(flight.plan, flight.key, asking)
        waiting = self._take_all(flight)
        if isinstance(found, Answer):
            for exchange in waiting:
                self._parking().answer(exchange, found)
            return
        for exchange, method in waiting.items():
            self._parking().pass_on(exchange, found.to(method))

    def _settle(self, plan: FanOutPlan, key: Hashable | None, asking: Asking) -> Given | Answer:
        """Count what has become of a fan-out, and keep a good answer."""
        found = combined(plan, asking)
        if isinstance(found, Answer):
            self.outcomes[plan.name, FAILED] += 1
            return found
        self.outcomes[plan.name, COMPLETE if is_complete(plan, asking) else PARTIAL] += 1
        if key is not None:
            self._keep(plan, key, found)
        return found

    def _gone(self, exchange: Exchange) -> None:
        """A client has left, or the gateway has no more time for it."""
        flight = self._leave(exchange)
        if flight is not None and not flight.waiting:
            self.outcomes[flight.plan.name, GONE] += 1
            self._end(flight, CancelReason.CLIENT_GONE)

    def _late(self, exchange: Exchange) -> None:
        """A request's deadline has passed. What there is by now is given, if that is enough; else 504."""
        flight = self._leave(exchange)
        if flight is None or flight.asking is None:
            return
        plan, asking = flight.plan, flight.asking
        found = combined(plan, asking) if asking.is_met else None
        if isinstance(found, Given):
            self._parking().pass_on(exchange.id, found.to(exchange.method))
        if not flight.waiting:
            self.outcomes[plan.name, PARTIAL if isinstance(found, Given) else LATE] += 1
            self._end(flight, CancelReason.DEADLINE)

    def _leave(self, exchange: Exchange) -> _Flight | None:
        flight = self._of.pop(exchange.id, None)
        if flight is not None:
            del flight.waiting[exchange.id]
        return flight

    def _take_all(self, flight: _Flight) -> dict[int, int]:
        waiting, flight.waiting = flight.waiting, {}
        for exchange in waiting:
            del self._of[exchange]
        return waiting

    def _end(self, flight: _Flight, reason: CancelReason) -> None:
        """Nobody waits any more: all legs are told to stop."""
        if flight.asking is not None and not flight.asking.is_over:
            self._land(flight)
            flight.asking.give_up(reason)

    def _land(self, flight: _Flight) -> None:
        self._under_way[flight.plan.name] -= 1
        if flight.key is not None:
            del self._flights[flight.key]

    def _keep(self, plan: FanOutPlan, key: Hashable, given: Given) -> None:
        now = self._asker.clock()
        self.kept.sweep(now)
        self.kept.keep(key, given, len(given.payload) + _length(key), now + plan.kept_ms / 1000, now)


def _rule(plan: FanOutPlan, legs: int) -> Rule:
    return Rule(plan.needed(legs), plan.at_once, plan.ends_when_met, plan.stops)


def _not_kept(exchange: Exchange) -> Answer:
    """Return why a request cannot wait: there is no memory for it, or its body is too long to be kept."""
    return Answer(BYTES_IN_FLIGHT_FULL if exchange.method in _SAFE else FANOUT_BODY)


def _key(exchange: Exchange, plan: FanOutPlan, query: bytes, fields: ForwardedFields) -> Hashable | None:
    """Return what requests have in common that may have one answer; None where each has one of its own."""
    if not plan.kept_ms or plan.method not in _SAFE:
        return None
    caller = exchange.caller
    who = b"" if caller is None else caller.tenant
    identity = None if caller is None else caller.identity
    return plan, exchange.path, query, who, identity, fields.block


def _length(key: Hashable) -> int:
    return sum(len(part) for part in key if isinstance(part, bytes)) if isinstance(key, tuple) else 0
