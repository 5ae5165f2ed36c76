"""Mirror: copies of requests go to another version, and its answers are thrown away (after send).

A request is copied once it was sent, so the copy can neither delay it in its own batch by more than the time that it
takes to write it, nor fail it: whatever becomes of a copy is counted, and nobody waits for it.

    sent        a copy went out
    dropped     none did: too many are under way on the route, nobody is there, or its connection does not keep up
    failed      it went out, and no answer below 500 came

Only what the batch carries is copied: requests whose bodies stream, or that have waited, are not.
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from frames.limits import FIELDS_MAX
from frames.wire_values import NO_IDENTITY, ForwardedFields, RequestHead
from proxy.edge.copied import ContextPort, context_of
from proxy.request.exchange import Exchange
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Originated, Outgoing, Place
from proxy.request.stage import Answer

if TYPE_CHECKING:
    from proxy.request.offer import Offer

MARK: Final = (b"x-penstock-mirror", b"1")
"""What tells a copy from a request. No client can send it: names that begin with x-penstock- do not go on."""

UNSENT_BYTES_MAX: Final = 65_536
"""Of the copy's connection: who does not keep up gets no copies, and so holds up no other requests."""

CONTEXT_FIELDS_MAX: Final = 11
_ENTRY = struct.Struct(">BBH")
_MARK_ENTRY: Final = _ENTRY.pack(0, len(MARK[0]), len(MARK[1]))
_MARK_TEXT: Final = MARK[0] + MARK[1]
_FAILED_STATUS: Final = 500


class MirrorPort(ContextPort, Protocol):
    """What is asked of the wire about a request of this batch."""

    @property
    def unsent(self) -> Sequence[int]:
        """Bytes that wait on each framed connection, by slot."""
        ...

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of its head."""
        ...

    def request_fields(self, exchange: int, /) -> ForwardedFields:
        """Return the fields that went on."""
        ...

    def request_body(self, exchange: int, /) -> bytes:
        """Return its body."""
        ...


CopyTo = Callable[[Exchange], "tuple[Sequence[Offer], int] | None"]
"""Among whom a copy of a request goes, and how many of its route may be under way at once; None: there is none."""
Pick = Callable[[Sequence["Offer"]], "Offer | None"]


class Mirror:
    """Makes the copies. ``sent``, ``dropped`` and ``failed`` count them."""

    def __init__(self, wire: MirrorPort, originated: Originated, copy_to: CopyTo, pick: Pick, *, counter: int) -> None:
        """counter: the index by which the wire counts copies, which are no requests of their route."""
        self._wire = wire
        self._originated = originated
        self._copy_to = copy_to
        self._pick = pick
        self._counter = counter
        self._in_flight: Counter[int] = Counter()
        self.sent = 0
        self.dropped = 0
        self.failed = 0

    def __len__(self) -> int:
        """How many are under way."""
        return self._in_flight.total()

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Mirror {len(self)} under way, sent={self.sent} dropped={self.dropped} failed={self.failed}>"

    def copy(self, exchange: Exchange) -> None:
        """Send a copy of a request that was sent in this batch, if there is to be one."""
        found = self._copy_to(exchange)
        if found is None:
            return
        offers, in_flight_max = found
        route = exchange.route.index
        offer = self._pick(offers) if self._in_flight[route] < in_flight_max else None
        if offer is None or self._wire.unsent[offer.slot] > UNSENT_BYTES_MAX:
            self.dropped += 1
            return
        outgoing = self._outgoing(exchange)
        place = Place(offer.connection, offer.endpoint_id, self._counter, may_stream=offer.streams)
        if outgoing is None or isinstance(
            self._originated.send(place, outgoing, partial(self._done, route), keeps=False), Answer
        ):
            self.dropped += 1
            return
        self.sent += 1
        self._in_flight[route] += 1

    def _done(self, route: int, outcome: Outcome) -> None:
        if self._in_flight[route] > 1:
            self._in_flight[route] -= 1
        else:
            del self._in_flight[route]
        self.failed += not isinstance(outcome, Whole) or outcome.status >= _FAILED_STATUS

    def _outgoing(self, exchange: Exchange) -> Outgoing | None:
        """Return the copy; None for a request to which nothing can be added, or that is gone."""
        wire, caller = self._wire, exchange.caller
        head, fields = wire.request_head(exchange.id), wire.request_fields(exchange.id)
        if head is None or fields.count > FIELDS_MAX - CONTEXT_FIELDS_MAX:
            return None
        identity: Any = NO_IDENTITY if caller is None else caller.wire
        return Outgoing(
            method=exchange.method,
            target=head.target,
            deadline_ms=exchange.deadline_ms,
            fields=_marked(fields),
            body=wire.request_body(exchange.id),
            context=context_of(wire, exchange),
            identity=identity,
        )


def _marked(fields: ForwardedFields) -> ForwardedFields:
    """Return the fields with the mark behind them."""
    table_bytes = len(_MARK_ENTRY) * fields.count
    block = fields.block
    return ForwardedFields(fields.count + 1, block[:table_bytes] + _MARK_ENTRY + block[table_bytes:] + _MARK_TEXT)
