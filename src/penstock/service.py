"""A service: its name, its version, and its endpoints; then run it.

service = Service("billing", version="1.4.0")

@service.get("/invoices/{invoice_id}")
async def invoice(call, invoice_id: str):
return {"id": invoice_id}

service.run()
"""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, get_args

import trio

from frames.endpoint import EndpointOffer
from frames.errors import GreetingError
from frames.greeting import CALLS, OPENAPI, PROTOCOL_VERSION, STATUS, STREAMS, Hello, encode_hello
from frames.limits import ENDPOINTS_MAX, OPENAPI_ENDPOINT
from frames.template import template_shape
from penstock.answer import JSON, Response, encode_json
from penstock.asking import Asker, AskOptions, Reply, current_call, make_question, stand_in
from penstock.call import Call
from penstock.errors import CallUnreachable, GatewayError, RegistrationError
from penstock.handler import Endpoint, Handler, make_endpoint
from penstock.options import Access, EndpointOptions, SocketOptions, make_offer
from penstock.port import STREAM_WINDOW_BYTES
from penstock.status import STATUS_TARGET, Readiness
from penstock.waiting import wait_first

if TYPE_CHECKING:
    from penstock.settings import ServiceSettings
    from penstock.tracing.joining import Joining
    from penstock.websocket import SocketHandler

__all__ = ["Service"]

H = TypeVar("H", bound=Handler)
R = TypeVar("R", bound=Readiness)


class Service:
    """What a process offers to the gateways. What is wrong in its description raises `RegistrationError` at once."""

    def __init__(
        self, name: str, *, version: str, access: Access | None = None, overrides: str | os.PathLike[str] | None = None
    ) -> None:
        """name: 1 to 64 of `a-z 0-9 -`, beginning with a letter; version: semver 2.0.0, like `1.4.0`.

        access: who may ask the endpoints that do not say it themselves, `public` or `authenticated`; None leaves that
        to the gateway. overrides: a YAML file that changes what the code says of the endpoints (`overrides.py`);
        PENSTOCK_SERVICE_OVERRIDES names another in its place.
        """
        self.name = name
        self.version = version
        self.access = access
        self.overrides = None if overrides is None else Path(overrides)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._asker: Asker | None = None
        self._checks: list[Readiness] = []
        self._status: Callable[[], dict[str, Any]] | None = None
        self._check(self._hello("unnamed", "local", 5_000, None, ()))
        if access not in (None, *get_args(Access)):
            raise RegistrationError(f"Service({name!r}): access is {access!r}; write 'public' or 'authenticated'")

    def __repr__(self) -> str:
        """Name, version and number of endpoints, on one line."""
        return f"<Service {self.name} {self.version} endpoints={len(self._endpoints)}>"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What was registered, in that order."""
        return tuple(self._endpoints.values())

    def endpoint(self, method: str, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """A decorator: the function answers requests with this method and path.

        A segment `{name}` of the path is passed to the function as the argument of that name. The options are those of
        `penstock.options.EndpointOptions`; they are the same for every method.
        """

        def register(handler: H) -> H:
            self._register(method.upper(), path, handler, **options)
            return handler

        return register

    def get(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("GET", ...)`."""
        return self.endpoint("GET", path, **options)

    def head(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("HEAD", ...)`. The gateway states the body's length and sends no body."""
        return self.endpoint("HEAD", path, **options)

    def post(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("POST", ...)`."""
        return self.endpoint("POST", path, **options)

    def put(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("PUT", ...)`; idempotent, unless you know better."""
        return self.endpoint("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("PATCH", ...)`."""
        return self.endpoint("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[EndpointOptions]) -> Callable[[H], H]:
        """`endpoint("DELETE", ...)`; idempotent, unless you know better."""
        return self.endpoint("DELETE", path, **options)

    def websocket(self, path: str, **options: Unpack[SocketOptions]) -> "Callable[[SocketHandler], SocketHandler]":
        """A decorator: the async function is called with a `penstock.WebSocket`, and the path's parts, for each client.

        The options are those of `penstock.options.SocketOptions`. Needs `penstock[websocket]`.
        """
        from penstock.websocket import make_socket_handler, split_options

        offer, rest = split_options(options)

        def register(handler: "SocketHandler") -> "SocketHandler":
            endpoint = make_socket_handler(f"websocket {path}", handler, offer)
            self._register("GET", path, endpoint, streams=True, upgrades=("websocket",), **rest)
            return handler

        return register

    def ready(self, check: R) -> R:
        """A decorator: the function says why this process is not ready, as one sentence, or None where it is.

        It is called when a gateway asks how the process is (`GET /fleet` of its admin listener), and must not wait. It
        tells operators; what is to get no requests says so by its heartbeat.
        """
        self._checks.append(check)
        return check

    def openapi(self) -> dict[str, Any]:
        """Return the service's description in OpenAPI 3.1, with what the file of overrides changes."""
        from penstock.openapi import make_openapi

        return make_openapi(self, self._overridden(None))

    async def call(self, service: str, method: str, target: str, **options: Unpack[AskOptions]) -> Reply:
        """Call another service through the gateway, and return its answer, whatever its status.

        The options are those of `penstock.asking.AskOptions`: body, json, headers, deadline_ms, tenant. In a handler,
        tenant, correlation id and trace are passed on, and what is left of its deadline holds.

        Error handling: raises a `CallError` when there is no answer, and ValueError for what cannot be sent.
        """
        return await self._ask(service, method, target, options, current_call.get())

    async def _ask(self, service: str, method: str, target: str, options: AskOptions, call: Call | None) -> Reply:
        asker = stand_in.get() or self._asker
        if asker is None:
            raise CallUnreachable(
                f"{service}: {method} {target}: {self.name} is not being served; in a test, say who is there by others="
            )
        return await asker.ask(make_question(service, method, target, options, call, asker))

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
        joining = self._joining(settings, hello)
        answered = self._answered(hello)
        async with trio.open_nursery() as nursery:
            serving = Serving(nursery, joining.endpoints(answered) if joining else answered, hello, settings)
            self._asker = joining.asker(serving.asks) if joining else serving.asks
            if joining:
                nursery.start_soon(joining.run)
            self._status = lambda: serving.status(self._checks)
            nursery.start_soon(serving.run)
            await wait_first(serving.first_welcome, serving.over, stop)
            if serving.first_welcome.is_set():
                task_status.started()
            await wait_first(serving.over, stop)
            if not serving.over.is_set():
                await serving.drain()
            if joining:
                await joining.finish()
            nursery.cancel_scope.cancel()
        if serving.failure is not None:
            raise serving.failure
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
        """What this process says to each gateway.

        Raises `RegistrationError` when it would not be accepted, and `SettingsError` for a wrong file of overrides.
        """
        hello = self._hello(
            settings.instance or make_instance(self.name),
            settings.region,
            settings.heartbeat_ms,
            settings.token.reveal() if settings.token else None,
            self._overridden(settings.overrides),
        )
        self._check(hello)
        return hello

    def _joining(self, settings: "ServiceSettings", hello: Hello) -> "Joining | None":
        """Return this process's part in traces, where it is wanted."""
        if settings.traces == "none":
            return None
        from penstock.tracing.environment import is_disabled
        from penstock.tracing.joining import Joining

        return None if is_disabled(os.environ) else Joining(self.name, self.version, hello.instance)

    def _register(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        upgrades: tuple[str, ...] = (),
        **options: Unpack[EndpointOptions],
    ) -> None:
        number = len(self._endpoints)
        offer = make_offer(number, method, path, options, access=self.access, upgrades=upgrades)
        endpoint = make_endpoint(offer, handler, self)
        twin = self._endpoints.get((method, template_shape(path)))
        if twin is not None:
            raise RegistrationError(
                f"{method} {path}: the same requests are answered by {twin.path} already ({_place(twin.handler)}); "
                f"remove one of the two"
            )
        if number >= ENDPOINTS_MAX:
            raise RegistrationError(f"{method} {path}: a service has at most {ENDPOINTS_MAX} endpoints; make two of it")
        self._endpoints[method, template_shape(path)] = endpoint

    def _overridden(self, named: Path | None) -> tuple[EndpointOffer, ...]:
        """Return what is offered after a file of overrides; named: by a setting. Raises `SettingsError`."""
        offers = tuple(each.offer for each in self.endpoints)
        path = named or self.overrides
        if path is None:
            return offers
        from penstock.overrides import override

        return override(offers, path)

    def _answered(self, hello: Hello) -> dict[int, Endpoint]:
        """Return the endpoints by id, with the one that no client can ask: for description and status, by gateways."""
        described: list[bytes] = []

        def make() -> bytes:
            from penstock.openapi import make_openapi

            return encode_json(make_openapi(self, hello.listed))

        async def describe(call: Call) -> Response | dict[str, Any]:
            if call.target == STATUS_TARGET and self._status is not None:
                return self._status()
            if not described:  # a thousand endpoints take longer than a batch should
                described.append(await trio.to_thread.run_sync(make))
            return Response(described[0], headers={"content-type": JSON})

        offer = EndpointOffer(id=OPENAPI_ENDPOINT, method="GET", path="/openapi.json", idempotent=True)
        return {each.id: each for each in (*self.endpoints, make_endpoint(offer, describe, self))}

    def _check(self, hello: Hello) -> None:
        try:
            encode_hello(hello)
        except GreetingError as error:
            raise RegistrationError(f"Service({self.name!r}, version={self.version!r}): {error}") from error

    def _hello(
        self, instance: str, region: str, heartbeat_ms: int, token: str | None, endpoints: tuple[EndpointOffer, ...]
    ) -> Hello:
        return Hello(
            protocol=PROTOCOL_VERSION,
            features=(STREAMS, CALLS, OPENAPI, STATUS),
            service=self.name,
            version=self.version,
            instance=instance,
            region=region,
            heartbeat_ms=heartbeat_ms,
            credit_bytes=STREAM_WINDOW_BYTES,
            token=token,
            endpoints=endpoints,
        )


def make_instance(service: str) -> str:
    """Return an id for this process that no other has: the service's name, and 64 random bits in hexadecimal."""
    return f"{service[:40]}-{os.urandom(8).hex()}"


def _place(handler: Handler) -> str:
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(handler)
