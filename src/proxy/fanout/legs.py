"""Legs: whom a request is to be asked of, and how each of them is asked.

Each leg is judged like the call of one service to another: its route is found among those of its service, whether who
asks may ask is found by the policy of that route, and version, split, placement and choice hold as for any request. So
a path that asks several lets nobody see what he could not see by asking each of them.
"""

import os
import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from frames.fields import decode_fields, encode_block
from frames.frame import FieldId
from frames.limits import FIELD_ENTRY_BYTES, FIELDS_MAX
from frames.wire_values import NO_IDENTITY, ForwardedFields, KnownName, RequestHead
from proxy.breaker_state import Probe
from proxy.errors import BODY_TOO_LARGE, INTERNAL, NO_INSTANCE, NO_ROUTE, TOO_MANY_FIELDS
from proxy.fanout.asking import Leg, Question
from proxy.fanout.merged import LegName
from proxy.fanout.plan import ALL, Combine, FanOutPlan, LegPlan
from proxy.fanout.targets import TargetOf, make_target
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.originated import Outgoing, Place
from proxy.request.route_policy import RoutePolicy
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer

if TYPE_CHECKING:
    from proxy.request.offer import Offer

CONTEXT_FIELDS_MAX: Final = 11
_NOT_FOR_PARTS: Final = frozenset(
    (
        b"accept-encoding",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    )
)
"""What a client says of the one answer that it gets: no part of a merged one is compressed, cut or left out by it."""

_is_hex = re.compile(rb"[0-9a-f]{32}").fullmatch
_NOT_SAMPLED: Final = bytes(1)
_NO_ID: Final = 0
_NOBODY: Final = Answer(NO_INSTANCE)
Context = tuple[tuple[FieldId, bytes], ...]


class RequestPort(Protocol):
    """What is asked of the wire about a request of this batch."""

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of its head."""
        ...

    def request_fields(self, exchange: int, /) -> ForwardedFields:
        """Return the fields that go on."""
        ...

    def request_body(self, exchange: int, /) -> bytes:
        """Return its body."""
        ...


class Route(Protocol):
    """What is asked of a route."""

    @property
    def index(self) -> int:
        """Of the wire's counters."""
        ...

    @property
    def policy(self) -> RoutePolicy:
        """All that holds for its requests."""
        ...

    @property
    def offers(self) -> "tuple[Offer, ...]":
        """The candidates."""
        ...

    @property
    def deadline_ms(self) -> int | None:
        """None: the gateway's default."""
        ...

    @property
    def fanout(self) -> Any:
        """Whom its requests are asked of, where it is several."""
        ...


class Table(Protocol):
    """Routes."""

    def match(self, method: int, path: bytes, /) -> Any:
        """Return the route for a path, or None."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """All of them."""
        ...


class _FieldsOf:
    """The fields of a request, for the stages that choose for its legs: those have no exchange of their own yet."""

    __slots__ = ("_fields", "_id")

    def __init__(self, exchange: Exchange) -> None:
        self._fields, self._id = exchange.fields, exchange.id

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        return self._fields.request_field(self._id, name)

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        return self._fields.named_field(self._id, name)

    def caller(self, exchange: int) -> bytes:
        return self._fields.caller(self._id)

    def client_address(self, exchange: int) -> str:
        return self._fields.client_address(self._id)

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set nothing: what goes on is known already."""
        return 0


class LegMaker:
    """Makes the legs of requests."""

    def __init__(
        self,
        wire: RequestPort,
        *,
        table_of: Callable[[str, Snapshot], Table | None],
        choose: Callable[[Exchange], Answer | None],
        context_of: Callable[[Exchange], Context],
        connect: "Callable[[Offer], int]",
        rand: random.Random | None = None,
    ) -> None:
        """table_of: the routes of a service alone; choose: runs the stages that say who gets an exchange whose route
        and caller are known; context_of: what the gateway says of a request beside its fields; connect: by which
        connection an offer is reached now, 0: by none.
        """
        self._wire = wire
        self._table_of = table_of
        self._choose = choose
        self._context_of = context_of
        self._connect = connect
        self._rand = rand or random.Random()  # noqa: S311 - nobody gains by guessing it
        self._targets: dict[FanOutPlan, tuple[TargetOf, ...]] = {}

    def asked_for(self, exchange: Exchange, plan: FanOutPlan) -> tuple[bytes, ForwardedFields] | Answer:
        """Return the query, and the fields that go on to every leg."""
        head, fields = self._wire.request_head(exchange.id), self._wire.request_fields(exchange.id)
        if head is None:
            return Answer(INTERNAL)
        if plan.combine is not Combine.FIRST:
            fields = _for_parts(fields)
        if fields.count > FIELDS_MAX - CONTEXT_FIELDS_MAX:
            return Answer(TOO_MANY_FIELDS)
        if not exchange.flags & NEEDS_TASK:
            return head.target[head.path_bytes :], fields
        _, mark, query = exchange.target.partition(b"?")
        return mark + query, fields if exchange.authority is None else _with_host(fields, exchange.authority)

    def legs(self, exchange: Exchange, plan: FanOutPlan, query: bytes, fields: ForwardedFields) -> list[Leg]:
        """Return the legs of a request of this batch, in the order of the plan."""
        caller = exchange.caller
        outgoing = Outgoing(
            method=plan.method,
            target=b"/",
            deadline_ms=plan.leg_ms,
            fields=fields,
            body=self._wire.request_body(exchange.id),
            context=_with_trace(self._context_of(exchange)),
            identity=NO_IDENTITY if caller is None else caller.wire,
        )
        targets = self._targets_of(plan)
        legs: list[Leg] = []
        for leg, target_of in zip(plan.legs, targets, strict=True):
            legs += self._legs_of(exchange, leg, target_of(exchange.path, query), outgoing)
        return legs

    def forget(self) -> None:
        """Forget what was worked out about plans."""
        self._targets.clear()

    def _targets_of(self, plan: FanOutPlan) -> tuple[TargetOf, ...]:
        targets = self._targets.get(plan)
        if targets is None:
            targets = self._targets[plan] = tuple(make_target(plan.path, leg.path) for leg in plan.legs)
        return targets

    def _legs_of(self, exchange: Exchange, leg: LegPlan, target: bytes, outgoing: Outgoing) -> list[Leg]:
        """Return the legs to one service: one for each of its instances that is asked."""
        found = self._find(exchange, leg, target, outgoing)
        if isinstance(found, Answer):
            return [Leg(LegName(leg.name), found)]
        deadline_ms = min(outgoing.deadline_ms, found.route.deadline_ms or outgoing.deadline_ms)
        asked = msgspec.structs.replace(outgoing, target=target, deadline_ms=deadline_ms)
        if leg.instances == 1:
            return [Leg(LegName(leg.name), self._question(found.offer, found.route, asked))]
        offers = self._offers(found.offers, leg.instances)
        legs = [
            Leg(LegName(leg.name, offer.instance.instance), self._question(offer, found.route, asked))
            for offer in offers
        ]
        missing = leg.instances - len(legs) if leg.instances != ALL else 0
        return legs + [Leg(LegName(leg.name), _NOBODY)] * missing

    def _find(self, exchange: Exchange, leg: LegPlan, target: bytes, outgoing: Outgoing) -> Exchange | Answer:
        """Return an exchange for which an instance of the leg's service was chosen."""
        table = self._table_of(leg.service, exchange.snapshot)
        if table is None:
            return _NOBODY
        path = target.partition(b"?")[0]
        route = table.match(outgoing.method, path)
        if route is None:
            is_there = any(each.fanout is None or each.offers for each in table.routes)
            return Answer(NO_ROUTE) if is_there else _NOBODY
        body_max = route.policy.body_bytes
        if body_max is not None and len(outgoing.body) > body_max:
            return Answer(BODY_TOO_LARGE)
        one = Exchange(_FieldsOf(exchange), exchange.snapshot)
        one.begin(_NO_ID, outgoing.method, exchange.flags, path, exchange.snapshot)
        one.caller, one.route, one.offers = exchange.caller, route, route.offers
        one.deadline_ms = exchange.deadline_ms
        return self._choose(one) or one

    def _question(self, offer: "Offer", route: Route, asked: Outgoing) -> Question | Answer:
        connection = self._connect(offer)
        if not connection:
            return _NOBODY
        place = Place(connection, offer.endpoint_id, route.index, may_stream=offer.streams, gauge=offer.gauge)
        return Question(place, asked)

    def _offers(self, offers: "Sequence[Offer]", count: int) -> "Sequence[Offer]":
        """Return all of them, or that many at random, by name. One that is probed now is not the only one."""
        if isinstance(offers, Probe):
            offers = tuple(dict.fromkeys((*offers.of, *offers)))
        offers = sorted(offers, key=lambda offer: offer.instance.instance)
        if count in (ALL, len(offers)) or count > len(offers):
            return offers
        return [offers[at] for at in sorted(self._rand.sample(range(len(offers)), count))]


def _with_trace(context: Context) -> Context:
    """Let all legs be of one trace. Where the client began none, its id is the request's, as with the wire."""
    known = dict(context)
    if FieldId.TRACE in known:
        return context
    request_id = known.get(FieldId.REQUEST_ID, b"")
    trace_id = bytes.fromhex(request_id.decode()) if _is_hex(request_id) else os.urandom(16)
    return (*context, (FieldId.TRACE, trace_id + os.urandom(8) + _NOT_SAMPLED))


def _with_host(fields: ForwardedFields, authority: bytes) -> ForwardedFields:
    """Return the fields with the Host of a target that has its own (RFC 9112, section 3.2.2)."""
    decoded = decode_fields(fields.block, 0, fields.count, FIELD_ENTRY_BYTES * fields.count)
    others = [field for field in decoded if field[1] != b"host"]
    table, text = encode_block([(FieldId.NAMED, b"host", authority), *others])
    return ForwardedFields(len(others) + 1, table + text)


def _for_parts(fields: ForwardedFields) -> ForwardedFields:
    """Return the fields without those that say something of the answer as a whole."""
    decoded = decode_fields(fields.block, 0, fields.count, FIELD_ENTRY_BYTES * fields.count)
    kept = [field for field in decoded if field[1] not in _NOT_FOR_PARTS]
    if len(kept) == len(decoded):
        return fields
    table, text = encode_block(kept)
    return ForwardedFields(len(kept), table + text)
