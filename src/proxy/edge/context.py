"""Context: under which ids a request comes, as part of which trace, and how much time it is given (first stage).

Ids and trace were made at random by the wire when the request came, so a request that brings none costs nothing here.
What the client brings is taken if it is valid. An invalid id or trace is replaced, as W3C Trace Context asks: it is
only a name, and no reason to refuse. An invalid time limit is refused: to go on without it would do something else than
was asked. Who asks, and for which tenant, is found out by `proxy.policy.identify`.
"""

import re
from typing import Final

from frames.frame import FieldId
from frames.wire_values import (
    HEAD_HAS_CORRELATION_ID,
    HEAD_HAS_REQUEST_ID,
    HEAD_HAS_REQUEST_TIMEOUT,
    HEAD_HAS_TRACEPARENT,
    HEAD_HAS_TRACESTATE,
    KnownName,
)
from proxy.errors import REQUEST_TIMEOUT_INVALID
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, for_flags
from proxy.request.trace_context import parse_traceparent, passed_tracestate

_ANY: Final = (
    HEAD_HAS_CORRELATION_ID
    | HEAD_HAS_REQUEST_ID
    | HEAD_HAS_TRACEPARENT
    | HEAD_HAS_TRACESTATE
    | HEAD_HAS_REQUEST_TIMEOUT
)
_IDS: Final = (
    (HEAD_HAS_CORRELATION_ID, KnownName.CORRELATION_ID, FieldId.CORRELATION_ID),
    (HEAD_HAS_REQUEST_ID, KnownName.REQUEST_ID, FieldId.REQUEST_ID),
)
_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}")
_TIMEOUT = re.compile(rb"[0-9]{1,9}")


@for_flags(_ANY)
def read_context(exchange: Exchange) -> Answer | None:
    """Take the context that the client sent."""
    return _read_sent(exchange) if exchange.flags & _ANY else None


def _read_sent(exchange: Exchange) -> Answer | None:
    flags = exchange.flags
    for flag, name, field in _IDS:
        if flags & flag:
            _take_id(exchange, name, field)
    if flags & HEAD_HAS_TRACEPARENT:
        _take_trace(exchange)
    return _take_timeout(exchange) if flags & HEAD_HAS_REQUEST_TIMEOUT else None


def _take_id(exchange: Exchange, name: KnownName, field: FieldId) -> None:
    value = exchange.fields.request_field(exchange.id, name) or b""
    if _ID.fullmatch(value):
        exchange.fields.set_context(exchange.id, field, value)


def _take_timeout(exchange: Exchange) -> Answer | None:
    value = exchange.fields.request_field(exchange.id, KnownName.REQUEST_TIMEOUT) or b""
    if not _TIMEOUT.fullmatch(value) or not int(value):
        return Answer(REQUEST_TIMEOUT_INVALID)
    exchange.requested_ms = int(value)
    return None


def _take_trace(exchange: Exchange) -> None:
    trace = parse_traceparent(exchange.fields.named_field(exchange.id, b"traceparent") or b"")
    if trace is None:
        return  # and tracestate with it: it belongs to the trace that was restarted
    exchange.fields.set_context(exchange.id, FieldId.TRACE, trace)
    if exchange.flags & HEAD_HAS_TRACESTATE:
        state = passed_tracestate(exchange.fields.named_field(exchange.id, b"tracestate") or b"")
        if state is not None:
            exchange.fields.set_context(exchange.id, FieldId.TRACESTATE, state)
