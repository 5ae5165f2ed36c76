"""Testing a service without a gateway: a request goes in, the handler's answer comes out.

    from penstock import testing

    async def test_invoice():
        response = await testing.call(service, "GET", "/invoices/42", tenant="acme")
        assert response.status == 200
        assert response.json()["id"] == "42"

The request becomes a REQUEST frame's payload and goes the way of every call: the same decoding, workers, checks and
answers. Only the wire is a stand-in, and finding the endpoint by its path is done here, which the gateway does
otherwise.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import trio

from frames.fields import Field, decode_fields, encode_request
from frames.fixed import decode_refused
from frames.frame import FieldId, FrameType, Method, RefusedReason
from frames.limits import FIELD_ENTRY_BYTES, PAYLOAD_BYTES_MAX, REQUEST_FIXED_BYTES, RESPONSE_FIXED_BYTES
from frames.template import parameter_name
from penstock.call import Call
from penstock.calls import FRAME_END, Calls
from penstock.errors import PenstockError
from penstock.fields import Headers
from penstock.handler import Endpoint
from penstock.outbox import Outbox
from penstock.port import WIRE_FULL, WireEvent
from penstock.service import Service
from penstock.workers import Workers

__all__ = ["NoEndpoint", "Refused", "Response", "call", "call_nowait"]

DEADLINE_MS = 10_000
EVENT_CALL = 11


class NoEndpoint(PenstockError):  # noqa: N818 - it says what is the case
    """The service has no endpoint for the method and path: a gateway would not send it such a request."""


class Refused(PenstockError):  # noqa: N818 - the protocol's name for it
    """The service did not start the request, which may be sent elsewhere; `reason` says why."""

    def __init__(self, reason: RefusedReason) -> None:
        """Keep the reason."""
        super().__init__(f"the service refused the request: {reason.name.lower()}")
        self.reason = reason


class Response(msgspec.Struct, frozen=True):
    """What the service answered."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """The body, decoded from JSON."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()


async def call(
    service: Service,
    method: str,
    target: str,
    *,
    json: object = None,
    body: bytes = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    tenant: str | None = None,
    deadline_ms: int = DEADLINE_MS,
) -> Response:
    """Send one request to a service's handler and return its answer; works for `def` and for `async def`.

    target: the path, with a query if there is one. json: becomes the body, with its content-type; None means no JSON.
    The deadline runs on Trio's clock, so a `MockClock` moves it. Raises `NoEndpoint` when nothing answers the method
    and path, `Refused` when the service does not start the request.
    """
    request = _make_request(service, method, target, json, body, headers, tenant, deadline_ms)
    wire = _Wire(request.payload)
    outbox = Outbox(wire)
    async with trio.open_nursery() as nursery:
        workers = Workers(nursery, 1, outbox)
        calls = Calls({request.endpoint.id: request.endpoint}, wire, outbox, workers.take, trio.current_time)
        calls.begin(request.event, trio.current_time())
        workers.wake(len(workers.waiting))
        await workers.wait_idle()
        nursery.cancel_scope.cancel()
    return wire.response()


def call_nowait(
    service: Service,
    method: str,
    target: str,
    *,
    json: object = None,
    body: bytes = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    tenant: str | None = None,
    deadline_ms: int = DEADLINE_MS,
) -> Response:
    """The same as `call` for a `def` handler, outside of Trio. Raises TypeError for an `async def` one."""
    request = _make_request(service, method, target, json, body, headers, tenant, deadline_ms)
    wire = _Wire(request.payload)

    def take(_: Call) -> bool:
        raise TypeError(f"{method} {request.endpoint.path} has an async handler; use `await testing.call(...)`")

    calls = Calls({request.endpoint.id: request.endpoint}, wire, Outbox(wire), take, time.monotonic)
    calls.begin(request.event, time.monotonic())
    return wire.response()


def find_endpoint(service: Service, method: str, target: str) -> Endpoint:
    """Return the endpoint for a method and path, as a gateway finds it: literal segments go before `{name}`."""
    segments = target.partition("?")[0].split("/")
    fitting = [each for each in service.endpoints if each.method == method.upper() and _fits(each, segments)]
    if not fitting:
        offered = ", ".join(f"{each.method} {each.path}" for each in service.endpoints) or "nothing"
        raise NoEndpoint(f"{method} {target}: {service.name} has no endpoint for it; it offers {offered}")
    return min(fitting, key=lambda each: [parameter_name(segment) is not None for segment in each.path.split("/")])


class _Request(msgspec.Struct, frozen=True):
    """A request on its way: its endpoint, its frame's payload, and what the wire says of it."""

    endpoint: Endpoint
    payload: bytes
    event: WireEvent


def _make_request(
    service: Service,
    method: str,
    target: str,
    json: object,
    body: bytes,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    tenant: str | None,
    deadline_ms: int,
) -> _Request:
    endpoint = find_endpoint(service, method, target)
    number = Method[endpoint.method]
    fields = _context(tenant)
    if json is not None:
        body = msgspec.json.encode(json)
        fields.append((FieldId.NAMED, b"content-type", b"application/json"))
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields += [(FieldId.NAMED, name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
    raw = target.encode()
    payload = encode_request(deadline_ms, endpoint.id, number, raw, fields, body)
    target_at = REQUEST_FIXED_BYTES + FIELD_ENTRY_BYTES * len(fields)
    flags = number | 1 << 8 | FRAME_END
    event = (1, 1, EVENT_CALL, endpoint.id, flags, 0, len(payload), deadline_ms, target_at, len(raw), len(body))
    return _Request(endpoint, payload, event)


def _context(tenant: str | None) -> list[Field]:
    """The context fields that a gateway adds to every request."""
    fields: list[Field] = [
        (FieldId.CORRELATION_ID, b"", b"test-correlation"),
        (FieldId.REQUEST_ID, b"", b"test-request"),
        (FieldId.TRACE, b"", os.urandom(24) + b"\x00"),
    ]
    if tenant is not None:
        fields.append((FieldId.TENANT, b"", tenant.encode()))
    return fields


def _fits(endpoint: Endpoint, segments: list[str]) -> bool:
    """Whether the template matches the path; a parameter takes any segment that is not empty."""
    wanted = endpoint.path.split("/")
    return len(wanted) == len(segments) and all(
        bool(segment) if parameter_name(want) else want == segment
        for want, segment in zip(wanted, segments, strict=True)
    )


class _Wire:
    """Stands in for the wire: the arena is one request, and what is written is kept."""

    def __init__(self, arena: bytes) -> None:
        self.arena = arena
        self._written: list[tuple[int, bytes]] = []

    def frame(self, _connection: int, frame_type: int, _flags: int, _exchange: int, payload: bytes, /) -> int:
        if len(payload) > PAYLOAD_BYTES_MAX:
            return WIRE_FULL
        self._written.append((frame_type, payload))
        return 0

    def flush(self) -> None:
        """Nothing waits here."""

    def flush_soon(self) -> None:
        """Nothing waits here."""

    def response(self) -> Response:
        """The one answer that was written."""
        ((frame_type, payload),) = self._written
        if frame_type == FrameType.REFUSED:
            raise Refused(RefusedReason(decode_refused(payload).reason))
        count = int.from_bytes(payload[2:4])
        fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count)
        body_at = (
            RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count + sum(len(name) + len(value) for _, name, value in fields)
        )
        headers = Headers((name, value) for field, name, value in fields if field == FieldId.NAMED)
        return Response(int.from_bytes(payload[:2]), headers, payload[body_at:])
