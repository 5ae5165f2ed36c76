"""A service: its name, its version, and its endpoints; then run it.

service = Service("billing", version="1.4.0")

@service.get("/invoices/{invoice_id}")
async def invoice(call, invoice_id: str):
return {"id": invoice_id}

service.run()
"""

import inspect
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import trio

from frames.errors import GreetingError
from frames.greeting import PROTOCOL_VERSION, STREAMS, EndpointOffer, Hello, encode_hello
from frames.limits import ENDPOINTS_MAX
from frames.template import template_shape
from penstock.errors import GatewayError, RegistrationError
from penstock.handler import Endpoint, Handler, make_endpoint
from penstock.port import STREAM_WINDOW_BYTES
from penstock.waiting import wait_first

if TYPE_CHECKING:
    from penstock.settings import ServiceSettings
    from penstock.websocket import SocketHandler

__all__ = ["Service"]

H = TypeVar("H", bound=Handler)


class Service:
    """What a process offers to the gateways. What is wrong in its description raises `RegistrationError` at once."""

    def __init__(self, name: str, *, version: str) -> None:
        """name: 1 to 64 of `a-z 0-9 -`, beginning with a letter; version: semver 2.0.0, like `1.4.0`."""
        self.name = name
        self.version = version
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._check(self._hello("unnamed", "local", 5_000, None))

    def __repr__(self) -> str:
        """Name, version and number of endpoints, on one line."""
        return f"<Service {self.name} {self.version} endpoints={len(self._endpoints)}>"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What was registered, in that order."""
        return tuple(self._endpoints.values())

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        deadline_ms: int | None = None,
        idempotent: bool = False,
        streams: bool = False,
    ) -> Callable[[H], H]:
        """A decorator: the function answers requests with this method and path.

        deadline_ms: this endpoint's own limit, below the gateway's; idempotent: may be sent again when it is not known
        whether it was carried out; streams: bodies are read by `call.stream()` as they come, and answers may be sent
        piece by piece. A segment `{name}` of the path is passed to the function as the argument of that name.
        """

        def register(handler: H) -> H:
            self._register(
                method.upper(), path, handler, deadline_ms=deadline_ms, idempotent=idempotent, streams=streams
            )
            return handler

        return register

    def get(self, path: str, *, deadline_ms: int | None = None, streams: bool = False) -> Callable[[H], H]:
        """`endpoint("GET", ...)`; idempotent by definition (RFC 9110, section 9.2.2)."""
        return self.endpoint("GET", path, deadline_ms=deadline_ms, idempotent=True, streams=streams)

    def head(self, path: str, *, deadline_ms: int | None = None, streams: bool = False) -> Callable[[H], H]:
        """`endpoint("HEAD", ...)`; idempotent by definition. The gateway states the body's length and sends no body."""
        return self.endpoint("HEAD", path, deadline_ms=deadline_ms, idempotent=True, streams=streams)

    def post(
        self, path: str, *, deadline_ms: int | None = None, idempotent: bool = False, streams: bool = False
    ) -> Callable[[H], H]:
        """`endpoint("POST", ...)`."""
        return self.endpoint("POST", path, deadline_ms=deadline_ms, idempotent=idempotent, streams=streams)

    def put(
        self, path: str, *, deadline_ms: int | None = None, idempotent: bool = True, streams: bool = False
    ) -> Callable[[H], H]:
        """`endpoint("PUT", ...)`; idempotent by definition, unless you know better."""
        return self.endpoint("PUT", path, deadline_ms=deadline_ms, idempotent=idempotent, streams=streams)

    def patch(
        self, path: str, *, deadline_ms: int | None = None, idempotent: bool = False, streams: bool = False
    ) -> Callable[[H], H]:
        """`endpoint("PATCH", ...)`."""
        return self.endpoint("PATCH", path, deadline_ms=deadline_ms, idempotent=idempotent, streams=streams)

    def delete(
        self, path: str, *, deadline_ms: int | None = None, idempotent: bool = True, streams: bool = False
    ) -> Callable[[H], H]:
        """`endpoint("DELETE", ...)`; idempotent by definition, unless you know better."""
        return self.endpoint("DELETE", path, deadline_ms=deadline_ms, idempotent=idempotent, streams=streams)

    def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        message_bytes_max: int = 1_048_576,
        compression: bool = True,
    ) -> "Callable[[SocketHandler], SocketHandler]":
        """A decorator: the async function is called with a `penstock.WebSocket`, and the path's parts, for each client.

        subprotocols: those that it speaks, the preferred one first; message_bytes_max: a longer message closes the
        socket with 1009; compression: permessage-deflate, for clients that offer it. Needs `penstock[websocket]`.
        """
        from penstock.websocket import Offer, make_socket_handler

        offer = Offer(tuple(subprotocols), message_bytes_max, compression)

        def register(handler: "SocketHandler") -> "SocketHandler":
            endpoint = make_socket_handler(f"websocket {path}", handler, offer)
            self._register(
                "GET", path, endpoint, deadline_ms=None, idempotent=True, streams=True, upgrades=("websocket",)
            )
            return handler

        return register

    async def serve(
        self,
        settings: "ServiceSettings | None" = None,
        *,
        stop: trio.Event | None = None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve in a Trio program of your own, until cancelled, or until `stop` is set and what was in flight is done.

        Started (for `nursery.start`) when the first gateway has said WELCOME. settings: default from the environment.

        Error handling: raises `SettingsError` for wrong settings, and `GatewayError` when no gateway will have the
        service any more. A lost gateway is no error: it is dialled again.
        """
        from penstock.serving import Serving
        from penstock.settings import load_service_settings

        settings = settings or load_service_settings()
        hello = self.hello(settings)
        async with trio.open_nursery() as nursery:
            serving = Serving(nursery, {endpoint.id: endpoint for endpoint in self.endpoints}, hello, settings)
            nursery.start_soon(serving.run)
            await wait_first(serving.first_welcome, serving.over, stop)
            if serving.first_welcome.is_set():
                task_status.started()
            await wait_first(serving.over, stop)
            if not serving.over.is_set():
                await serving.drain()
            nursery.cancel_scope.cancel()
        if serving.over.is_set():
            raise GatewayError(
                "every gateway has put another process in this one's place, under the same service and instance id "
                f"{hello.instance!r}; give each process its own PENSTOCK_INSTANCE, or leave it unset"
            )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT: then take nothing new, finish what is in flight, and return.

        A second signal ends the process at once. Settings come from the environment; what is wrong with them is one
        line, and the exit code is 2.
        """
        from penstock.running import run

        run(self)

    def hello(self, settings: "ServiceSettings") -> Hello:
        """What this process says to each gateway. Raises `RegistrationError` when it would not be accepted."""
        hello = self._hello(
            settings.instance or make_instance(self.name),
            settings.region,
            settings.heartbeat_ms,
            settings.token.reveal() if settings.token else None,
        )
        self._check(hello)
        return hello

    def _register(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        deadline_ms: int | None,
        idempotent: bool,
        streams: bool,
        upgrades: tuple[str, ...] = (),
    ) -> None:
        number = len(self._endpoints)
        endpoint = make_endpoint(
            number,
            method,
            path,
            handler,
            deadline_ms=deadline_ms,
            idempotent=idempotent,
            streams=streams,
            upgrades=upgrades,
        )
        twin = self._endpoints.get((method, template_shape(path)))
        if twin is not None:
            raise RegistrationError(
                f"{method} {path}: the same requests are answered by {twin.path} already ({_place(twin.handler)}); "
                f"remove one of the two"
            )
        if number >= ENDPOINTS_MAX:
            raise RegistrationError(f"{method} {path}: a service has at most {ENDPOINTS_MAX} endpoints; make two of it")
        self._endpoints[method, template_shape(path)] = endpoint

    def _check(self, hello: Hello) -> None:
        try:
            encode_hello(hello)
        except GreetingError as error:
            raise RegistrationError(f"Service({self.name!r}, version={self.version!r}): {error}") from error

    def _hello(self, instance: str, region: str, heartbeat_ms: int, token: str | None) -> Hello:
        return Hello(
            protocol=PROTOCOL_VERSION,
            features=(STREAMS,),
            service=self.name,
            version=self.version,
            instance=instance,
            region=region,
            heartbeat_ms=heartbeat_ms,
            credit_bytes=STREAM_WINDOW_BYTES,
            token=token,
            endpoints=tuple(
                EndpointOffer(
                    id=each.id,
                    method=each.method,
                    path=each.path,
                    deadline_ms=each.deadline_ms,
                    idempotent=each.idempotent,
                    streams=each.streams,
                    upgrades=each.upgrades,
                )
                for each in self.endpoints
            ),
        )


def make_instance(service: str) -> str:
    """Return an id for this process that no other has: the service's name, and 64 random bits in hexadecimal."""
    return f"{service[:40]}-{os.urandom(8).hex()}"


def _place(handler: Handler) -> str:
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(handler)
