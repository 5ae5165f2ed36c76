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

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Unpack

import trio

from penstock.asking import stand_in
from penstock.call import Call
from penstock.calls import Calls
from penstock.errors import StreamBroken
from penstock.outbox import Outbox
from penstock.port import STREAM_WINDOW_BYTES
from penstock.rooms import Rooms
from penstock.service import Service
from penstock.streaming import Streams
from penstock.testing_gateway import FakeGateway, named
from penstock.testing_others import Others
from penstock.testing_request import Caller, NoEndpoint, Request, find_endpoint, make_request
from penstock.testing_response import Aborted, Interim, Refused, Response
from penstock.workers import Workers

if TYPE_CHECKING:
    from penstock.testing_socket import ClientSocket

__all__ = ["Aborted", "Caller", "Interim", "NoEndpoint", "Refused", "Response", "call", "call_nowait", "websocket"]

DEADLINE_MS = 10_000


async def call(
    service: Service,
    method: str,
    target: str,
    *,
    json: object = None,
    body: bytes | AsyncIterable[bytes] = b"",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    deadline_ms: int = DEADLINE_MS,
    others: Mapping[str, Service] | None = None,
    **caller: Unpack[Caller],
) -> Response:
    """Send one request to a service's handler and return its answer; works for `def` and for `async def`.

    target: the path, with a query if there is one. json: becomes the body, with its content-type; None means no JSON.
    body: an async iterable is sent piece by piece, as fast as the handler reads, to an endpoint that streams, and
    collected for any other. The deadline runs on Trio's clock, so a `MockClock` moves it. caller: who asks, as a
    gateway would say it: `tenant`, `principal`, `claims`, `client_address`, `scheme`, `correlation_id`. others: the
    services that the handler may call, by name; they may call each other.

    Raises `NoEndpoint` when nothing answers the method and path, `Refused` when the service does not start the
    request, `Aborted` when it does not finish its answer.
    """
    endpoint = find_endpoint(service, method, target)
    if not isinstance(body, bytes) and not endpoint.streams:
        body = b"".join([piece async for piece in body])
    request = make_request(service, method, target, json, body, headers, deadline_ms, caller)
    gateway = FakeGateway(request.payload)
    async with _begun(gateway, request, service, others) as nursery:
        if request.rest is not None:
            nursery.start_soon(_upload, gateway, request.rest, request.expects_continue)
        return await _collect(gateway)


@asynccontextmanager
async def _begun(
    gateway: FakeGateway, request: Request, service: Service, others: Mapping[str, Service] | None
) -> AsyncIterator[trio.Nursery]:
    """Start the handler of a request, as the wire's event would; at the end, wait until it has ended.

    What is raised in the block is not wrapped into a group.
    """
    outbox = Outbox(gateway)
    raised: Exception | None = None
    token = stand_in.set(stand_in.get() if others is None else Others(service, others))
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
    stand_in.reset(token)
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
    others: Mapping[str, Service] | None = None,
    **caller: Unpack[Caller],
) -> "AsyncIterator[ClientSocket]":
    """Open a WebSocket to a service's handler, as a browser does; at the block's end it is closed.

    Raises `testing_socket.NotAccepted`, with the answer, when the service does not go on as a WebSocket.
    """
    from penstock.testing_socket import connect, handshake

    fields = [*(headers.items() if isinstance(headers, Mapping) else headers), *handshake(subprotocols, compression)]
    request = make_request(service, "GET", target, None, b"", fields, DEADLINE_MS, caller, upgrade="websocket")
    gateway = FakeGateway(request.payload)
    async with _begun(gateway, request, service, others):
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
    deadline_ms: int = DEADLINE_MS,
    **caller: Unpack[Caller],
) -> Response:
    """The same as `call` for a `def` handler, outside of Trio. Raises TypeError for an `async def` one."""
    request = make_request(service, method, target, json, body, headers, deadline_ms, caller)
    gateway = FakeGateway(request.payload)

    def take(_: Call) -> bool:
        raise TypeError(f"{method} {request.endpoint.path} has an async handler; use `await testing.call(...)`")

    outbox = Outbox(gateway)
    streams = Streams(gateway, outbox, Rooms(gateway), lambda _: None)
    calls = Calls({request.endpoint.id: request.endpoint}, gateway, outbox, take, streams, time.monotonic)
    calls.begin(request.event, time.monotonic())
    return _response(gateway, gateway.stream.receive_nowait() or b"")
