"""A service that behaves: small answers, echoes, uploads and downloads of any size with digests, and a WebSocket.

GET  /items/{number}        a small JSON object
POST /items                 201, and the body's bytes and SHA-256
GET  /items/{number}/wait   the same as the first, after `?ms=`: work that takes time
GET  /relay/{number}        asks the other instances for the item through the gateway: a call between services
PUT  /blobs                 the body as it comes; its bytes and SHA-256
GET  /blobs/{size}          so many bytes, the same each time; the header `x-content-sha256` says their digest
WS   /echo                  each message again
"""

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import trio

from penstock import BadRequest, Call, Service, WebSocket

service = Service("steady", version="1.0.0", access="public")

PIECE_BYTES = 65_536
BLOB_BYTES_MAX = 1 << 30
WAIT_MS_MAX = 10_000
PIECE = (b"0123456789abcdef" * (PIECE_BYTES // 16))[:PIECE_BYTES]


@service.get("/items/{number}")
def item(_call: Call, number: str) -> object:
    """What most requests ask for."""
    return {"number": number, "name": "tea", "count": 2}


@service.post("/items")
def add(call: Call) -> object:
    """A small body, which is held whole."""
    return 201, {"bytes": len(call.body), "sha256": hashlib.sha256(call.body).hexdigest()}


@service.get("/items/{number}/wait")
async def wait(call: Call, number: str) -> object:
    """Work that takes time, and no processor."""
    text = call.query.get("ms", "10")
    if not text.isdecimal() or int(text) > WAIT_MS_MAX:
        raise BadRequest("bad_wait", f"ms is a whole number of at most {WAIT_MS_MAX}")
    await trio.sleep(int(text) / 1_000)
    return {"number": number, "waited_ms": int(text)}


@service.get("/relay/{number}")
async def relay(call: Call, number: str) -> object:
    """A call between services, by the connection that this one has to the gateway."""
    if not number.isalnum():
        raise BadRequest("bad_number", "a number has letters and digits alone")
    reply = await call.ask("steady", "GET", f"/items/{number}")
    return reply.status, {"relayed": number, "status": reply.status}


@service.put("/blobs", streams=True)
async def upload(call: Call) -> Any:
    """A body of any size, of which a piece is held at a time."""
    digest, size = hashlib.sha256(), 0
    async for piece in call.stream():
        digest.update(piece)
        size += len(piece)
    return 201, {"bytes": size, "sha256": digest.hexdigest()}


@functools.lru_cache(maxsize=64)
def digest_of(size: int) -> str:
    """The SHA-256 of a blob."""
    digest = hashlib.sha256()
    for piece in pieces(size):
        digest.update(piece)
    return digest.hexdigest()


def pieces(size: int) -> Iterator[bytes]:
    """Yield the bytes of a blob."""
    while size > 0:
        yield PIECE[:size]
        size -= PIECE_BYTES


@service.get("/blobs/{size}", streams=True)
async def download(call: Call, size: str) -> Any:
    """A body of any size, at the client's speed."""
    if not size.isdecimal() or int(size) > BLOB_BYTES_MAX:
        raise BadRequest("bad_size", f"a size is a whole number of at most {BLOB_BYTES_MAX}")
    headers = {"content-type": "application/octet-stream", "x-content-sha256": digest_of(int(size))}
    async with call.respond(200, headers, length=int(size)) as response:
        for piece in pieces(int(size)):
            await response.send(piece)


@service.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """Each message again, until the client closes."""
    async for message in socket:
        await socket.send(message)


if __name__ == "__main__":
    service.run()
