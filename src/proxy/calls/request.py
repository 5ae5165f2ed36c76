"""What a service asks, read from its REQUEST; and its fields as stages read them.

The form of the frame was checked when it came. What its fields mean is judged here, by the rules of the edge: an
invalid tenant is refused, an invalid id or trace is left out, so that a new one is made.
"""

import re
import struct
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from frames.fields import decode_fields
from frames.frame import FORBIDDEN_NAMES, FieldId
from frames.limits import (
    CORRELATION_ID_BYTES_MAX,
    FIELD_ENTRY_BYTES,
    REQUEST_FIXED_BYTES,
    TRACE_BYTES,
)
from frames.wire_values import ForwardedFields, KnownName
from proxy.errors import BAD_PATH, BAD_TARGET, TENANT_INVALID
from proxy.request.stage import Answer
from proxy.request.trace_context import passed_tracestate, with_known_flags

_FIXED = struct.Struct(">IHBBHH")
_ENTRY = struct.Struct(">BBH")
_is_tenant = re.compile(rb"[A-Za-z0-9._-]{1,64}").fullmatch
_is_id = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}").fullmatch
_is_target = re.compile(rb"/[\x21-\x7e]*").fullmatch
_is_ambiguous = re.compile(rb"(?i)//|/(?:\.|%2e){1,2}(?:;[^/]*)?(?:/|\Z)|%(?:[01][0-9a-f]|7f|2f|5c)").search
"""A path that a service could read in another way than the route table did."""

_NOT_FORWARDED: Final = FORBIDDEN_NAMES | {
    b"forwarded",
    b"traceparent",
    b"tracestate",
    b"x-correlation-id",
    b"x-request-id",
    b"x-request-timeout-ms",
    b"x-tenant-id",
}
"""Names that are typed fields of a frame, or that only the gateway says."""
_NOT_FORWARDED_BEGINNINGS: Final = (b"x-forwarded-", b"x-penstock-")

_NAMES: Final = {KnownName.HOST: b"host", KnownName.AUTHORIZATION: b"authorization", KnownName.API_KEY: b"x-api-key"}


class CallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call. service: whom it asks, None where it does not say; context: fields 1 to 5, those that are valid."""

    remaining_ms: int
    method: int
    target: bytes
    service: str | None
    context: dict[FieldId, bytes]
    named: tuple[tuple[bytes, bytes], ...]
    body: bytes
    wants_upgrade: bool

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @property
    def tenant(self) -> bytes:
        """For whom it asks; empty for nobody."""
        return self.context.get(FieldId.TENANT, b"")

    def refusal(self) -> Answer | None:
        """Return the answer for a call that may not go on, whoever it asks."""
        tenant = self.context.get(FieldId.TENANT)
        if tenant is not None and not _is_tenant(tenant):
            return Answer(TENANT_INVALID, "A tenant is 1 to 64 of A-Z a-z 0-9 . _ - in field 1.")
        if not _is_target(self.target):
            return Answer(BAD_TARGET)
        return Answer(BAD_PATH) if _is_ambiguous(self.path) else None

    def forwarded(self) -> ForwardedFields:
        """Return the fields that go on."""
        kept = [field for field in self.named if _goes_on(field[0])]
        table = b"".join(_ENTRY.pack(0, len(name), len(value)) for name, value in kept)
        return ForwardedFields(len(kept), table + b"".join(name + value for name, value in kept))


def read_call(payload: bytes) -> CallRequest:
    """Return what a REQUEST says."""
    remaining_ms, _, method, _, target_bytes, count = _FIXED.unpack_from(payload)
    target_at = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * count
    text_at = target_at + target_bytes
    fields = decode_fields(payload, REQUEST_FIXED_BYTES, count, text_at)
    body_at = text_at + sum(len(name) + len(value) for _, name, value in fields)
    typed = {field_id: value for field_id, _, value in fields if field_id}
    service = typed.get(FieldId.SERVICE)
    return CallRequest(
        remaining_ms=remaining_ms,
        method=method,
        target=payload[target_at:text_at],
        service=None if service is None else service.decode("latin-1"),
        context=_context(typed),
        named=tuple((name, value) for field_id, name, value in fields if not field_id),
        body=payload[body_at:],
        wants_upgrade=FieldId.UPGRADE in typed,
    )


def _context(typed: dict[int, bytes]) -> dict[FieldId, bytes]:
    """Return fields 1 to 5; what is no valid id or trace is left out, and with the trace its state."""
    found = {field: typed[field] for field in _JUDGES if field in typed and _JUDGES[field](typed[field])}
    if FieldId.TENANT in typed:
        found[FieldId.TENANT] = typed[FieldId.TENANT]
    if FieldId.TRACE in found:
        found[FieldId.TRACE] = with_known_flags(found[FieldId.TRACE])
    else:
        found.pop(FieldId.TRACESTATE, None)
    return found


_JUDGES: Final[dict[FieldId, Callable[[bytes], bool]]] = {
    FieldId.CORRELATION_ID: lambda value: len(value) <= CORRELATION_ID_BYTES_MAX and bool(_is_id(value)),
    FieldId.REQUEST_ID: lambda value: bool(_is_id(value)),
    FieldId.TRACE: lambda value: len(value) == TRACE_BYTES and any(value[:16]) and any(value[16:24]),
    FieldId.TRACESTATE: lambda value: passed_tracestate(value) == value,
}


def _goes_on(name: bytes) -> bool:
    return name not in _NOT_FORWARDED and not name.startswith(_NOT_FORWARDED_BEGINNINGS)


class CallFields:
    """Where stages read the fields of a call, as they read a client's. What they set goes into its context."""

    __slots__ = ("_context", "_named")

    def __init__(self, named: Iterable[tuple[bytes, bytes]], context: dict[FieldId, bytes]) -> None:
        """named: the fields by name; context: what is sent on."""
        self._named = tuple(named)
        self._context = context

    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        """Return the value of a known field, or None."""
        wanted = _NAMES.get(name)
        return next((value for known, value in self._named if known == wanted), None)

    def named_field(self, exchange: int, name: bytes) -> bytes | None:
        """Return the values of all fields of a name, joined by commas; None without any."""
        values = [value for known, value in self._named if known == name]
        return b", ".join(values) if values else None

    def caller(self, exchange: int) -> bytes:
        """Return nothing: who calls is known by its connection."""
        return b""

    def client_address(self, exchange: int) -> str:
        """Return nothing: no client asks."""
        return ""

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        """Set a context field; 0."""
        self._context[field] = value
        return 0
