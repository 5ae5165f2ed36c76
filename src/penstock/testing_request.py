"""Requests for `penstock.testing`: from what a test says to the REQUEST that a gateway would send, and its endpoint."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Literal, TypedDict

import msgspec

from frames.fields import Field, encode_request
from frames.frame import FieldId, Method
from frames.limits import DATA_BYTES_MAX, FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES
from frames.template import parameter_name, wildcard_name
from penstock.calls import FRAME_END
from penstock.errors import PenstockError
from penstock.handler import Endpoint
from penstock.port import WireEvent
from penstock.service import Service
from penstock.testing_gateway import CONNECTION, EXCHANGE

__all__ = ["Caller", "NoEndpoint", "Request", "find_endpoint", "make_request"]

EVENT_CALL = 11


class NoEndpoint(PenstockError):  # noqa: N818 - it says what is the case
    """The service has no endpoint for the method and path: a gateway would not send it such a request."""


class Caller(TypedDict, total=False):
    """Who asks, as a gateway says it. Whether such a caller may ask is the gateway's business, and not judged here."""

    tenant: str | None
    principal: str | None
    claims: Mapping[str, object]
    client_address: str
    scheme: Literal["http", "https"]
    correlation_id: str


def find_endpoint(service: Service, method: str, target: str) -> Endpoint:
    """Return the endpoint for a method and path, as a gateway finds it: literal segments go before `{name}`."""
    segments = target.partition("?")[0].split("/")
    fitting = [each for each in service.endpoints if each.method == method.upper() and _fits(each, segments)]
    if not fitting:
        offered = ", ".join(f"{each.method} {each.path}" for each in service.endpoints) or "nothing"
        raise NoEndpoint(f"{method} {target}: {service.name} has no endpoint for it; it offers {offered}")
    return min(fitting, key=lambda each: [_rank(segment) for segment in each.path.split("/")])


class Request(msgspec.Struct, frozen=True):
    """A request on its way: its endpoint, its frame's payload, what the wire says of it, and the rest of its body."""

    endpoint: Endpoint
    payload: bytes
    event: WireEvent
    rest: AsyncIterable[bytes] | None
    expects_continue: bool


def make_request(
    service: Service,
    method: str,
    target: str,
    json: object,
    body: bytes | AsyncIterable[bytes],
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    deadline_ms: int,
    caller: Caller,
    *,
    upgrade: str = "",
) -> Request:
    """Return the request as it comes out of the wire. Raises `NoEndpoint`."""
    endpoint = find_endpoint(service, method, target)
    number = Method[endpoint.method]
    fields = _context(caller)
    if json is not None:
        body = msgspec.json.encode(json)
        fields.append((FieldId.NAMED, b"content-type", b"application/json"))
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields += [(FieldId.NAMED, name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
    if upgrade:
        fields.append((FieldId.UPGRADE, b"", upgrade.encode()))
    first, rest = _divide(endpoint, body)
    if rest is not None and isinstance(body, bytes):
        fields.append((FieldId.BODY_LENGTH, b"", b"%d" % len(body)))
    raw = target.encode()
    payload = encode_request(deadline_ms, endpoint.id, number, raw, fields, first)
    target_at = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * len(fields)
    flags = number | 1 << 8 | (FRAME_END if rest is None and not upgrade else 0)
    end = (deadline_ms, target_at, len(raw), len(first))
    event = (EXCHANGE, CONNECTION, EVENT_CALL, endpoint.id, flags, 0, len(payload), *end)
    return Request(endpoint, payload, event, rest, any(name == b"expect" for _, name, _ in fields))


def _divide(endpoint: Endpoint, body: bytes | AsyncIterable[bytes]) -> tuple[bytes, AsyncIterable[bytes] | None]:
    """What of the body goes with the request, and what behind it."""
    if not isinstance(body, bytes):
        return b"", body
    if not endpoint.streams or len(body) <= DATA_BYTES_MAX:
        return body, None
    return b"", _once(body)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _context(caller: Caller) -> list[Field]:
    """The context fields that a gateway adds to every request."""
    fields: list[Field] = [
        (FieldId.CORRELATION_ID, b"", caller.get("correlation_id", "test-correlation").encode()),
        (FieldId.REQUEST_ID, b"", b"test-request"),
        (FieldId.TRACE, b"", os.urandom(24) + b"\x00"),
        (FieldId.CLIENT_ADDRESS, b"", caller.get("client_address", "127.0.0.1").encode()),
        (FieldId.SCHEME, b"", caller.get("scheme", "http").encode()),
    ]
    if tenant := caller.get("tenant"):
        fields.append((FieldId.TENANT, b"", tenant.encode()))
    if principal := caller.get("principal"):
        fields.append((FieldId.PRINCIPAL, b"", principal.encode()))
        fields.append((FieldId.CLAIMS, b"", msgspec.json.encode(caller.get("claims", {}))))
    elif caller.get("claims"):
        raise TypeError("claims are somebody's: give a principal, too")
    return fields


def _fits(endpoint: Endpoint, segments: list[str]) -> bool:
    """Whether the template matches the path: a parameter takes a segment that is not empty, a wildcard the rest."""
    wanted = endpoint.path.split("/")
    if wildcard_name(wanted[-1]) is not None and len(segments) >= len(wanted):
        wanted = wanted[:-1]
        segments = segments[: len(wanted)]
    return len(wanted) == len(segments) and all(
        bool(segment) if parameter_name(want) else want == segment
        for want, segment in zip(wanted, segments, strict=True)
    )


def _rank(segment: str) -> int:
    """Literal text goes before a parameter, a parameter before a wildcard."""
    if wildcard_name(segment) is not None:
        return 2
    return int(parameter_name(segment) is not None)
