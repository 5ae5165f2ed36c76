"""Retrying: sends requests again. The wire keeps them, `judging` decides, and this does what was decided.

A request gets a record here with its first failure, and keeps it until it is answered, or nobody waits for it any more.
What waits for its time is an undecided exchange with a timer: no task waits. As long as an attempt is under way or
waited for, nothing has been sent to the client.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from frames.frame import CancelReason
from frames.wire_values import ExchangeFacts, SendHow, WireResult
from proxy.attempts.backoff import pushback_ms
from proxy.attempts.elsewhere import candidates, farther, not_asked
from proxy.attempts.judging import DETAILS, LIMITS, Request, Why, judge
from proxy.attempts.notes import Notes
from proxy.attempts.profiles import NO_PLAN, Plan
from proxy.errors import DEADLINE, NO_INSTANCE
from proxy.request.failure import Failure, FailureKind
from proxy.request.stage import Answer

if TYPE_CHECKING:
    from proxy.attempts.hedging import Hedging
    from proxy.request.offer import Offer
    from proxy.route.table import Route

_MAY_STREAM: Final = int(SendHow.MAY_STREAM)
_KEEP: Final = int(SendHow.KEEP)
_HOLD: Final = int(SendHow.HOLD)
_TELL: Final = int(SendHow.TELL)
_NOBODY: Final = Failure(FailureKind.NOBODY, Answer(NO_INSTANCE), is_started=False)
"""There was nobody to be asked."""
_SLOW: Final = Failure(FailureKind.SLOW, Answer(DEADLINE), cancel=CancelReason.DEADLINE)
"""The time of one attempt has passed."""
_FOREVER_MS: Final = 3_600_000


class AttemptsPort(Protocol):
    """What is asked of the wire."""

    def facts(self, exchange: int, /) -> ExchangeFacts | None:
        """Return where an exchange stands."""
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


class _Record(msgspec.Struct, eq=False):
    """One request that is sent again."""

    plan: Plan
    route: int
    service: str
    asked: set[str]
    """The instances to which it went, by name: one that comes back over another connection is the same."""
    failure: Failure
    """The last."""
    was_started: bool = False
    """Whether a service may have started any of its attempts."""
    tries: int = 0
    """How often it was, or was to be, sent."""
    is_waiting: bool = False


class Retrying:
    """All requests that are sent again."""

    def __init__(
        self,
        wire: AttemptsPort,
        budgets: Budgets,
        memory: Memory,
        notes: Notes,
        *,
        route_of: Callable[[int], "Route | None"],
        instance_of: Callable[[int], str],
        choose: Callable[["Sequence[Offer]"], "Offer | None"],
        connect: Callable[["Offer"], int],
        hedging: "Callable[[], Hedging] | None" = None,
        rand: Callable[[], float] = random.random,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Take what it works with.

        route_of: the route of now that has an index; instance_of: who is at the other end of a connection; choose:
        one of several offers; connect: by which connection an offer is reached now, 0 for none; hedging: makes what
        sends second attempts beside first ones; now_s: since 1970.
        """
        self._wire = wire
        self._budgets = budgets
        self._memory = memory
        self._notes = notes
        self._route_of = route_of
        self._instance_of = instance_of
        self._choose = choose
        self._connect = connect
        self._rand = rand
        self._now_s = now_s
        self._records: dict[int, _Record] = {}
        self._make_hedging = hedging
        self.hedging: Hedging | None = None
        """Second attempts beside first ones: made with the first of them."""
        self.sent: Counter[FailureKind] = Counter()
        """Attempts beyond the first, by the failure that they came after."""
        self.given_up: Counter[Why] = Counter()
        """Requests that were not sent again, though they might have been, by the limit that forbade it."""

    def __len__(self) -> int:
        """How many requests are being sent again."""
        return len(self._records)

    @property
    def waiting(self) -> tuple[int, ...]:
        """The exchanges that wait for their time."""
        return tuple(exchange for exchange, record in self._records.items() if record.is_waiting)

    # ---- from the lane ----

    def failed(self, exchange: int, connection: int, failure: Failure) -> Failure | None:
        """Take in that an attempt has failed. None: the request is sent again. Else: what its client is to be told."""
        if self.hedging is not None and self.hedging.first_failed(exchange, connection, failure):
            return None
        facts = self._wire.facts(exchange)
        record = self._records.get(exchange) if facts is None else self._record(exchange, facts, failure)
        if facts is None or record is None:
            self.forget(exchange)
            return failure
        record.asked.add(self._instance_of(connection))
        record.failure, record.tries = self._with_pushback(failure), max(record.tries, facts.attempt)
        record.was_started |= failure.is_started
        return self._go_on(exchange, record, facts, record.failure)

    def early(self, exchange: int, connection: int) -> Failure | None:
        """Take in that the time of an attempt, or of the wait for one, is over; as `failed`."""
        record = self._records.get(exchange)
        if record and record.is_waiting:
            return self._woke(exchange, record)
        return None if self._is_hedged(exchange, connection) else self.failed(exchange, connection, _SLOW)

    def is_hedge_due(self, exchange: int, connection: int) -> bool:
        """Whether the time of an attempt that is over is that for a hedge, and says nothing of its instance."""
        route = self._hedged_route(exchange)
        return route is not None and self.hedging is not None and self.hedging.is_due(exchange, connection, route)

    def _is_hedged(self, exchange: int, connection: int) -> bool:
        """Whether the time that is over was that for a hedge, which was made if it may be."""
        route = self._hedged_route(exchange)
        return route is not None and self.hedging is not None and self.hedging.early(exchange, connection, route)

    def _hedged_route(self, exchange: int) -> "Route | None":
        facts = self._wire.facts(exchange)
        route = self._route_of(facts.route) if facts is not None else None
        if route is None or route.plan is None or not route.plan.hedges:
            return None
        if self.hedging is None and self._make_hedging is not None:
            self.hedging = self._make_hedging()
        return route

    def _woke(self, exchange: int, record: _Record) -> Failure | None:
        self._rest(record)
        return self._send_or_wait(exchange, record, record.failure)

    def _send_or_wait(self, exchange: int, record: _Record, failure: Failure) -> Failure | None:
        """Send it; where nobody can take it, look again later, as long as there is hope."""
        if self._send(exchange, record, failure):
            return None
        facts = self._wire.facts(exchange)
        if facts is None:
            self.forget(exchange)
            return failure
        record.tries += 1
        told = self._go_on(exchange, record, facts, _NOBODY)
        # What a service said tells more than that there was nobody afterwards.
        return None if told is None else failure._replace(cancel=None, is_started=record.was_started)

    def answered(self, exchange: int, status: int) -> None:
        """Take in that the client has the answer of the last attempt: nothing held it, since there may be no other."""
        record = self._records.get(exchange)
        if record is not None and status in record.plan.profile.statuses:
            self.given_up[Why.ATTEMPTS] += 1
        self.forget(exchange)

    def forget(self, exchange: int) -> None:
        """Let go of what is known of an exchange: it is over, or somebody else's."""
        if self.hedging is not None:
            self.hedging.forget(exchange)
        record = self._records.pop(exchange, None)
        if record is not None:
            self._rest(record)

    # ---- what is done ----

    def _with_pushback(self, failure: Failure) -> Failure:
        if failure.kind is not FailureKind.ANSWERED:
            return failure
        return failure._replace(retry_after_ms=pushback_ms(failure.payload, self._now_s))

    def _record(self, exchange: int, facts: ExchangeFacts, failure: Failure) -> _Record | None:
        record = self._records.get(exchange)
        if record is not None:
            self._rest(record)
            return record
        route = self._route_of(facts.route)
        if route is None:
            return None
        return _Record(route.plan or NO_PLAN, facts.route, route.service, set(), failure)

    def _go_on(self, exchange: int, record: _Record, facts: ExchangeFacts, failure: Failure) -> Failure | None:
        """Send again, wait for that, or end it."""
        verdict = judge(failure, self._request(exchange, record, facts), self._rand)
        is_free = failure is _NOBODY  # the token that was taken before the wait is still to be used
        if not isinstance(verdict, Why) and not is_free and not self._budgets.take(record.service):
            verdict = Why.BUDGET
        if isinstance(verdict, Why):
            return self._end(exchange, record, verdict, failure)
        if failure.cancel is not None:
            self._wire.cancel(exchange, failure.cancel)
        self._records[exchange] = record
        if not verdict:
            return self._send_or_wait(exchange, record, record.failure)
        if not self._memory.reserve(len(record.failure.payload)):
            return self._end(exchange, record, Why.BUFFER, failure)
        record.is_waiting = True
        self._wire.wait(exchange, verdict)
        return None

    def _request(self, exchange: int, record: _Record, facts: ExchangeFacts) -> Request:
        plan, notes = record.plan, self._notes
        offers = self._offers(exchange, record)
        return Request(
            plan,
            attempt=record.tries,
            remaining_ms=facts.remaining_ms,
            is_kept=bool(facts.kept_bytes),
            is_nested=notes.is_nested(exchange),
            has_key=plan.repeats_with_key and notes.has_key(exchange),
            has_other=bool(not_asked(offers, record.asked)),
        )

    def _offers(self, exchange: int, record: _Record) -> "tuple[Offer, ...]":
        route, chosen = self._route_of(record.route), self._notes.chosen(exchange)
        if route is None:
            return ()
        near = candidates(route, chosen)
        if not record.plan.profile.elsewhere or not_asked(near, record.asked):
            return near
        return farther(route, chosen, record.asked) or near

    def _send(self, exchange: int, record: _Record, failure: Failure) -> bool:
        """Send what was kept to one of those that there are now. False: nobody can take it."""
        facts = self._wire.facts(exchange)
        if facts is None:
            return True  # the client is gone, and an event says so
        offers, attempt, profile = self._offers(exchange, record), facts.attempt + 1, record.plan.profile
        how = _KEEP | _TELL | (_HOLD & record.plan.how if record.tries + 1 < profile.attempts else 0)
        while offers:
            others = not_asked(offers, record.asked) if profile.elsewhere else ()
            offer = self._choose(others or offers)
            if offer is None:
                break
            result = self._wire.again(
                exchange,
                self._connect(offer),
                record.route,
                offer.endpoint_id,
                offer.gauge,
                how | _MAY_STREAM if offer.streams else how,
                attempt,
                record.plan.attempt_ms,
            )
            if result in (WireResult.OK, WireResult.NO_EXCHANGE):
                self.sent[failure.kind] += 1
                record.asked.add(offer.instance.name)
                record.tries += 1
                record.failure = failure._replace(payload=b"")  # nobody will need that answer any more
                return True
            offers = tuple(other for other in offers if other is not offer)
        return False

    def _end(self, exchange: int, record: _Record, why: Why, failure: Failure) -> Failure | None:
        """End it: it is not sent again. What takes too long stays where it is: its deadline is not over."""
        if why in LIMITS:
            self.given_up[why] += 1
        if failure.kind is FailureKind.SLOW:
            self._wire.wait(exchange, _FOREVER_MS)  # no longer than to its deadline
            return None
        self.forget(exchange)
        detail = DETAILS.get(why)
        answer = failure.answer._replace(detail=detail) if detail else failure.answer
        return failure._replace(answer=answer, is_started=record.was_started)

    def _rest(self, record: _Record) -> None:
        """It waits no longer, and the answer that it had is needed no more."""
        if record.is_waiting:
            record.is_waiting = False
            self._memory.release(len(record.failure.payload))
