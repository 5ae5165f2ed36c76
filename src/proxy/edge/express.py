"""The express lane: an exchange from the batch's events to a decision, without a task.

A request runs through the stages, which end by sending it. Its answer comes back through the wire alone, unless
something goes wrong; then an event comes here, and the answer is made of its reason.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from frames.frame import CancelReason, FieldId
from frames.wire_values import ANSWERED_HELD, EXPIRED_EARLY, HEAD_ODD, LOST_UNSENT, Event, WireResult
from penstock.telemetry.occasional import Occasional
from proxy.edge.faults import RESPONSE_FAULTS
from proxy.edge.respond import Rendered, respond
from proxy.errors import (
    BAD_RESPONSE,
    CLIENT_GONE,
    DEADLINE,
    DRAINING,
    INTERNAL,
    REASON_NUMBERS,
    SERVICE_LOST,
    Reason,
    reason_of_refusal,
    reason_of_verdict,
)
from proxy.request.ended import GONE, Ended, Endings
from proxy.request.exchange import Exchange, RequestFields
from proxy.request.failure import Failure, FailureKind
from proxy.request.log_fields import id_fields, request_fields
from proxy.request.reason_counts import ReasonCounts
from proxy.request.snapshot import Snapshot
from proxy.request.stage import PARKED, Answer, Await, Lane, Reply, Stage, without_flags, without_odd

_log = logging.getLogger("penstock.edge")


if TYPE_CHECKING:

    class Arena(Protocol):
        """The bytes that a step took in."""

        def __getitem__(self, part: slice, /) -> bytes:
            """Copy a part out."""
            ...

    class Attempts(Protocol):
        """Who sends requests again: `proxy.attempts.retrying.Retrying`."""

        def failed(self, exchange: int, connection: int, failure: Failure, /) -> Failure | None:
            """Take in that an attempt has failed. None: there will be another. Else: what the client is to be told."""
            ...

        def early(self, exchange: int, connection: int, /) -> Failure | None:
            """Take in that the time of an attempt, or of the wait for one, is over; as `failed`."""
            ...

        def answered(self, exchange: int, status: int, /) -> None:
            """Take in that the client has the answer of an attempt, and let go of what is known of the exchange."""
            ...

        def forget(self, exchange: int, /) -> None:
            """Let go of what is known of an exchange."""
            ...

        @property
        def waiting(self) -> tuple[int, ...]:
            """The exchanges that wait to be sent again."""
            ...


class NoAttempts:
    """Where nothing is sent again."""

    waiting: tuple[int, ...] = ()

    def failed(self, exchange: int, connection: int, failure: Failure) -> Failure:
        """Return what the client is to be told: what has become of the only attempt."""
        return failure

    def early(self, exchange: int, connection: int) -> None:
        """Go on waiting."""

    def answered(self, exchange: int, status: int) -> None:
        """There is nothing to let go of."""

    def forget(self, exchange: int) -> None:
        """There is nothing to let go of."""


if TYPE_CHECKING:

    class EdgePort(RequestFields, Protocol):
        """What the lane asks of the wire."""

        def answer(self, exchange: int, status: int, lines: bytes, body: bytes, close: bool, /) -> int:
            """Answer an undecided exchange."""
            ...

        def cancel(self, exchange: int, reason: int, /) -> int:
            """Take a sent exchange back."""
            ...

        def pass_on(self, exchange: int, payload: bytes, /) -> int:
            """Answer an undecided exchange with a service's answer that was held."""
            ...

        @property
        def arena(self) -> Arena:
            """The bytes that a step took in."""
            ...

        def context(self, exchange: int, field: FieldId, /) -> bytes:
            """Return the request id, the correlation id or the trace."""
            ...

        def record_route(self, exchange: int, /) -> int:
            """Return whose route an exchange is, where that is known; else -1."""
            ...

        def record_reason(self, exchange: int, reason: int, route: int = ..., /) -> None:
            """Note for its record why the gateway answers an exchange itself."""
            ...


class ExpressLane:
    """Carries the plain requests. ``snapshot`` is swapped whole by the owner."""

    def __init__(
        self,
        wire: "EdgePort",
        entry: Sequence[Stage],
        snapshot: Snapshot,
        counts: ReasonCounts,
        *,
        name_of: Callable[[int], str] = str,
        reason_header: bool = False,
        mend: Callable[[int, int], bool] = lambda exchange, verdict: False,
    ) -> None:
        """Put the lane together.

        entry: the stages up to match, which finds the route; the rest are the route's own. counts: of reasons;
        name_of: who is at the other end of a framed connection, for logs; reason_header: tell the
        reason in x-penstock-reason; mend: takes a request on whose head may be repaired, or says that it does not.
        ``to_task`` and ``to_wait``, which carry on what this lane does not, and ``cut``, which resets connections, are
        set by who puts both lanes together.
        """
        self.swap(entry, snapshot)
        self._wire = wire
        self._exchange = Exchange(wire, snapshot)
        self._counts = counts
        self._name_of = name_of
        self.reason_header = reason_header
        self._mend = mend
        self.endings: Endings = {}
        """Who is to be told, beside the client, how an exchange ends."""
        self._attempts: Attempts | None = None
        self.make_attempts: Callable[[], Attempts] = NoAttempts
        self.to_task: Callable[[Exchange], Answer | None] = _nobody
        self.cut: Callable[[int, Reason], None] = lambda exchange_id, reason: self.answer(exchange_id, Answer(INTERNAL))
        self.to_wait: Callable[[Exchange, Await, Stage], Answer | None] = lambda exchange, *_: _nobody(exchange)
        self._bad_responses = Occasional()
        self._failures = Occasional()

    def swap(self, entry: Sequence[Stage], snapshot: Snapshot) -> None:
        """Go on with other stages and another snapshot, from the next request on."""
        self._entry = tuple(entry)
        self._usual_entry, self._plain_entry = without_odd(entry), without_flags(entry)
        self.snapshot = snapshot

    # ---- the events of an exchange, in the order in which they can come ----

    def begin(self, exchange_id: int, method: int, flags: int, path: bytes) -> None:
        """A request has come: a ``wire_request``."""
        exchange = self._exchange
        exchange.begin(exchange_id, method, flags, path, self.snapshot)
        try:
            entry = (self._entry if flags & HEAD_ODD else self._usual_entry) if flags else self._plain_entry
            for stage in entry:
                result = stage(exchange)
                if result is not None:
                    self._turn_off(exchange, result, stage)
                    return
            route, flags = exchange.route, exchange.flags
            stages = (route.stages if flags & HEAD_ODD else route.usual_stages) if flags else route.plain_stages
            for stage in stages:
                result = stage(exchange)
                if result is not None:
                    self._wire.record_reason(exchange_id, 0, route.index)  # whose it is, whatever becomes of it
                    self._turn_off(exchange, result, stage)
                    return
        except Exception as error:
            self.fail(exchange, error)

    def refuse(self, exchange_id: int, verdict: int) -> None:
        """What came cannot be carried: EVENT_BAD_REQUEST."""
        if not self._mend(exchange_id, verdict):
            self.answer(exchange_id, Answer(reason_of_verdict(verdict)))

    def client_gone(self, exchange_id: int) -> None:
        """Nobody waits for the answer any more: EVENT_CLIENT_GONE."""
        self._counts.count(CLIENT_GONE, self._wire.record_route(exchange_id))
        self.forget(exchange_id)
        if exchange_id in self.endings and self.endings.pop(exchange_id)(GONE):
            return  # it goes on without
        self._wire.cancel(exchange_id, CancelReason.CLIENT_GONE)

    def expired(self, event: Event) -> None:
        """The deadline has passed, or what an attempt, or the wait for one, was given: EVENT_EXPIRED."""
        exchange_id, connection, _, _, flags, *_ = event
        if flags & EXPIRED_EARLY:
            self._tell(exchange_id, self.attempts().early(exchange_id, connection))
            return
        self.forget(exchange_id)
        self._give_up(exchange_id, CancelReason.DEADLINE, DEADLINE)

    def bad_response(self, event: Event) -> None:
        """The service's response cannot be passed on: EVENT_BAD_RESPONSE."""
        exchange_id, connection, _, detail, *_ = event
        held_back = self._bad_responses.held_back((connection, detail))
        if held_back is not None:
            cause = RESPONSE_FAULTS.get(detail, "unknown cause")
            text, name = "%s: its response was refused: %s (%d more)", self._name_of(connection)
            _log.warning(text, name, cause, held_back, extra=id_fields(self._wire, exchange_id))
        self._failed(
            exchange_id,
            connection,
            Failure(FailureKind.BAD, Answer(BAD_RESPONSE), cancel=CancelReason.BAD_RESPONSE),
        )

    def shut_down(self, exchange_id: int) -> None:
        """The time to drain is over, and the service has not answered."""
        self.forget(exchange_id)
        self._give_up(exchange_id, CancelReason.SHUTDOWN, DRAINING)

    def answered(self, event: Event) -> None:
        """A service said that it failed; or it answered what was sent again: EVENT_ANSWERED."""
        exchange_id, connection, _, status, flags, at, count, *_ = event
        if not flags & ANSWERED_HELD:
            if self._attempts is not None:
                self._attempts.answered(exchange_id, status)
            if exchange_id in self.endings:
                self.endings.pop(exchange_id)(Ended(status, self._wire.arena[at : at + count]))
            return
        payload = self._wire.arena[at : at + count]
        self._failed(
            exchange_id,
            connection,
            Failure(FailureKind.ANSWERED, Answer(BAD_RESPONSE), status=status, payload=payload),
        )

    def lost(self, event: Event) -> None:
        """The connection that carried it is lost: EVENT_LOST."""
        exchange_id, connection, _, _, flags, *_ = event
        is_started = not flags & LOST_UNSENT
        self._failed(exchange_id, connection, Failure(FailureKind.LOST, Answer(SERVICE_LOST), is_started=is_started))

    def refused(self, event: Event) -> None:
        """The service has not started it: EVENT_REFUSED."""
        exchange_id, connection, _, reason, _, _, _, retry_after_ms, *_ = event
        retry_after_s = -(-retry_after_ms // 1000) if retry_after_ms else None
        answer = Answer(reason_of_refusal(reason), retry_after_s=retry_after_s)
        self._failed(
            exchange_id,
            connection,
            Failure(FailureKind.REFUSED, answer, is_started=False, retry_after_ms=retry_after_ms),
        )

    def give_up(self, exchange_id: int) -> None:
        """An event about it could not be handled: a fault of ours, a plain 500. Its service need not go on."""
        self.forget(exchange_id)
        self._give_up(exchange_id, CancelReason.DEADLINE, INTERNAL)

    def ids(self, exchange_id: int) -> dict[str, str]:
        """Return by which ids it is found elsewhere, for a line of the log."""
        return id_fields(self._wire, exchange_id)

    def _failed(self, exchange_id: int, connection: int, failure: Failure) -> None:
        """One attempt has failed: the request is sent again, or its client is told."""
        self._tell(exchange_id, self.attempts().failed(exchange_id, connection, failure))

    def _tell(self, exchange_id: int, failure: Failure | None) -> None:
        """Answer with what became of the last attempt; nothing, while there is to be another."""
        if failure is None:
            return
        if failure.cancel is not None:
            self._wire.cancel(exchange_id, failure.cancel)
        if failure.payload and self._wire.pass_on(exchange_id, failure.payload) != WireResult.INVALID:
            if exchange_id in self.endings:
                self.endings.pop(exchange_id)(Ended(failure.status, failure.payload))
            return
        self.answer(exchange_id, failure.answer, is_unstarted=not failure.is_started)

    def settle(self, exchange_id: int, failure: Failure) -> None:
        """Tell a client what became of its request, whatever else is under way for it."""
        self.forget(exchange_id)
        self._tell(exchange_id, failure)

    def take_failure(self, exchange_id: int, connection: int, failure: Failure) -> None:
        """Take in that an attempt has failed, which was not judged when that was told."""
        self._failed(exchange_id, connection, failure)

    def forget(self, exchange_id: int) -> None:
        """It is over, or will be: what is known of its attempts is let go of."""
        if self._attempts is not None:
            self._attempts.forget(exchange_id)

    @property
    def waiting(self) -> tuple[int, ...]:
        """The exchanges that wait to be sent again: no service has them now."""
        return self._attempts.waiting if self._attempts is not None else ()

    @property
    def attempts_made(self) -> "Attempts | None":
        """Who sends requests again, if that was ever needed."""
        return self._attempts

    def attempts(self) -> "Attempts":
        """Return who sends requests again, made when the first one has failed."""
        if self._attempts is None:
            self._attempts = self.make_attempts()
        return self._attempts

    # ---- answers ----

    def answer(self, exchange_id: int, answer: Answer, *, is_unstarted: bool = False) -> None:
        """Answer an undecided exchange, and count the reason if that was done: two events may be about one end.

        is_unstarted: no service can have begun it, although the reason leaves that open.
        """
        rendered, route = self.render(exchange_id, answer), self._wire.record_route(exchange_id)
        if self._wire.answer(exchange_id, *rendered) == WireResult.OK:
            self._counts.count(answer.reason, route)
        if exchange_id in self.endings:
            self.endings.pop(exchange_id)(Ended(answer=answer, is_unstarted=is_unstarted))

    def render(self, exchange_id: int, answer: Answer) -> Rendered:
        """Return what an answer to an exchange says, and have its record say why."""
        self._wire.record_reason(exchange_id, REASON_NUMBERS[answer.reason.code])
        return respond(
            answer.reason,
            request_id=self._wire.context(exchange_id, FieldId.REQUEST_ID),
            correlation_id=self._wire.context(exchange_id, FieldId.CORRELATION_ID),
            detail=answer.detail,
            retry_after_s=answer.retry_after_s,
            headers=answer.headers,
            reason_header=self.reason_header,
        )

    def _turn_off(self, exchange: Exchange, result: Answer | Reply | Await | Lane, stage: Stage) -> None:
        """Do what a stage wants in place of going on."""
        if isinstance(result, Reply):
            self._wire.answer(exchange.id, result.status, result.lines, result.body, False)
            return
        if result is PARKED:
            return
        if isinstance(result, Await):
            answer = self.to_wait(exchange, result, stage)
        else:
            answer = self.to_task(exchange) if isinstance(result, Lane) else result
        if answer is None:
            return
        if answer.reason.is_answered:
            self.answer(exchange.id, answer)
        else:
            self.cut(exchange.id, answer.reason)

    def _give_up(self, exchange_id: int, cancel: CancelReason, reason: Reason) -> None:
        self._wire.cancel(exchange_id, cancel)
        self.answer(exchange_id, Answer(reason))

    def fail(self, exchange: Exchange, error: Exception) -> None:
        """A stage raised: a fault of ours, a plain 500. An exchange that was sent already is left alone."""
        held_back = self._failures.held_back(type(error).__name__)  # not by path: that is the client's to choose
        if held_back is not None:
            extra = request_fields(self._wire, exchange)
            _log.exception("a stage failed on %r (%d more)", exchange, held_back, extra=extra)
        self.answer(exchange.id, Answer(INTERNAL))


def _nobody(exchange: Exchange) -> Answer | None:
    return Answer(INTERNAL)
