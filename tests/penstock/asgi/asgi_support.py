"""Raw ASGI applications, and how they are asked in tests: through the bridge, with a stand-in for the gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from penstock.asgi.bridge import AsgiService
from penstock.asgi.messages import Application, Message, Receive, Scope, Send
from penstock.asgi.runner import Loop

LOOPS: tuple[Loop, ...] = ("trio", "asyncio")
METHODS = ("GET", "HEAD", "POST", "OPTIONS")

Script = Callable[[Scope, Receive, Send], Awaitable[None]]


def start(status: Any = 200, *headers: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def length(byte_count: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % byte_count


def saying(*messages: Message) -> Application:
    """An application that sends these messages, whatever it is asked, and has no lifespan."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("none")
        for message in messages:
            await send(message)

    return app


@asynccontextmanager
async def bridged(app: Application, loop: Loop = "trio", **more: Any) -> AsyncIterator[AsgiService]:
    """A service that runs the application behind `/` and one segment below it."""
    routes = [(method, path) for method in METHODS for path in ("/", "/{name}", "/{name}/{more}")]
    service = AsgiService("shop", version="1.0.0", app=app, **{"routes": routes, "loop": loop} | more)
    async with service.running():
        yield service
