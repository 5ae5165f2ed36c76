"""The invoice service with Penstock's SDK; the argument says whether the handler is ``def`` or ``async def``."""

import sys
from typing import Any

from benchmarks.work import invoice
from penstock import Service

service = Service("billing", version="1.4.0")


def plain(call: Any, invoice_id: str) -> dict[str, str | int]:
    """Runs in the batch."""
    return invoice(invoice_id)


async def task(call: Any, invoice_id: str) -> dict[str, str | int]:
    """Runs as a task."""
    return invoice(invoice_id)


if __name__ == "__main__":
    service.get("/invoices/{invoice_id}")(task if sys.argv[1:] == ["async"] else plain)
    service.run()
