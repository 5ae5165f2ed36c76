"""The imagined request, as stages see it: it answers what they ask the wire."""

from collections.abc import Sequence
from typing import Any

from frames.frame import FieldId
from frames.scanned_head import ScannedHead
from frames.wire_values import KnownName, RequestHead, WireResult
from proxy.explain.question import Question
from proxy.policy.identity.tenant import is_tenant


class Imagined:
    """One request that nobody has sent. There is only one, so the number of the exchange does not matter."""

    def __init__(
        self, question: Question, scanned: ScannedHead, in_flight: Sequence[int], latency_us: Sequence[float]
    ) -> None:
        """in_flight, latency_us: the wire's own, by slot."""
        self._question = question
        self._scanned = scanned
        self.in_flight = in_flight
        self.latency_us = latency_us
        self.context: dict[FieldId, bytes] = {}
        """The context fields that stages have set."""

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of the head."""
        return self._scanned.head

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        """Return the value of a known field."""
        return next(iter(self.request_field_values(exchange, name)), None)

    def request_field_values(self, exchange: int, name: KnownName, /) -> list[bytes]:
        """Return the values of all fields of a known name."""
        return [value for known, _, value in self._scanned.fields if known == name]

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        """Return the values of all fields of a name."""
        values = [value for _, given, value in self._scanned.fields if given == name]
        return b", ".join(values) if values else None

    def caller(self, exchange: int) -> bytes:
        """Return what is said about who asks; a tenant of valid form becomes a context field."""
        names = (KnownName.TENANT, KnownName.AUTHORIZATION, KnownName.API_KEY)
        values = [self.request_field(exchange, name) for name in names]
        tenant = values[0] or b""
        if is_tenant(tenant):
            self.context[FieldId.TENANT] = tenant
        return b"" if all(value is None for value in values) else b"\n".join(value or b"" for value in values)

    def client_address(self, exchange: int) -> str:
        """Return the client's address: what a trusted proxy says counts, once it was believed."""
        believed = self.context.get(FieldId.CLIENT_ADDRESS)
        return believed.decode("ascii") if believed else self._question.address

    def is_secured(self, exchange: int, /) -> bool:
        """Return whether it is imagined to come over TLS."""
        return self._question.is_secured

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Keep a context field."""
        self.context[field] = value
        return 0

    def send(self, *_: Any) -> int:
        """Send nothing, as if that had been done."""
        return WireResult.OK
