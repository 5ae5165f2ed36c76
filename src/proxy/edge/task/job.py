"""What the task lane keeps of a request once its batch is over."""

from typing import TYPE_CHECKING

import msgspec

from frames.fields import decode_fields, encode_block
from frames.frame import FieldId
from frames.limits import FIELD_ENTRY_BYTES
from frames.wire_values import ForwardedFields, RequestHead

if TYPE_CHECKING:
    from proxy.request.exchange import Exchange


class Job(msgspec.Struct, kw_only=True):
    """One request, whole but for its body, and what was decided about it."""

    exchange: "Exchange"
    """A copy of the lane's own, which goes on to other requests."""
    head: RequestHead
    target: bytes
    """Path and query as the service is to see them."""
    fields: ForwardedFields
    wanted_upgrade: bytes = b""
    """The protocols that the client wants to go on with, as it says them."""
    upgrade: bytes = b""
    """The one of them that it may, in lower case; known once an instance was chosen."""

    @property
    def id(self) -> int:
        """The exchange's id."""
        return self.exchange.id

    @property
    def method(self) -> int:
        """``Method``."""
        return self.exchange.method

    def allow_upgrade(self, allowed: frozenset[str]) -> None:
        """Settle, by who was chosen, which protocol the exchange may go on with."""
        offered = self.exchange.offer.upgrades
        self.upgrade = (
            allowed_upgrade(self.wanted_upgrade, offered, allowed) if self.wanted_upgrade and offered else b""
        )

    @property
    def deadline_ms(self) -> int:
        """From the request's first byte, or from its body's end, to the head of its answer."""
        return self.exchange.deadline_ms

    @property
    def stream_idle_ms(self) -> int:
        """How long nothing may move, where the rules of its route say so; 0: as at the edge."""
        route = getattr(self.exchange, "route", None)  # of an answer that turned out to stream, it may be gone
        return 0 if route is None else route.policy.stream_idle_ms or 0


def replace_host(fields: ForwardedFields, authority: bytes) -> ForwardedFields:
    """Return the fields with another Host, for a target that has its own authority (RFC 9112, section 3.2.2)."""
    decoded = decode_fields(fields.block, 0, fields.count, FIELD_ENTRY_BYTES * fields.count)
    others = [field for field in decoded if field[1] != b"host"]
    table, text = encode_block([(FieldId.NAMED, b"host", authority), *others])
    return ForwardedFields(len(others) + 1, table + text)


def allowed_upgrade(value: bytes, offered: tuple[str, ...], allowed: frozenset[str]) -> bytes:
    """Return the first protocol of an Upgrade field that the endpoint offers and the edge allows, or nothing.

    A protocol that may not be gone on with is ignored, as if it had not been asked for (RFC 9110, section 7.8). h2c is
    never forwarded: it would carry requests past the edge.
    """
    for protocol in value.lower().split(b","):
        name = protocol.strip(b" \t").decode("latin-1")
        if name in offered and name in allowed and name != "h2c":
            return name.encode("ascii")
    return b""
