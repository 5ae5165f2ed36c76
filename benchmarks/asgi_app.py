"""The invoice service as a plain ASGI application, without a framework. Runs in uvicorn's environment."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from benchmarks.work import invoice

_encode = msgspec.json.Encoder().encode
_PREFIX = len("/invoices/")


async def invoices(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer ``GET /invoices/{invoice_id}``."""
    body = _encode(invoice(scope["path"][_PREFIX:]))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
