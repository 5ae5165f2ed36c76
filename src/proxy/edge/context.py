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
from proxy.exchange import Exchange
from proxy.stage import Answer, for_flags

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
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_TRACESTATE_MEMBER = re.compile(
    rb"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_TRACESTATE_MEMBERS_MAX: Final = 32
_TRACESTATE_BYTES_MAX: Final = 512
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
    trace = parse_traceparent(exchange.fields.request_field(exchange.id, KnownName.TRACEPARENT) or b"")
    if trace is None:
        return  # and tracestate with it: it belongs to the trace that was restarted
    exchange.fields.set_context(exchange.id, FieldId.TRACE, trace)
    if exchange.flags & HEAD_HAS_TRACESTATE:
        state = exchange.fields.request_field(exchange.id, KnownName.TRACESTATE) or b""
        if is_tracestate(state):
            exchange.fields.set_context(exchange.id, FieldId.TRACESTATE, state)


def parse_traceparent(value: bytes) -> bytes | None:
    """Return trace id, parent id and flags (25 bytes), or None when it is not valid (W3C Trace Context, section 3.2).

    Of a version after 00, what is known is taken, as section 4.3 asks; of its flags only *sampled* is known.
    """
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    known = int(flags, 16) & (0xFF if version == b"00" else 0x01)
    return bytes.fromhex((trace_id + parent_id).decode("ascii")) + bytes((known,))


def is_tracestate(value: bytes) -> bool:
    """Whether it is a list of at most 32 members, none twice, in at most 512 bytes (W3C Trace Context, section 3.3)."""
    if not value or len(value) > _TRACESTATE_BYTES_MAX:
        return False
    members = [member.strip(b" \t") for member in value.split(b",")]
    members = [member for member in members if member]
    keys = {member.partition(b"=")[0] for member in members}
    is_list = 0 < len(members) <= _TRACESTATE_MEMBERS_MAX and len(keys) == len(members)
    return is_list and all(_TRACESTATE_MEMBER.fullmatch(member) for member in members)
