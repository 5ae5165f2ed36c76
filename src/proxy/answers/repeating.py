"""The stage of idempotency keys: the first request with a key goes on, and whoever repeats it gets its answer.

    new                   goes on; its answer is kept
    answered              the same answer, marked; the service is not asked
    in flight             409: it has no answer yet
    other                 422: the key was used with another request
    unknown               409: nobody knows what became of it, so nothing is sent that might do it twice

A request whose client leaves goes on to its end, so that its answer is there for who comes back. What no service has
begun, and what a service says is for later (425, 429, 503), leaves the key free.

Source: draft-ietf-httpapi-idempotency-key-header-07, sections 2.2 to 2.7.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from frames.frame import CancelReason, Method
from frames.template import template_shape
from frames.wire_values import EXPIRED_EARLY, HEAD_HAS_LENGTH, LOST_UNSENT, Event, EventKind, RequestHead, WireResult
from proxy.answers.key import KEY_BYTES_MAX, Fingerprint, digest_of, fingerprint, parse_key
from proxy.answers.ledger import Ledger, Record, Refusal
from proxy.answers.payload import Response, Template, read_response, without
from proxy.answers.routes import takes_keys
from proxy.answers.stores import AnswerStore
from proxy.answers.watching import watch
from proxy.errors import (
    BAD_RESPONSE,
    DEADLINE,
    IDEMPOTENCY_FULL,
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_MISMATCH,
    IDEMPOTENCY_UNAVAILABLE,
    IDEMPOTENCY_UNKNOWN,
    SERVICE_LOST,
    SERVICE_OVERLOADED,
    Resend,
)
from proxy.request.ended import GONE, Ended, Endings
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.gathered import Gathered, Whole
from proxy.request.parked import UNTIL_DEADLINE_MS
from proxy.request.stage import PARKED, Answer, Await, Lane, Reply, Stage, for_routes

FIELD: Final = b"idempotency-key"
MARK: Final = (b"idempotent-replayed", b"true")
"""In an answer that was given before."""
_LATER: Final = frozenset((425, 429, 503))
"""Statuses by which a service says that it has not done it, and that it may be asked again."""
_WRITTEN_BY_US: Final = (b"date", b"x-request-id", b"x-correlation-id")

_REFUSALS: Final = {
    Refusal.IN_FLIGHT: Answer(IDEMPOTENCY_IN_FLIGHT),
    Refusal.MISMATCH: Answer(IDEMPOTENCY_MISMATCH),
    Refusal.UNKNOWN: Answer(IDEMPOTENCY_UNKNOWN, "It is not sent again, since that could do the same thing twice."),
    Refusal.FULL: Answer(IDEMPOTENCY_FULL),
}
_INVALID: Final = Answer(
    IDEMPOTENCY_KEY_INVALID,
    f'It is one String of 1 to {KEY_BYTES_MAX} bytes, like "8e03978e-40d5-43e8-bc93-6894a57f9324".',
)


class RepeatPort(Protocol):
    """What is asked of the wire."""

    @property
    def arena(self) -> Any:
        """The bytes that a step took in."""
        ...

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of the head of a request of this batch."""
        ...

    def request_body(self, exchange: int, /) -> bytes:
        """Return the body of a plain request of this batch."""
        ...

    def pass_on(self, exchange: int, payload: Any, /) -> int:
        """Answer an undecided exchange with a service's RESPONSE."""
        ...

    def outlive(self, exchange: int, /) -> int:
        """Let a sent exchange go on without its client."""
        ...

    def wait(self, exchange: int, milliseconds: int, /) -> int:
        """Have EVENT_EXPIRED come after this time, or at the deadline, if that is earlier."""
        ...

    def facts(self, exchange: int, /) -> Any:
        """Return where an exchange stands."""
        ...

    def cancel(self, exchange: int, reason: int, /) -> int:
        """Take a sent exchange back."""
        ...

    def end(self, exchange: int, /) -> int:
        """End an exchange that has no client."""
        ...


class RepeatFigures:
    """What was done since the start. freed: keys whose requests no service has done; lost: of unknown outcome."""

    def __init__(self) -> None:
        self.begun = 0
        self.kept = 0
        self.replayed = 0
        self.freed = 0
        self.lost = 0


class _Flight:
    """A request with a key, until its end."""

    __slots__ = ("exchange", "is_idempotent", "record", "ttl_ms")

    def __init__(self, exchange: int, record: Record, ttl_ms: int, *, is_idempotent: bool) -> None:
        self.exchange = exchange
        self.record = record
        self.ttl_ms = ttl_ms
        self.is_idempotent = is_idempotent


class Repeating:
    """Keys and answers of a gateway; it stays when the configuration changes."""

    def __init__(
        self,
        port: RepeatPort,
        ledger: Ledger,
        store: AnswerStore,
        endings: Callable[[], Endings],
        takers: dict[int, Callable[[Event], None]],
        reserve: Callable[[int], bool],
        *,
        is_open_on_failure: bool,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """is_open_on_failure: whether requests with new keys go on while answers cannot be written."""
        self.ledger = ledger
        self.store = store
        self.is_open_on_failure = is_open_on_failure
        self.figures = RepeatFigures()
        self._port = port
        self._endings = endings
        self._takers = takers
        self._reserve = reserve
        self._now_ms = now_ms
        self._unreadable: set[bytes] = set()
        self.outliving = 0
        """Requests that go on without their clients now."""
        self.stage: Stage = self._make_stage()

    def _make_stage(self) -> Stage:
        look, begin = self._look, self._begin

        @for_routes(takes_keys)
        def repeat(exchange: Exchange) -> Answer | Reply | Await | Lane | None:
            value = exchange.fields.named_field(exchange.id, FIELD)
            if value is None:
                rule = exchange.route.policy.idempotency
                return Answer(IDEMPOTENCY_KEY_MISSING) if rule is not None and rule.is_required else None
            key = parse_key(value)
            if key is None:
                return _INVALID
            digest, asked = _digest(exchange, key), self._asked(exchange)
            found = look(digest, asked)
            if found is None:
                return begin(exchange, digest, asked)
            return self._repeat(exchange, found) if isinstance(found, Record) else _REFUSALS[found]

        return repeat

    # ---- a request ----

    def _look(self, key: bytes, asked: Fingerprint) -> Record | Refusal | None:
        return self.ledger.look(key, asked, self._now_ms())

    def _begin(self, exchange: Exchange, key: bytes, asked: Fingerprint) -> Answer | None:
        rule = exchange.route.policy.idempotency
        if self.store.is_failing and not self.is_open_on_failure:
            return Answer(IDEMPOTENCY_UNAVAILABLE)
        now, ttl_ms = self._now_ms(), rule.ttl_ms if rule is not None else 0
        begun = self.ledger.begin(key, asked, now + ttl_ms, now)
        if begun is None:
            return _REFUSALS[Refusal.FULL]
        self.store.gone(begun.gone)
        self.store.begun(begun.record)
        self.figures.begun += 1
        is_idempotent = bool(exchange.offers) and all(offer.idempotent for offer in exchange.offers)
        flight = _Flight(exchange.id, begun.record, ttl_ms, is_idempotent=is_idempotent)
        watch(self._endings(), exchange.id, partial(self._ended, flight))
        return None

    def _repeat(self, exchange: Exchange, record: Record) -> Answer | Reply | Await | Lane | None:
        """Give the answer that was kept."""
        if record.key in self._unreadable:
            self._unreadable.discard(record.key)
            return Answer(IDEMPOTENCY_UNAVAILABLE, "The answer is kept, and cannot be read at the moment.")
        if record.payload is None:
            return Await(partial(self._load, record), exchange.deadline_ms)
        response = read_response(record.payload)
        self.store.done(record)
        if exchange.flags & NEEDS_TASK or self._port.request_head(exchange.id) is None:
            self.figures.replayed += 1
            return _reply(response)
        payload = Template(response.status, without(response.fields, MARK[0]), response.body).filled(MARK)
        if self._port.pass_on(exchange.id, payload) not in (WireResult.OK, WireResult.NO_EXCHANGE):
            return Answer(BAD_RESPONSE)
        self.figures.replayed += 1
        return PARKED

    async def _load(self, record: Record) -> None:
        try:
            await self.store.load(record)
        except OSError:
            self._unreadable.add(record.key)

    def _asked(self, exchange: Exchange) -> Fingerprint:
        named, flags = exchange.fields.named_field, exchange.flags
        content_type = named(exchange.id, b"content-type") or b""
        here = None if flags & NEEDS_TASK else self._port.request_head(exchange.id)
        if here is not None:
            return fingerprint(here.target, content_type, self._port.request_body(exchange.id), None)
        target = exchange.target if flags & NEEDS_TASK else exchange.head.target
        has_length = exchange.head.flags & HEAD_HAS_LENGTH or not exchange.head.verdict
        return fingerprint(target, content_type, None, exchange.head.content_length if has_length else None)

    # ---- its end ----

    def _ended(self, flight: _Flight, ended: Ended) -> bool:
        """Take in how a request has ended; True: it goes on without its client."""
        if ended is not GONE:
            self._settle(flight, ended)
            return False
        if self._port.outlive(flight.exchange) == WireResult.OK:
            gathered = Gathered(Method.POST, 0, self._reserve, may_stream=False, keeps=True)
            self._takers[flight.exchange] = partial(self._take, flight, gathered)
            self.outliving += 1
            return True
        facts = self._port.facts(flight.exchange)
        self._settle(flight, Ended(answer=Answer(SERVICE_LOST), is_unstarted=facts is None or not facts.attempt))
        return False

    def _take(self, flight: _Flight, gathered: Gathered, event: Event) -> None:
        """Take an event about a request without a client."""
        kind = event[2]
        if kind == EventKind.EXPIRED and event[4] & EXPIRED_EARLY:  # nobody sends it again, so it goes on
            self._port.wait(flight.exchange, UNTIL_DEADLINE_MS)
            return
        cancel: CancelReason | None = None
        if kind == EventKind.STREAM:
            whole = gathered.take(event, self._port.arena)
            if whole is None:
                return
            outcome, cancel = whole.outcome, whole.cancel
            ended = Ended(outcome.status, outcome.payload) if isinstance(outcome, Whole) else Ended(answer=outcome)
        elif kind == EventKind.REFUSED:
            ended = Ended(answer=Answer(SERVICE_OVERLOADED))
        elif kind == EventKind.LOST:
            ended = Ended(answer=Answer(SERVICE_LOST), is_unstarted=bool(event[4] & LOST_UNSENT))
        else:
            cancel = CancelReason.DEADLINE
            ended = Ended(answer=Answer(DEADLINE))
        del self._takers[flight.exchange]
        self.outliving -= 1
        if cancel is not None:
            self._port.cancel(flight.exchange, cancel)
        self._port.end(flight.exchange)
        self._settle(flight, ended)

    def _settle(self, flight: _Flight, ended: Ended) -> None:
        """Note what became of a key."""
        record, now = flight.record, self._now_ms()
        if ended.payload and ended.status not in _LATER:
            gone = self.ledger.keep(record, ended.payload, now + flight.ttl_ms)
            if gone is not None:
                self.figures.kept += 1
                self.store.gone(gone)
                self.store.ended(record)
                return
        elif flight.is_idempotent or _is_undone(ended):
            self.figures.freed += 1
            self.ledger.free(record)
            self.store.gone((record.key,))
            return
        else:
            self.ledger.lose(record, now + flight.ttl_ms)
        self.figures.lost += 1
        self.store.ended(record)


def _is_undone(ended: Ended) -> bool:
    """Whether no service has done it, as far as one can tell."""
    if ended.payload or ended.is_unstarted:
        return True
    return ended.answer is not None and ended.answer.reason.resend is not Resend.IF_NOT_STARTED


def _digest(exchange: Exchange, key: bytes) -> bytes:
    """Return what stands for a key: of this route, this tenant, and who asks (draft, section 2.3)."""
    route, caller = exchange.route, exchange.caller
    name = f"{route.method} {route.service} {template_shape(route.template)}".encode()
    if caller is None:
        return digest_of(name, key)
    identity = caller.identity
    if identity is not None:
        who = f"{identity.issuer}\n{identity.principal}".encode("utf-8", "surrogatepass")
        return digest_of(name, key, caller.tenant, who)
    named = exchange.fields.named_field
    said = (named(exchange.id, b"authorization") or b"", named(exchange.id, b"x-api-key") or b"")
    return digest_of(name, key, caller.tenant, b"", *said)


def _reply(response: Response) -> Reply:
    """Return an answer for who is carried by a task."""
    names = (*_WRITTEN_BY_US, MARK[0])
    fields = tuple((name, value) for _, name, value in without(response.fields, *names) if name)
    return Reply(response.status, (*fields, MARK), response.body)
