"""Which request a line of the gateway's log belongs to, as its ``extra``."""

from typing import TYPE_CHECKING, Protocol

from frames.frame import FieldId

if TYPE_CHECKING:
    from proxy.request.exchange import Exchange

_TRACE_ID_BYTES = 16


if TYPE_CHECKING:

    class ContextPort(Protocol):
        """Where the ids of an exchange are: the wire."""

        def context(self, exchange: int, field: FieldId, /) -> bytes:
            """Return an id, the trace, or, once it was sent, tenant and principal; empty where that is not known."""
            ...


def id_fields(wire: "ContextPort", exchange_id: int) -> dict[str, str]:
    """Return the ids of an exchange, and for whom and by whom it was sent; nothing where it is gone."""
    trace = wire.context(exchange_id, FieldId.TRACE)[:_TRACE_ID_BYTES]
    fields = {
        "request_id": wire.context(exchange_id, FieldId.REQUEST_ID).decode("latin-1"),
        "correlation_id": wire.context(exchange_id, FieldId.CORRELATION_ID).decode("latin-1"),
        "trace_id": trace.hex() if any(trace) else "",
        "tenant": wire.context(exchange_id, FieldId.TENANT).decode("latin-1"),
        "principal": wire.context(exchange_id, FieldId.PRINCIPAL).decode("utf-8", "replace"),
    }
    return {name: value for name, value in fields.items() if value}


def request_fields(wire: "ContextPort", exchange: "Exchange") -> dict[str, str]:
    """Return the ids of a request, and who asks for whom, as far as the stages have found that out."""
    fields, caller = id_fields(wire, exchange.id), exchange.caller
    if caller is not None and caller.tenant:
        fields["tenant"] = caller.tenant.decode("latin-1")
    if caller is not None and caller.identity is not None:
        fields["principal"] = caller.identity.principal
    return fields
