"""Testing a service without a gateway: a request goes in, the handler's answer comes out.

    from penstock import testing

    async def test_invoice():
        response = await testing.call(service, "GET", "/invoices/42", tenant="acme")
        assert response.status == 200
        assert response.json()["id"] == "42"

The request becomes a REQUEST frame's payload and goes the way of every call: the same decoding, workers, checks and
answers; bodies of streaming endpoints go under credit. Only the wire is a stand-in, and finding the endpoint by its
path is done here, which the gateway does otherwise.
"""

import os
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from frames.fields import Field, encode_request
from frames.frame import FieldId, Method, RefusedReason
from frames.limits import DATA_BYTES_MAX, FIELD_ENTRY_BYTES, REQUEST_FIXED_BYTES
from frames.template import parameter_name
from penstock.call import Call
from penstock.calls import FRAME_END, Calls
from penstock.errors import PenstockError, StreamBroken
from penstock.fields import Headers
from penstock.handler import Endpoint
from penstock.outbox import Outbox
from penstock.port import STREAM_WINDOW_BYTES, WireEvent
from penstock.rooms import Rooms
from penstock.service import Service
from penstock.streaming import Streams
from penstock.testing_gateway import CONNECTION, EXCHANGE, FakeGateway, named
from penstock.workers import Workers

if TYPE_CHECKING:
    from penstock.testing_socket import ClientSocket

__all__ = ["Aborted", "Interim", "NoEndpoint", "Refused", "Response", "call", "call_nowait", "websocket"]

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


class Interim(msgspec.Struct, frozen=True):
    """An interim answer."""

    status: int
    headers: Headers


class Response(msgspec.Struct, frozen=True):
    """What the service answered."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = Headers(())
    interim: tuple[Interim, ...] = ()

    def json(self) -> Any:
        """The body, decoded from JSON."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()


class Aborted(PenstockError):  # noqa: N818 - the protocol's name for it
    """The service began an answer and gave it up: a client sees a body that is cut off. `response` is what was read."""

    def __init__(self, response: Response) -> None:
        """Keep what was read."""
        super().__init__(f"the service gave its answer up after {len(response.body):,} bytes")
        self.response = response


async def call(
    service: Service,
    method: str,
    target: str,
    *,
    json: object = None,
    body: bytes | AsyncIterable[bytes] = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    tenant: str | None = None,
    deadline_ms: int = DEADLINE_MS,
) -> Response:
    """Send one request to a service's handler and return its answer; works for `def` and for `async def`.

    target: the path, with a query if there is one. json: becomes the body, with its content-type; None means no JSON.
    body: an async iterable is sent piece by piece, as fast as the handler reads, to an endpoint that streams, and
    collected for any other. The deadline runs on Trio's clock, so a `MockClock` moves it.

    Raises `NoEndpoint` when nothing answers the method and path, `Refused` when the service does not start the
    request, `Aborted` when it does not finish its answer.
    """
    endpoint = find_endpoint(service, method, target)
    if not isinstance(body, bytes) and not endpoint.streams:
        body = b"".join([piece async for piece in body])
    request = _make_request(service, method, target, json, body, headers, tenant, deadline_ms)
    gateway = FakeGateway(request.payload)
    async with _begun(gateway, request) as nursery:
        if request.rest is not None:
            nursery.start_soon(_upload, gateway, request.rest, request.expects_continue)
        return await _collect(gateway)


@asynccontextmanager
async def _begun(gateway: FakeGateway, request: "Request") -> AsyncIterator[trio.Nursery]:
    """Start the handler of a request, as the wire's event would; at the end, wait until it has ended.

    What is raised in the block is not wrapped into a group.
    """
    outbox = Outbox(gateway)
    raised: Exception | None = None
    async with trio.open_nursery() as nursery:
        workers = Workers(nursery, 1, outbox)
        gateway.streams = Streams(gateway, outbox, Rooms(gateway), lambda _: STREAM_WINDOW_BYTES)
        endpoints = {request.endpoint.id: request.endpoint}
        calls = Calls(endpoints, gateway, outbox, workers.take, gateway.streams, trio.current_time)
        calls.begin(request.event, trio.current_time())
        workers.wake(len(workers.waiting))
        try:
            yield nursery
            await workers.wait_idle()
        except Exception as error:
            raised = error
        nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised


async def _upload(gateway: FakeGateway, pieces: AsyncIterable[bytes], expects_continue: bool) -> None:
    """Send the body until the service wants no more of it; after `expect: 100-continue`, when it wants any."""
    try:
        if expects_continue:
            await gateway.invited.wait()
        async for piece in pieces:
            await gateway.stream.send(piece)
        await gateway.stream.end()
    except StreamBroken:
        return
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _collect(gateway: FakeGateway) -> Response:
    """Wait for the answer and its body."""
    await gateway.answered.wait()
    body: list[bytes] = []
    try:
        if gateway.refused is None:
            async for piece in gateway.stream:
                body.append(piece)
    except StreamBroken as error:
        raise Aborted(_response(gateway, b"".join(body))) from error
    return _response(gateway, b"".join(body))


def _response(gateway: FakeGateway, body: bytes) -> Response:
    if gateway.refused is not None:
        raise Refused(gateway.refused)
    interim = tuple(Interim(status, headers) for status, headers in gateway.interim)
    return Response(gateway.status, gateway.headers, body, named(gateway.stream.trailers), interim)


@asynccontextmanager
async def websocket(
    service: Service,
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    compression: bool = True,
    tenant: str | None = None,
) -> "AsyncIterator[ClientSocket]":
    """Open a WebSocket to a service's handler, as a browser does; at the block's end it is closed.

    Raises `testing_socket.NotAccepted`, with the answer, when the service does not go on as a WebSocket.
    """
    from penstock.testing_socket import connect, handshake

    fields = [*(headers.items() if isinstance(headers, Mapping) else headers), *handshake(subprotocols, compression)]
    request = _make_request(service, "GET", target, None, b"", fields, tenant, DEADLINE_MS, upgrade="websocket")
    gateway = FakeGateway(request.payload)
    async with _begun(gateway, request):
        await gateway.answered.wait()
        response = await _collect(gateway) if gateway.status != 101 else _response(gateway, b"")
        async with connect(gateway.stream, response) as socket:
            yield socket


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
    gateway = FakeGateway(request.payload)

    def take(_: Call) -> bool:
        raise TypeError(f"{method} {request.endpoint.path} has an async handler; use `await testing.call(...)`")

    outbox = Outbox(gateway)
    streams = Streams(gateway, outbox, Rooms(gateway), lambda _: None)
    calls = Calls({request.endpoint.id: request.endpoint}, gateway, outbox, take, streams, time.monotonic)
    calls.begin(request.event, time.monotonic())
    return _response(gateway, gateway.stream.receive_nowait() or b"")


def find_endpoint(service: Service, method: str, target: str) -> Endpoint:
    """Return the endpoint for a method and path, as a gateway finds it: literal segments go before `{name}`."""
    segments = target.partition("?")[0].split("/")
    fitting = [each for each in service.endpoints if each.method == method.upper() and _fits(each, segments)]
    if not fitting:
        offered = ", ".join(f"{each.method} {each.path}" for each in service.endpoints) or "nothing"
        raise NoEndpoint(f"{method} {target}: {service.name} has no endpoint for it; it offers {offered}")
    return min(fitting, key=lambda each: [parameter_name(segment) is not None for segment in each.path.split("/")])


class Request(msgspec.Struct, frozen=True):
    """A request on its way: its endpoint, its frame's payload, what the wire says of it, and the rest of its body."""

    endpoint: Endpoint
    payload: bytes
    event: WireEvent
    rest: AsyncIterable[bytes] | None
    expects_continue: bool


def _make_request(
    service: Service,
    method: str,
    target: str,
    json: object,
    body: bytes | AsyncIterable[bytes],
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    tenant: str | None,
    deadline_ms: int,
    *,
    upgrade: str = "",
) -> Request:
    endpoint = find_endpoint(service, method, target)
    number = Method[endpoint.method]
    fields = _context(tenant)
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


def _context(tenant: str | None) -> list[Field]:
    """The context fields that a gateway adds to every request."""
    fields: list[Field] = [
        (FieldId.CORRELATION_ID, b"", b"test-correlation"),
        (FieldId.REQUEST_ID, b"", b"test-request"),
        (FieldId.TRACE, b"", os.urandom(24) + b"\x00"),
        (FieldId.CLIENT_ADDRESS, b"", b"127.0.0.1"),
        (FieldId.SCHEME, b"", b"http"),
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
