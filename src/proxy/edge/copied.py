"""What the gateway says of a request beside its fields, for requests of its own that are made of that one."""

from typing import Protocol

from frames.frame import FieldId
from frames.wire_values import HEAD_HAS_FORWARDED, HEAD_HAS_TRACEPARENT
from proxy.request.exchange import Exchange, RequestFields
from proxy.request.trace_context import parse_traceparent, passed_tracestate


class ContextPort(RequestFields, Protocol):
    """What is asked of the wire about a request of this batch."""

    def context(self, exchange: int, field: FieldId, /) -> bytes:
        """Return its request id or its correlation id."""
        ...

    def is_secured(self, exchange: int, /) -> bool:
        """Return whether it came over TLS."""
        ...


def context_of(wire: ContextPort, exchange: Exchange) -> tuple[tuple[FieldId, bytes], ...]:
    """Return ids, scheme, tenant, address and trace. A trace that the gateway began itself is not known here."""
    number, flags = exchange.id, exchange.flags
    found = [
        (FieldId.REQUEST_ID, wire.context(number, FieldId.REQUEST_ID)),
        (FieldId.CORRELATION_ID, wire.context(number, FieldId.CORRELATION_ID)),
        (FieldId.SCHEME, b"https" if wire.is_secured(number) else b"http"),
    ]
    if exchange.caller is not None and exchange.caller.tenant:
        found.append((FieldId.TENANT, exchange.caller.tenant))
    if not flags & HEAD_HAS_FORWARDED:  # else it is the address of a proxy
        found.append((FieldId.CLIENT_ADDRESS, wire.client_address(number).encode()))
    if flags & HEAD_HAS_TRACEPARENT:
        found += _trace(wire, number)
    return tuple(found)


def _trace(wire: ContextPort, number: int) -> list[tuple[FieldId, bytes]]:
    trace = parse_traceparent(wire.named_field(number, b"traceparent") or b"")
    if trace is None:
        return []
    state = passed_tracestate(wire.named_field(number, b"tracestate") or b"")
    return [(FieldId.TRACE, trace), *([(FieldId.TRACESTATE, state)] if state is not None else [])]
