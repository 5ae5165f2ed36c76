"""Refreshing: what a request has asked is asked once more, beside it, for whoever asks next."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from frames.frame import FieldId
from frames.limits import FIELDS_MAX
from frames.wire_values import NO_IDENTITY, ForwardedFields, RequestHead
from proxy.answers.caching import Refresh
from proxy.request.ended import Ended
from proxy.request.exchange import Exchange
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Outgoing, Place
from proxy.request.stage import Answer

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.request.originated import Originated

CONTEXT_FIELDS_MAX: Final = 11


class RefreshPort(Protocol):
    """What is asked of the wire about a request of this batch."""

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of its head."""
        ...

    def request_fields(self, exchange: int, /) -> ForwardedFields:
        """Return the fields that go on."""
        ...


def make_refresh(
    wire: RefreshPort,
    originated: "Callable[[], Originated]",
    pick: "Callable[[Sequence[Offer]], Offer | None]",
    context_of: Callable[[Exchange], tuple[tuple[FieldId, bytes], ...]],
) -> Refresh:
    """Return what asks again.

    pick: chooses one of the candidates; context_of: what the gateway says of a request beside its fields.
    """

    def refresh(exchange: Exchange, done: Callable[[Ended], None]) -> bool:
        head, fields = wire.request_head(exchange.id), wire.request_fields(exchange.id)
        if head is None or fields.count > FIELDS_MAX - CONTEXT_FIELDS_MAX:
            return False
        offer = pick(exchange.offers)
        if offer is None:
            return False
        caller = exchange.caller
        identity: Any = NO_IDENTITY if caller is None else caller.wire
        outgoing = Outgoing(
            method=exchange.method,
            target=head.target,
            deadline_ms=exchange.deadline_ms,
            fields=fields,
            context=context_of(exchange),
            identity=identity,
        )
        place = Place(offer.connection, offer.endpoint_id, exchange.route.index)
        return not isinstance(originated().send(place, outgoing, lambda outcome: done(_ended(outcome))), Answer)

    return refresh


def _ended(outcome: Outcome) -> Ended:
    return Ended(outcome.status, outcome.payload) if isinstance(outcome, Whole) else Ended(answer=outcome)
