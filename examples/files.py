"""Files: uploads and downloads of any size, events as they happen, and a chat. Nothing is ever held whole.

    PENSTOCK_GATEWAYS=tcp://127.0.0.1:7420 python examples/files.py

    curl -T movie.mp4 http://127.0.0.1:8080/files/movie.mp4          # 201, and the body's SHA-256
    curl -o copy.mp4 http://127.0.0.1:8080/files/movie.mp4
    curl -r 0-99 http://127.0.0.1:8080/files/movie.mp4               # 206, the first hundred bytes
    curl -I http://127.0.0.1:8080/files/movie.mp4
    curl -N http://127.0.0.1:8080/events                             # a line for each upload, until you stop it

In a browser: `new WebSocket("ws://127.0.0.1:8080/rooms/lobby")`. Needs `pip install 'penstock[websocket]'`.

Files lie in a temporary directory, or in the one that FILES_DIRECTORY names.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import trio

from penstock import BadRequest, Call, Problem, Response, Service, SocketClosed, WebSocket

service = Service("files", version="0.1.0", access="public")

directory = Path(os.environ.get("FILES_DIRECTORY") or tempfile.mkdtemp(prefix="penstock-files-"))
listeners: set[trio.MemorySendChannel[dict[str, Any]]] = set()
rooms: dict[str, set[WebSocket]] = {}

FILE_BYTES_MAX = 10_000_000_000
PIECE_BYTES = 65_536


# ---- files ----


@service.put("/files/{name}", streams=True)
async def upload(call: Call, name: str) -> Any:
    """The body goes to the disk as it comes; the client is slowed down when the disk is slow.

    A client that goes away in the midst of it cancels this function: the half-written file is removed.
    """
    path = path_of(name)
    if (call.stream().length or 0) > FILE_BYTES_MAX:
        raise Problem(413, "file_too_large", f"at most {FILE_BYTES_MAX:,} bytes")
    part = trio.Path(path.with_name(f"{path.name}.{os.urandom(4).hex()}.part"))
    digest, size = hashlib.sha256(), 0
    try:
        async with await part.open("wb") as file:
            async for piece in call.stream():
                size += len(piece)
                if size > FILE_BYTES_MAX:
                    raise Problem(413, "file_too_large", f"at most {FILE_BYTES_MAX:,} bytes")
                digest.update(piece)
                await file.write(piece)
        await part.rename(path)
    finally:
        with trio.CancelScope(shield=True):
            await part.unlink(missing_ok=True)
    announce({"name": name, "size": size})
    return 201, {"name": name, "size": size, "sha256": digest.hexdigest()}, {"location": f"/files/{name}"}


@service.get("/files/{name}", streams=True)
async def download(call: Call, name: str) -> Any:
    """The whole file, or the part that `Range` asks for (RFC 9110, section 14)."""
    path = path_of(name)
    size = await size_of(path)
    status, first, last = part_of(call, size)
    headers = {"content-type": "application/octet-stream", "accept-ranges": "bytes"}
    if status == 206:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    async with (
        await trio.open_file(path, "rb") as file,
        call.respond(status, headers, length=last + 1 - first) as response,
    ):
        await file.seek(first)
        left = last + 1 - first
        while left and (piece := await file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            await response.send(piece)


@service.head("/files/{name}", streams=True)
async def look(call: Call, name: str) -> None:
    """What a GET would say, without the body."""
    size = await size_of(path_of(name))
    async with call.respond(headers={"accept-ranges": "bytes"}, length=size):
        pass


def path_of(name: str) -> Path:
    """Where the file lies. The name is checked: it comes from a client."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name) or name.endswith(".part"):
        raise BadRequest("bad_name", "a name has 1 to 100 of A-Z a-z 0-9 . _ -, and does not begin with a dot")
    return directory / name


async def size_of(path: Path) -> int:
    """The file's size, or 404."""
    try:
        return (await trio.Path(path).stat()).st_size
    except FileNotFoundError:
        raise Problem(404, "file_unknown", f"there is no file {path.name!r}") from None


def part_of(call: Call, size: int) -> tuple[int, int, int]:
    """Status, and the first and last byte to send. A Range that is not understood is ignored, as the RFC says."""
    wanted = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", call.headers.get("range", ""))
    if wanted is None or not any(wanted.groups()):
        return 200, 0, size - 1
    first, last = wanted.groups()
    if not first:  # the last so many bytes
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last or size - 1), size - 1)
    if begin > end:
        raise Problem(416, "range_not_satisfiable", f"the file has {size:,} bytes")
    return 206, begin, end


# ---- events ----


@service.get("/events", streams=True)
async def events(call: Call) -> Response:
    """Server-sent events: a line for each upload, from now on, and a comment now and then to keep the line open."""
    return Response(each_event(), headers={"content-type": "text/event-stream", "cache-control": "no-store"})


async def each_event() -> AsyncIterator[str]:
    """Ends with the client: whoever listens is cancelled when it goes away."""
    send, receive = trio.open_memory_channel[dict[str, Any]](100)
    listeners.add(send)
    try:
        yield ": welcome\n\n"
        while True:
            with trio.move_on_after(15) as waited:
                event = await receive.receive()
            if waited.cancelled_caught:
                yield ": still here\n\n"
            else:
                yield f"event: upload\ndata: {json.dumps(event)}\n\n"
    finally:
        listeners.remove(send)


def announce(event: dict[str, Any]) -> None:
    """Tell who listens; one that is a hundred events behind misses this one."""
    for listener in listeners:
        try:
            listener.send_nowait(event)
        except trio.WouldBlock:
            continue


# ---- chat ----


@service.websocket("/rooms/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    """What one says, all in the room hear."""
    members = rooms.setdefault(room, set())
    members.add(socket)
    try:
        async for message in socket:
            async with trio.open_nursery() as nursery:
                for member in list(members):
                    nursery.start_soon(tell, member, message)
    finally:
        members.remove(socket)
        if not members:
            rooms.pop(room, None)


async def tell(member: WebSocket, message: str | bytes) -> None:
    """One that does not listen for five seconds is let go."""
    with trio.move_on_after(5) as waited, contextlib.suppress(SocketClosed):
        await member.send(message)
    if waited.cancelled_caught:
        await member.close(1008, "too slow")


if __name__ == "__main__":
    service.run()
