"""The invoice service with Penstock's SDK.

The argument says how it answers: ``def`` or ``async`` is the kind of handler for an invoice; ``streams`` adds bodies.
"""

import sys
from typing import Any

from benchmarks.work import CREATED_ID, DOWNLOADS_PATH, UPLOADS_PATH, invoice
from penstock import Service

PIECE = bytes(65536)

service = Service("billing", version="1.4.0", access="public")


def plain(call: Any, invoice_id: str) -> dict[str, str | int]:
    """Runs in the batch."""
    return invoice(invoice_id)


async def task(call: Any, invoice_id: str) -> dict[str, str | int]:
    """Runs as a task."""
    return invoice(invoice_id)


async def download(call: Any, mebibytes: str) -> None:
    """Send a body as fast as it is taken."""
    byte_count = int(mebibytes) << 20
    async with call.respond(200, {"content-type": "application/octet-stream"}, length=byte_count) as response:
        for _ in range(byte_count // len(PIECE)):
            await response.send(PIECE)


async def upload(call: Any) -> dict[str, str | int]:
    """Take in a body, and forget it."""
    async for _ in call.stream():
        pass
    return invoice(CREATED_ID)


if __name__ == "__main__":
    (kind,) = sys.argv[1:]
    service.get("/invoices/{invoice_id}")(task if kind == "async" else plain)
    if kind == "streams":
        service.get(DOWNLOADS_PATH, streams=True)(download)
        service.post(UPLOADS_PATH, streams=True)(upload)
    service.run()
