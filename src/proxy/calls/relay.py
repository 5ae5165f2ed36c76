"""The relay: what services ask of other services, over the connections that they have (docs/protocol.md, section 8).

    the REQUEST of one service    may it call that one? which endpoint, which instance?
    the same to another           as whom the configuration says, for the time that the caller has left
    its answer                    back to the caller, whole

Whatever happens, a call has one answer, unless its caller takes it back or is gone; then the callee is told. Nothing
here waits: an answer for which the caller's connection has no room is kept, within the bytes in flight.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from frames.errors import ProtocolError
from frames.fixed import encode_refused
from frames.frame import END, CancelReason, FaultCode, FrameType, Method, RefusedReason
from frames.template import quoted
from frames.wire_values import HEAD_HAS_MORE, NO_IDENTITY, WireResult
from penstock.telemetry.occasional import Occasional
from proxy.calls.answers import Ids, Render, may_go_on, refusal_payload
from proxy.calls.request import CallFields, CallRequest, read_call
from proxy.calls.rights import Right, Rights
from proxy.errors import (
    BAD_RESPONSE,
    BODY_TOO_LARGE,
    BYTES_IN_FLIGHT_FULL,
    DEADLINE,
    DRAINING,
    FORBIDDEN,
    INTERNAL,
    NO_INSTANCE,
    NO_ROUTE,
)
from proxy.request.exchange import Exchange
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Budget, Originated, Outgoing, Place
from proxy.request.reason_counts import ReasonCounts
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer

_log = logging.getLogger("penstock.services")

IN_FLIGHT_MAX: Final = 1_024
"""Calls of one connection at once: as many as the SDK lets one process have."""

_NOT_ALLOWED: Final = Answer(FORBIDDEN, "This service may not call that one.")


class RelayPort(Protocol):
    """What is asked of the wire."""

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes, /) -> int:
        """Write a frame."""
        ...

    def want_room(self, connection: int, /) -> int:
        """Have an event told when there is room again on a connection."""
        ...


class Table(Protocol):
    """Routes."""

    def match(self, method: int, path: bytes, /) -> Any:
        """Return the route for a path, or None."""
        ...


class _Call:
    """One call that is not answered yet."""

    __slots__ = ("connection", "exchange", "held", "ids", "names", "sent")

    def __init__(self, connection: int, exchange: int, names: tuple[str, str], ids: Ids) -> None:
        self.connection = connection
        self.exchange = exchange  # as the caller gave it
        self.names = names  # of the caller and the callee
        self.ids = ids
        self.sent = 0  # the exchange with the callee; 0: it has none any more, or not yet
        self.held = b""  # its answer, for which there is no room yet


class Relay:
    """Carries the calls of services. It is a `proxy.transport.port.Calls`."""

    def __init__(
        self,
        wire: RelayPort,
        originated: Originated,
        budget: Budget,
        counts: ReasonCounts,
        *,
        rights: Rights,
        name_of: Callable[[int], str | None],
        snapshot: Callable[[], Snapshot],
        table_of: Callable[[str, Snapshot], Table | None],
        choose: Callable[[Exchange], Answer | None],
        render: Render,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        """name_of: the service on a connection; snapshot: of now; table_of: the routes of a service alone.

        choose: runs the stages that say whether an exchange whose route and caller are known may go on, and to whom;
        in_flight_max: calls of one connection at once.

        ``rights`` may be replaced at any time.
        """
        self._wire = wire
        self._originated = originated
        self._budget = budget
        self._counts = counts
        self.rights = rights
        self._name_of = name_of
        self._snapshot = snapshot
        self._choose = choose
        self._render = render
        self._in_flight_max = in_flight_max
        self._table_of = table_of
        self._failures = Occasional()
        self._open: dict[int, dict[int, _Call]] = {}
        self._blocked: dict[int, deque[_Call]] = {}
        self.answered: Counter[tuple[str, str]] = Counter()
        """Calls that a service has answered, by caller and callee."""
        self.refused: Counter[tuple[str, str]] = Counter()
        """Calls that were answered for it, likewise; of those that are not allowed, the callee is left out."""
        self.no_calls = 0
        """What came and was no call, or too much at once: REFUSED."""

    def __len__(self) -> int:
        """How many are not answered yet."""
        return sum(map(len, self._open.values()))

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Relay {len(self)} calls of {len(self._open)} connections>"

    def has_calls(self, connection: int) -> bool:
        """Whether anything that was asked by a connection is not answered yet."""
        return bool(self._open.get(connection))

    # ---- what the transport tells ----

    def call(self, connection: int, exchange: int, flags: int, payload: bytes) -> None:
        """Take a REQUEST of a service that has registered, and may call. ProtocolError where its id is in use."""
        of_caller = self._open.setdefault(connection, {})
        if exchange in of_caller:
            raise ProtocolError(FaultCode.PROTOCOL_ERROR, "REQUEST with the id of one that is not answered yet")
        refused = RefusedReason.OVERLOADED if len(of_caller) >= self._in_flight_max else None
        request = read_call(payload) if refused is None else None
        if request is None or request.service is None or request.wants_upgrade or not flags & END:
            self._refuse(connection, exchange, refused or _refusal(request))
            return
        caller = self._name_of(connection) or ""
        call = of_caller[exchange] = _Call(connection, exchange, (caller, request.service), Ids.of(request.context))
        try:
            answer = self._begin(call, request)
        except Exception as error:  # a fault of ours, a plain 500: its caller must not wait for nothing
            held_back = self._failures.held_back(type(error).__name__)
            if held_back is not None:
                extra = call.ids.log_fields
                _log.exception("a call of %s could not be carried (%d more)", caller, held_back, extra=extra)
            answer = Answer(INTERNAL)
        if answer is not None:
            self._answer(call, answer)

    def cancel(self, connection: int, exchange: int) -> None:
        """Take a CANCEL of an exchange that the service opened; it may be one that nobody knows."""
        call = self._open.get(connection, {}).pop(exchange, None)
        if call is not None:
            self._give_up(call)

    def lost(self, connection: int) -> None:
        """Forget all that a service has asked: its connection is gone."""
        for call in self._open.pop(connection, {}).values():
            self._give_up(call)
        self._blocked.pop(connection, None)

    def room(self, connection: int) -> None:
        """A connection has room again: EVENT_FRAMED_ROOM."""
        for call in self._blocked.pop(connection, ()):
            payload, call.held = call.held, b""
            if payload:
                self._budget.release(len(payload))
                self._write(call, payload)

    def give_up_all(self) -> None:
        """Answer every call now: this gateway shuts down."""
        for call in [call for of_caller in self._open.values() for call in of_caller.values()]:
            if call.sent:
                self._originated.give_up(call.sent, CancelReason.SHUTDOWN)
                call.sent = 0
            if not call.held:
                self._answer(call, Answer(DRAINING))

    # ---- a call ----

    def _begin(self, call: _Call, request: CallRequest) -> Answer | None:
        """Send a call on. Returns an answer where it cannot be."""
        caller, callee = call.names
        right = self.rights.find(caller, callee)
        if right is None:
            call.names = (caller, "")  # whatever it says: it must not make new labels of metrics
            return _NOT_ALLOWED
        refused = request.refusal()
        if refused is not None:
            return refused
        exchange = self._find(request, callee, right)
        if isinstance(exchange, Answer):
            return exchange
        return self._choose(exchange) or self._send(call, request, exchange)

    def _find(self, request: CallRequest, callee: str, right: Right) -> Exchange | Answer:
        """Return an exchange that knows its route, as match makes one for a client."""
        snapshot = self._snapshot()
        table = self._table_of(callee, snapshot)
        if table is None:
            return Answer(NO_INSTANCE, f"No instance of {quoted(callee)} has registered.")
        path = request.path
        route = table.match(request.method, path)
        if route is None:
            method = Method(request.method).name
            return Answer(NO_ROUTE, f"{quoted(callee)} has no endpoint for this path with {method}.")
        exchange = Exchange(CallFields(request.named, request.context), snapshot)
        exchange.begin(0, request.method, HEAD_HAS_MORE, path, snapshot)
        exchange.route, exchange.offers = route, route.offers
        exchange.caller = right.caller(request.tenant)
        exchange.deadline_ms = min(request.remaining_ms, route.deadline_ms or snapshot.limits.deadline_ms)
        return exchange

    def _send(self, call: _Call, request: CallRequest, exchange: Exchange) -> Answer | None:
        body_max = exchange.route.policy.body_bytes
        if body_max is not None and len(request.body) > body_max:
            return Answer(BODY_TOO_LARGE, f"At most {body_max} bytes are taken here.")
        if not exchange.deadline_ms:
            return Answer(DEADLINE)
        offer, caller = exchange.offer, exchange.caller
        outgoing = Outgoing(
            method=exchange.method,
            target=request.target,
            deadline_ms=exchange.deadline_ms,
            fields=request.forwarded(),
            body=request.body,
            context=tuple(request.context.items()),
            identity=NO_IDENTITY if caller is None else caller.wire,
        )
        route = exchange.route.index
        place = Place(offer.connection, offer.endpoint_id, route, may_stream=offer.streams, gauge=offer.gauge)
        sent = self._originated.send(place, outgoing, partial(self._done, call))
        if isinstance(sent, Answer):
            return sent
        call.sent = sent
        return None

    def _done(self, call: _Call, outcome: Outcome) -> None:
        """The callee has answered, or cannot."""
        call.sent = 0
        if isinstance(outcome, Answer):
            self._answer(call, outcome)
        elif may_go_on(outcome.payload):
            self._pass_on(call, outcome)
        else:
            self._answer(call, Answer(BAD_RESPONSE))

    def _pass_on(self, call: _Call, whole: Whole) -> None:
        self.answered[call.names] += 1
        self._write(call, whole.payload)

    # ---- answers ----

    def _answer(self, call: _Call, answer: Answer) -> None:
        """Answer for the callee."""
        self._counts.count(answer.reason)
        self.refused[call.names] += 1
        self._write(call, refusal_payload(self._render(answer, *call.ids)))

    def _write(self, call: _Call, payload: bytes) -> None:
        result = self._wire.frame(call.connection, FrameType.RESPONSE, END, call.exchange, payload)
        if result == WireResult.FULL:
            self._hold(call, payload)
        else:  # written; or the connection is gone, and the transport says so
            self._forget(call)

    def _hold(self, call: _Call, payload: bytes) -> None:
        """Keep an answer until there is room; or a short one in its place, where there is no memory for it."""
        if not self._budget.reserve(len(payload)):
            payload = refusal_payload(self._render(Answer(BYTES_IN_FLIGHT_FULL), *call.ids))
            if not self._budget.reserve(len(payload)):
                self._forget(call)  # its deadline ends it for the caller
                return
        call.held = payload
        self._blocked.setdefault(call.connection, deque()).append(call)
        self._wire.want_room(call.connection)

    def _refuse(self, connection: int, exchange: int, reason: RefusedReason) -> None:
        """Say that a REQUEST was not started."""
        self.no_calls += 1
        self._wire.frame(connection, FrameType.REFUSED, 0, exchange, encode_refused(reason))
        self._drop_if_empty(connection)

    # ---- the end of a call ----

    def _give_up(self, call: _Call) -> None:
        """Nobody waits for its answer any more."""
        if call.sent:
            self._originated.give_up(call.sent, CancelReason.CLIENT_GONE)
            call.sent = 0
        if call.held:
            self._budget.release(len(call.held))
            call.held = b""
        self._drop_if_empty(call.connection)

    def _forget(self, call: _Call) -> None:
        self._open.get(call.connection, {}).pop(call.exchange, None)
        self._drop_if_empty(call.connection)

    def _drop_if_empty(self, connection: int) -> None:
        if not self._open.get(connection, True):
            del self._open[connection]


def _refusal(request: CallRequest | None) -> RefusedReason:
    """Return why a REQUEST is no call: it names no service, or is one that goes on."""
    if request is not None and request.service is None:
        return RefusedReason.UNKNOWN_ENDPOINT
    return RefusedReason.UNSUPPORTED_FEATURE
