"""A Litestar application as one finds it: nothing here knows of a gateway."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
from litestar import Litestar, Request, get, post, websocket
from litestar.connection import WebSocket
from litestar.exceptions import NotFoundException
from litestar.response import Stream

LOG: list[str] = []


@dataclass
class Item:
    """What is posted."""

    name: str
    count: int = 1


@get("/items/{number:int}")
async def get_item(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """JSON."""
    return {"number": request.path_params["number"]}


@post("/items")
async def post_item(request: Request[Any, Any, Any]) -> Item:
    """A body."""
    return Item(**await request.json())


@get("/stream")
async def stream() -> Stream:
    """A body in parts."""

    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            await anyio.sleep(0.001)
            yield b"%d\n" % number

    return Stream(parts())


@get("/missing")
async def missing() -> None:
    """An exception that is an answer."""
    raise NotFoundException("not here")


@websocket("/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    """One message back."""
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


async def opened() -> None:
    """At the start."""
    LOG.append("opened")


async def closed() -> None:
    """At the end."""
    LOG.append("closed")


app = Litestar(
    [get_item, post_item, stream, missing, echo], on_startup=[opened], on_shutdown=[closed], openapi_config=None
)
