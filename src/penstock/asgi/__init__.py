"""An existing ASGI application (Starlette, FastAPI, Litestar, ...) behind the gateway, unchanged.

    from penstock import asgi

    asgi.service(app, name="shop", version="1.0.0").run()

or from a shell: `penstock asgi shop.main:app --name shop --version 1.0.0`.
"""

from typing import TYPE_CHECKING

import trio

from penstock.asgi.bridge import GRACE_S, AsgiService
from penstock.asgi.lifespan import LifespanUse
from penstock.asgi.messages import Application, AsgiError, ClientDisconnected, StartupError
from penstock.asgi.routes import list_routes, routes_below
from penstock.asgi.runner import Loop

if TYPE_CHECKING:
    from penstock.options import Access, Claims
    from penstock.settings import ServiceSettings

__all__ = ["Application", "AsgiError", "AsgiService", "ClientDisconnected", "StartupError", "serve", "service"]


def service(
    app: Application,
    *,
    name: str,
    version: str,
    access: "Access | None" = None,
    claims: "Claims | None" = None,
    prefix: str = "",
    root_path: str | None = None,
    routes: bool = False,
    loop: Loop = "trio",
    lifespan: LifespanUse = "auto",
    grace_s: float = GRACE_S,
) -> AsgiService:
    """Return a service that answers its requests with the application.

    Args:
        app: the application.
        name: the service's name at the gateway.
        version: the service's version, semver.
        access: who may ask, as for `Service`: `public` or `authenticated`; None: as the gateway says.
        claims: what the identity must claim, as for an endpoint.
        prefix: offer only what is below it, such as `/shop`.
        root_path: what of the path is not the application's business, as in `scope["root_path"]`; by default the
            prefix, for an application that does not know of it.
        routes: offer the routes that the application names in place of all paths, so that the gateway answers 404 and
            405 by itself.
        loop: where the application runs: `trio`, in the service's own tasks; `asyncio` or `uvloop`, in a loop of its
            own, for libraries that want one.
        lifespan: `auto`: if the application has one; `on`: it must have one; `off`: it is not asked.
        grace_s: how long the application may go on after its client has gone.

    Raises:
        RegistrationError: name, version, prefix or access are wrong.
        StartupError: the application names no routes, and was to.

    """
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise StartupError(f"the prefix is {prefix!r}; write it with a slash in front and none behind, such as /shop")
    offered = root_path if root_path is not None else prefix
    return AsgiService(
        name,
        version=version,
        app=app,
        routes=list_routes(app, offered) if routes else routes_below(prefix),
        access=access,
        claims=claims,
        root_path=offered,
        loop=loop,
        lifespan=lifespan,
        grace_s=grace_s,
    )


async def serve(  # noqa: ASYNC128 - what it awaits calls started
    app: Application,
    *,
    name: str,
    version: str,
    settings: "ServiceSettings | None" = None,
    stop: trio.Event | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    access: "Access | None" = None,
    claims: "Claims | None" = None,
    prefix: str = "",
    root_path: str | None = None,
    routes: bool = False,
    loop: Loop = "trio",
    lifespan: LifespanUse = "auto",
    grace_s: float = GRACE_S,
) -> None:
    """Serve an application in a Trio program of your own: `service(...)`, and its `serve`."""
    bridged = service(
        app,
        name=name,
        version=version,
        access=access,
        claims=claims,
        prefix=prefix,
        root_path=root_path,
        routes=routes,
        loop=loop,
        lifespan=lifespan,
        grace_s=grace_s,
    )
    await bridged.serve(settings, stop=stop, task_status=task_status)
