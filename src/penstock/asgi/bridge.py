"""An ASGI application as a service: its endpoints, and its life around that of the service."""

import gc
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from frames.template import template_shape
from penstock.asgi.lifespan import LifespanUse
from penstock.asgi.messages import Application
from penstock.asgi.runner import Loop, TrioRunner
from penstock.asgi.spellings import Spellings
from penstock.service import Service
from penstock.settings import ServiceSettings
from penstock.streaming import StreamCall, run_streaming

if TYPE_CHECKING:
    from penstock.asgi.asyncio_runner import AsyncioRunner
    from penstock.options import Access, Claims

__all__ = ["GRACE_S", "AsgiService", "Route"]

GRACE_S = 10.0
"""How long an application may go on when its client has gone, which it learns by `http.disconnect`."""

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
"""RFC 9110, section 9.2.2."""

Route = tuple[str, str]
"""Method and path template."""


class AsgiService(Service):
    """A service that answers every request with one application."""

    def __init__(
        self,
        name: str,
        *,
        version: str,
        app: Application,
        routes: Iterable[Route],
        access: "Access | None" = None,
        claims: "Claims | None" = None,
        root_path: str = "",
        loop: Loop = "trio",
        lifespan: LifespanUse = "auto",
        grace_s: float = GRACE_S,
    ) -> None:
        """routes: method and path of each endpoint; root_path: what of the path is not the application's business."""
        super().__init__(name, version=version, access=access)
        self._runner = _make_runner(app, root_path, loop, lifespan)
        self._has_process = False
        offered = tuple(routes)
        templates = {path for _, path in offered}
        handle = Spellings(templates).guard(self._runner.handle) if len(templates) > 1 else self._runner.handle
        handler = Handler(handle, grace_s)
        for method, path in offered:
            self._add(method, path, handler, claims or {})

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, as any service does. The process is taken to be the application's alone.

        What the application has loaded when it has started stays: the garbage collector need not look at it again and
        again, which costs FastAPI several percent of each request.
        """
        self._has_process = True
        super().run()

    def running(self) -> AbstractAsyncContextManager[None]:
        """The application's lifespan: `serve` runs within it. Raises `StartupError`."""
        return self._runner.running()

    async def serve(  # noqa: ASYNC128 - what it awaits calls started
        self,
        settings: ServiceSettings | None = None,
        *,
        stop: trio.Event | None = None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start the application, serve as any service does, and end the application after the last call."""
        async with self.running():
            if self._has_process:
                gc.collect()
                gc.freeze()
            await super().serve(settings, stop=stop, task_status=task_status)

    def _add(self, method: str, path: str, handler: "Handler", claims: "Claims") -> None:
        upgrades = ("websocket",) if method == "GET" else ()
        idempotent = method in IDEMPOTENT
        self._register(method, path, handler, upgrades=upgrades, streams=True, idempotent=idempotent, claims=claims)
        key = method, template_shape(path)
        # The application takes the path apart itself.
        self._endpoints[key] = msgspec.structs.replace(
            self._endpoints[key], invoke=partial(run_streaming, handler.handle)
        )


def _make_runner(app: Application, root_path: str, loop: Loop, lifespan: LifespanUse) -> "TrioRunner | AsyncioRunner":
    if loop == "trio":
        return TrioRunner(app, root_path=root_path, lifespan=lifespan)
    from penstock.asgi.asyncio_runner import AsyncioRunner

    return AsyncioRunner(app, root_path=root_path, lifespan=lifespan, is_uvloop=loop == "uvloop")


class Handler:
    """What the endpoints call."""

    def __init__(self, handle: Callable[[Any], Coroutine[Any, Any, None]], grace_s: float) -> None:
        self.handle = handle
        self.grace_s = grace_s

    async def __call__(self, call: StreamCall, **_: str) -> None:
        """Answer a call."""
        await self.handle(call)
