"""Notes: what the stages have found of a request that has to be known if it is sent again.

Most requests leave none. A note stands at the exchange's slot, with its id, until another exchange of that slot leaves
one: so nothing need be told when a request ends well, and there are never more than exchanges at once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from frames.wire_values import HEAD_HAS_MORE, HEAD_ODD
from proxy.request.exchange import Exchange
from proxy.request.stage import Stage, for_odd_heads, for_routes

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.table import Route

MARKER: Final = b"x-penstock-attempt"
"""A gateway before this one says by it that it sends the request again where need be, so that this one does not: two in
a row would multiply their attempts. It is believed of anybody, since all that it asks for is less."""

KEY: Final = b"idempotency-key"
"""draft-ietf-httpapi-idempotency-key-header-07: what carries it may be sent again, where the endpoint says so."""

_MARKED: Final = HEAD_ODD | HEAD_HAS_MORE
"""What the scanner says of a head with the marker; few others are like that, and are looked at in vain."""
SLOT: Final = 0xFFFFFF
"""Of an exchange's id (csrc/wire_internal.h)."""


class Notes:
    """What was noted of requests."""

    __slots__ = ("_chosen", "_keyed", "_nested")

    def __init__(self) -> None:
        """Begin with none."""
        self._chosen: dict[int, tuple[int, Sequence[Offer]]] = {}
        self._keyed: dict[int, int] = {}
        self._nested: dict[int, int] = {}

    def choose(self, exchange: Exchange) -> None:
        """Note among whom it was chosen, since these were not the route's own candidates."""
        self._chosen[exchange.id & SLOT] = exchange.id, exchange.offers

    def chosen(self, exchange: int) -> "Sequence[Offer] | None":
        """Return among whom it was chosen; None: among the route's own candidates."""
        noted = self._chosen.get(exchange & SLOT)
        return noted[1] if noted is not None and noted[0] == exchange else None

    def put_key(self, exchange: int) -> None:
        """Note that it carries an Idempotency-Key."""
        self._keyed[exchange & SLOT] = exchange

    def has_key(self, exchange: int) -> bool:
        """Whether it carries one, where somebody has looked."""
        return self._keyed.get(exchange & SLOT) == exchange

    def nest(self, exchange: int) -> None:
        """Note that a gateway before this one sends it again."""
        self._nested[exchange & SLOT] = exchange

    def is_nested(self, exchange: int) -> bool:
        """Whether one does."""
        return self._nested.get(exchange & SLOT) == exchange


def make_note_marker(notes: Notes) -> Stage:
    """Return the stage that looks for the marker."""

    @for_routes(_sends_again)
    @for_odd_heads
    def note_marker(exchange: Exchange) -> None:
        if exchange.flags & _MARKED == _MARKED and exchange.fields.named_field(exchange.id, MARKER) is not None:
            notes.nest(exchange.id)

    return note_marker


def make_note_key(notes: Notes) -> Stage:
    """Return the stage that looks for a key, for the routes where one matters."""

    @for_routes(lambda route: _sends_again(route) and route.plan.repeats_with_key)
    def note_key(exchange: Exchange) -> None:
        if exchange.fields.named_field(exchange.id, KEY):
            notes.put_key(exchange.id)

    return note_key


def _sends_again(route: "Route") -> bool:
    return route.plan is not None and not route.plan.is_none
