"""Hedging: second attempts beside first ones that take long. `hedge` decides when; this does it.

    the time of a first attempt is over     a branch of its exchange goes to another instance; the first goes on
    the first answers                       the branch is cancelled, on the wire
    the branch answers well                 the first is cancelled, on the wire, and the branch's answer is passed on
    the branch fails                        nothing is said of it; the first goes on
    the first fails                         the branch is waited for; only if it fails, too, the failure is told

Only what asks (GET, HEAD, OPTIONS) is hedged, and only where answers come whole. A hedge takes from the budget that it
shares with retries. No branch outlives its exchange.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from frames.frame import CancelReason
from frames.wire_values import Event, EventKind, ExchangeFacts, WireResult
from proxy.attempts.elsewhere import candidates, not_asked
from proxy.attempts.hedge import HedgeDelay, HedgeRate
from proxy.attempts.notes import SLOT, Notes
from proxy.errors import BAD_RESPONSE
from proxy.request.exchange import Exchange
from proxy.request.failure import Failure, FailureKind
from proxy.request.gathered import Arena, Gathered, Whole
from proxy.request.stage import Answer, Stage, for_routes

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.table import Route

_FOREVER_MS: Final = 3_600_000
_WINDOW_BYTES: Final = 65_536
_FAILED_STATUS: Final = 500
_TOO_MANY: Final = 429


class Hedged(Enum):
    """What became of a hedge, or of the wish for one. The last four: none was made."""

    WON = "won"
    LOST = "lost"
    """The first attempt was faster, or nobody waited any more."""
    FAILED = "failed"
    NO_RATE = "rate"
    """As many as the profile's part were made."""
    NO_BUDGET = "budget"
    """The budget that retries and hedges share is used up."""
    NO_INSTANCE = "instance"
    """There is no other instance that could be asked."""
    NO_COPY = "buffer"
    """The request was too long to be kept."""


MADE: Final = (Hedged.WON, Hedged.LOST, Hedged.FAILED)


class HedgePort(Protocol):
    """What is asked of the wire."""

    @property
    def arena(self) -> Arena:
        """The bytes that a step took in."""
        ...

    def facts(self, exchange: int, /) -> ExchangeFacts | None:
        """Return where an exchange stands."""
        ...

    def branch(self, exchange: int, /) -> int:
        """Begin an exchange with the kept request of another; 0: no room."""
        ...

    def again(
        self, exchange: int, connection: int, route: int, endpoint: int, gauge: int, how: int, attempt: int, ms: int, /
    ) -> int:
        """Send what was kept."""
        ...

    def wait(self, exchange: int, milliseconds: int, /) -> int:
        """Set the timer of an exchange."""
        ...

    def cancel(self, exchange: int, reason: int, /) -> int:
        """Take a sent exchange back."""
        ...

    def end(self, exchange: int, /) -> int:
        """End an exchange that was begun."""
        ...

    def route_latency(self, route: int, /) -> Sequence[int]:
        """Return the counts of a route's times to respond."""
        ...


class Budgets(Protocol):
    """How much may be sent again: `proxy.attempts.budgets.AttemptBudgets`."""

    def take(self, service: str, /) -> bool:
        """Take a token."""
        ...


class Memory(Protocol):
    """The memory for all bodies together."""

    def reserve(self, byte_count: int, /) -> bool:
        """Hold this many bytes, all or none."""
        ...

    def release(self, byte_count: int, /) -> None:
        """Let go of them."""
        ...


class _OfRoute(msgspec.Struct, eq=False):
    """What is known of a route that is hedged, by its index. percent: by which that was learned."""

    percent: float
    delay: HedgeDelay
    rate: HedgeRate
    route: "Route"
    seen: int = 0
    """Requests that the rate was not told of yet."""


class _Hedge(msgspec.Struct, eq=False):
    """One hedge under way."""

    branch: int
    gathered: Gathered
    first: tuple[int, Failure] | None = None
    """How the first attempt has failed meanwhile, and on which connection."""
    held_bytes: int = 0


class HedgeDelays:
    """Says when the requests of each route are to be hedged: what a stage needs, and no more."""

    def __init__(
        self, counts_of: Callable[[int], Sequence[int]], bound_us: Callable[[int], int], clock: Callable[[], float]
    ) -> None:
        """counts_of: a route's times to respond, by bucket; bound_us: the greatest value of a bucket."""
        self._counts_of = counts_of
        self._bound_us = bound_us
        self._clock = clock
        self._routes: dict[int, _OfRoute] = {}

    def time(self, route: "Route") -> None:
        """See to the time of a first attempt of a route, for the request that is sent next, and count that request."""
        known, now = self._routes.get(route.index), self._clock()
        if known is None or known.route is not route or now >= known.delay.due:
            known = self._look(route, known, now)
        known.seen += 1

    def _look(self, route: "Route", known: _OfRoute | None, now: float) -> _OfRoute:
        percent = route.plan.profile.hedge
        if known is None or known.percent != percent:
            known = _OfRoute(percent, HedgeDelay(percent, self._bound_us), HedgeRate(percent), route)
            self._routes[route.index] = known
        known.route = route
        if now >= known.delay.due:
            known.delay.look(self._counts_of(route.index), now)
        delay_ms, most_ms = known.delay.delay_ms, route.plan.attempt_ms
        route.attempt_ms = delay_ms if delay_ms and (not most_ms or delay_ms < most_ms) else most_ms
        return known

    def rate(self, route: int) -> HedgeRate | None:
        """Return how many hedges a route may have; None: it has none."""
        known = self._routes.get(route)
        if known is None:
            return None
        known.rate.saw(known.seen)
        known.seen = 0
        return known.rate

    def delay_ms(self, route: int) -> int:
        """Return after how long a route's requests are hedged; 0: not known."""
        known = self._routes.get(route)
        return known.delay.delay_ms if known is not None else 0


class Hedging:
    """All hedges under way. ``outcomes`` counts them, and those that were not made."""

    def __init__(
        self,
        wire: HedgePort,
        takers: dict[int, Callable[[Event], None]],
        budgets: Budgets,
        memory: Memory,
        notes: Notes,
        delays: HedgeDelays,
        *,
        instance_of: Callable[[int], str],
        is_well: Callable[[int, int], bool],
        connect: Callable[["Offer"], int],
        choose: Callable[["Sequence[Offer]"], "Offer | None"],
        settle: Callable[[int, Failure], None],
        failed: Callable[[int, int, Failure], None],
    ) -> None:
        """Take what it works with.

        takers: where the batch finds who takes an event of a branch; instance_of: who is at the other end of a
        connection; is_well: whether no breaker of an instance, or of its endpoint with a gauge, is other than closed;
        connect: by which connection an offer is reached now, 0: by none; choose: one of several; settle:
        tells a client what became of its request, once and for all; failed: takes a first attempt's failure, as if it
        came now.
        """
        self._wire = wire
        self._takers = takers
        self._budgets = budgets
        self._memory = memory
        self._notes = notes
        self._delays = delays
        self._instance_of = instance_of
        self._is_well = is_well
        self._connect = connect
        self._choose = choose
        self._settle = settle
        self._failed = failed
        self._hedges: dict[int, _Hedge] = {}
        self._had_time: dict[int, int] = {}
        """By slot: the exchange whose time for a hedge is over. As many as exchanges at once, at most."""
        self.outcomes: Counter[Hedged] = Counter()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._hedges)

    def __repr__(self) -> str:
        """Count on one line."""
        return f"<Hedging {len(self._hedges)} under way>"

    # ---- from who sends requests again ----

    def early(self, exchange: int, connection: int, route: "Route") -> bool:
        """Take in that the time of a first attempt is over. False: it was not for a hedge."""
        if exchange in self._hedges:
            self._wire.wait(exchange, _FOREVER_MS)  # both go on, no longer than to the deadline
            return True
        facts = self._wire.facts(exchange)
        if facts is None or not self._is_due(exchange, connection, route, facts):
            return False
        self._had_time[exchange & SLOT] = exchange
        plan, delay_ms = route.plan, self._delays.delay_ms(route.index)
        self._wire.wait(exchange, plan.attempt_ms - delay_ms if plan.attempt_ms else _FOREVER_MS)
        limit = self._begin(exchange, connection, route, facts)
        if limit is not None:
            self.outcomes[limit] += 1
        return True

    def is_due(self, exchange: int, connection: int, route: "Route") -> bool:
        """Whether the time that is over says nothing of the instance: it was that for a hedge."""
        facts = self._wire.facts(exchange)
        return exchange in self._hedges or (facts is not None and self._is_due(exchange, connection, route, facts))

    def _is_due(self, exchange: int, connection: int, route: "Route", facts: ExchangeFacts) -> bool:
        """Whether a first attempt's time is over for the first time. Who is suspected anyhow is not waited for."""
        plan, delay_ms = route.plan, self._delays.delay_ms(route.index)
        if not plan.hedges or not delay_ms or (plan.attempt_ms and delay_ms >= plan.attempt_ms):
            return False
        if facts.attempt != 1 or self._had_time.get(exchange & SLOT) == exchange or self._notes.is_nested(exchange):
            return False
        return self._is_well(connection, facts.gauge)

    def first_failed(self, exchange: int, connection: int, failure: Failure) -> bool:
        """Take in that a first attempt has failed. True: its hedge is waited for."""
        hedge = self._hedges.get(exchange)
        if hedge is None or not self._memory.reserve(len(failure.payload)):
            self.forget(exchange)
            return False
        if failure.cancel is not None:
            self._wire.cancel(exchange, failure.cancel)
            failure = failure._replace(cancel=None)
        hedge.held_bytes = len(failure.payload)
        hedge.first = (connection, failure)
        self._wire.wait(exchange, _FOREVER_MS)
        return True

    def forget(self, exchange: int) -> None:
        """An exchange is over: its hedge, if there is one, has lost."""
        hedge = self._hedges.get(exchange)
        if hedge is not None:
            self._end(exchange, hedge, Hedged.LOST, CancelReason.HEDGE_LOST)

    # ---- a hedge ----

    def _begin(self, exchange: int, connection: int, route: "Route", facts: ExchangeFacts) -> Hedged | None:
        """Make a hedge; or say why there is none."""
        if not facts.kept_bytes:
            return Hedged.NO_COPY
        offers = not_asked(candidates(route, self._notes.chosen(exchange)), {self._instance_of(connection)})
        offers = tuple(offer for offer in offers if not offer.streams)
        rate = self._delays.rate(route.index)
        if not offers:
            return Hedged.NO_INSTANCE
        if rate is None or not rate.take():
            return Hedged.NO_RATE
        if not self._budgets.take(route.service):
            return Hedged.NO_BUDGET
        offer = self._choose(offers)
        to = self._connect(offer) if offer is not None else 0
        branch = self._wire.branch(exchange) if to else 0
        if offer is None or not branch:
            return Hedged.NO_INSTANCE
        attempt = facts.attempt + 1
        result = self._wire.again(branch, to, route.index, offer.endpoint_id, offer.gauge, 0, attempt, 0)
        if result != WireResult.OK:
            self._wire.end(branch)
            return Hedged.NO_INSTANCE
        gathered = Gathered(facts.method, _WINDOW_BYTES, self._memory.reserve, may_stream=False, keeps=True)
        hedge = self._hedges[exchange] = _Hedge(branch, gathered)
        self._takers[branch] = lambda event: self._take(exchange, hedge, event)
        return None

    def _take(self, exchange: int, hedge: _Hedge, event: Event) -> None:
        """Take an event of a branch."""
        if event[2] != EventKind.STREAM:
            self._fail(exchange, hedge, CancelReason.DEADLINE)
            return
        ended = hedge.gathered.take(event, self._wire.arena)
        if ended is None:
            return
        outcome = ended.outcome
        if isinstance(outcome, Whole) and outcome.status < _FAILED_STATUS and outcome.status != _TOO_MANY:
            self._win(exchange, hedge, outcome)
        else:
            self._fail(exchange, hedge, ended.cancel)

    def _win(self, exchange: int, hedge: _Hedge, whole: Whole) -> None:
        cancel = CancelReason.HEDGE_LOST if hedge.first is None else None
        self._end(exchange, hedge, Hedged.WON, None)
        self._settle(
            exchange,
            Failure(
                FailureKind.ANSWERED, Answer(BAD_RESPONSE), status=whole.status, payload=whole.payload, cancel=cancel
            ),
        )

    def _fail(self, exchange: int, hedge: _Hedge, cancel: CancelReason | None) -> None:
        """The hedge has failed. If the first has, too, that is told now."""
        first = hedge.first
        self._end(exchange, hedge, Hedged.FAILED, cancel)
        if first is not None:
            self._failed(exchange, *first)

    def _end(self, exchange: int, hedge: _Hedge, outcome: Hedged, cancel: CancelReason | None) -> None:
        del self._hedges[exchange], self._takers[hedge.branch]
        self.outcomes[outcome] += 1
        self._memory.release(hedge.held_bytes + hedge.gathered.held_bytes)
        if cancel is not None:
            self._wire.cancel(hedge.branch, cancel)
        self._wire.end(hedge.branch)


def make_time_hedge(delays: HedgeDelays) -> Stage:
    """Return the stage before send that sets when a request is hedged."""

    @for_routes(lambda route: route.plan is not None and route.plan.hedges and not route.streams)
    def time_hedge(exchange: Exchange) -> None:
        delays.time(exchange.route)

    return time_hedge
