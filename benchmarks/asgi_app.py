"""The invoice service as a plain ASGI application, without a framework. Runs in the environment of the rivals."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from benchmarks.work import CREATED_ID, invoice

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_encode = msgspec.json.Encoder().encode
_PREFIX = len("/invoices/")


async def invoices(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer ``GET /invoices/{invoice_id}``, and ``POST /invoices`` when its body has come."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    while scope["method"] == "POST" and (await receive()).get("more_body"):
        pass  # taken in, and forgotten
    body = _encode(invoice(scope["path"][_PREFIX:] or CREATED_ID))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """Say that nothing is to be set up, and nothing torn down."""
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})
