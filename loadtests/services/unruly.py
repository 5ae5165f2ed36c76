"""A service that misbehaves on command: the path says how.

GET /unruly/well            200: it behaves
GET /unruly/status/{code}   that status
GET /unruly/raise           an exception: 500
GET /unruly/slow/{ms}       an answer after so long
GET /unruly/never           no answer while the client waits
GET /unruly/big/{bytes}     an answer of that size, held whole
GET /unruly/torn/{bytes}    the head of an answer and so many bytes of it, then no more: the connection is cut
GET /unruly/die             the process ends in the midst of the request
GET /unruly/freeze/{ms}     nothing of the process runs for so long, heartbeats included

What the gateway makes of each is for the user that asks to know (loadtests/users/misbehaving.py).
"""

import os
import time
from typing import Any

import trio

from penstock import BadRequest, Call, Service

service = Service("unruly", version="1.0.0", access="public")

NUMBER_MAX = 100_000_000
PIECE_BYTES = 65_536


def number_of(text: str, highest: int = NUMBER_MAX) -> int:
    """The number in a path, or 400."""
    if not text.isdecimal() or len(text) > 12 or int(text) > highest:
        raise BadRequest("bad_number", f"a whole number of at most {highest} is wanted")
    return int(text)


@service.get("/unruly/well")
def well(_call: Call) -> object:
    """It can behave."""
    return {"well": True}


@service.get("/unruly/status/{code}")
def status(_call: Call, code: str) -> object:
    """A status of the client's choice."""
    chosen = number_of(code, 599)
    if chosen < 200:
        raise BadRequest("bad_status", "200 to 599")
    return chosen, {"status": chosen}


@service.get("/unruly/raise")
def fail(_call: Call) -> object:
    """A bug."""
    raise RuntimeError("this service was told to fail")


@service.get("/unruly/slow/{ms}")
async def slow(_call: Call, ms: str) -> object:
    """Late."""
    await trio.sleep(number_of(ms, 60_000) / 1_000)
    return {"slow_ms": int(ms)}


@service.get("/unruly/never")
async def never(_call: Call) -> object:
    """Silent, until the gateway gives the request up."""
    await trio.sleep_forever()


@service.get("/unruly/big/{size}")
def big(_call: Call, size: str) -> object:
    """Long, and all at once."""
    return b"x" * number_of(size, 8 << 20)


@service.get("/unruly/torn/{size}", streams=True)
async def torn(call: Call, size: str) -> Any:
    """Begun, and not ended."""
    left = number_of(size)
    async with call.respond(200, {"content-type": "application/octet-stream"}, length=left + 1) as response:
        while left:
            await response.send(b"x" * min(left, PIECE_BYTES))
            left -= min(left, PIECE_BYTES)
        raise RuntimeError("this service was told to tear its answer")


@service.get("/unruly/die")
async def die(_call: Call) -> object:
    """Gone, without a word."""
    os._exit(3)


@service.get("/unruly/freeze/{ms}")
async def freeze(_call: Call, ms: str) -> object:
    """Standing still."""
    time.sleep(number_of(ms, 30_000) / 1_000)  # noqa: ASYNC251 - this is what it is for
    return {"froze_ms": int(ms)}


if __name__ == "__main__":
    service.run()
