"""A FastAPI application as one finds it: nothing here knows of a gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

LOG: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open and close what the requests use."""
    LOG.append("opened")
    yield {"pool": "a pool"}
    LOG.append("closed")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    """What is posted."""

    name: str
    count: int = 1


async def connection() -> AsyncIterator[str]:
    """A dependency that is to be closed, whatever happens."""
    LOG.append("connected")
    try:
        yield "a connection"
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.001)
        LOG.append("disconnected")


@app.middleware("http")
async def timing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Middleware as most write it."""
    response = await call_next(request)
    response.headers["x-timed"] = request.url.path
    return response


@app.get("/items/{number}")
async def get_item(number: int, request: Request, held: Annotated[str, Depends(connection)]) -> dict[str, Any]:
    """JSON, a typed parameter, a dependency, and the lifespan's state."""
    return {
        "number": number,
        "pool": request.state.pool,
        "held": held,
        "client": request.client and request.client.host,
    }


@app.get("/threads")
def in_a_thread() -> dict[str, str]:
    """A plain function, which runs in a thread."""
    return {"from": "a thread"}


@app.post("/items", status_code=201)
async def post_item(item: Item) -> Item:
    """A body that is checked."""
    return item


@app.post("/forms")
async def post_form(name: Annotated[str, Form()], file: UploadFile) -> dict[str, Any]:
    """A form with a file."""
    return {"name": name, "file": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream() -> StreamingResponse:
    """A body in parts."""

    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            await anyio.sleep(0.001)
            yield b"%d\n" % number

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/endless")
async def endless(held: Annotated[str, Depends(connection)]) -> StreamingResponse:
    """Events for as long as somebody listens."""

    async def events() -> AsyncIterator[str]:
        while True:
            yield "data: tick\n\n"
            await anyio.sleep(0.001)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/background")
async def background(tasks: BackgroundTasks) -> dict[str, bool]:
    """Work that goes on after the answer."""

    async def work() -> None:
        await anyio.sleep(0.005)
        LOG.append("worked")

    tasks.add_task(work)
    return {"accepted": True}


@app.get("/missing")
async def missing() -> None:
    """An exception that is an answer."""
    raise HTTPException(404, "not here", headers={"x-why": "gone"})


@app.get("/broken")
async def broken() -> None:
    """An exception that is none."""
    raise ValueError("secret detail")


@app.websocket("/echo/{room}")
async def echo(socket: WebSocket, room: str) -> None:
    """Messages back and forth."""
    await socket.accept()
    await socket.send_text(f"welcome to {room}")
    try:
        while True:
            await socket.send_json(await socket.receive_json())
    except WebSocketDisconnect as error:
        LOG.append(f"left with {error.code}")
