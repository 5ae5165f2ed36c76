"""The service of `penstock demo`, run as a process of its own: it answers for invoices, and ends when the demo does."""

import os
import signal
import threading
import time

from penstock import Call, Service

GRACE_S = 1.0

service = Service("billing", version="1.4.0", access="public")


@service.get("/invoices/{invoice_id}")
async def invoice(call: Call, invoice_id: str) -> object:
    """Return an invoice, and how much of the caller's time is left."""
    return {"id": invoice_id, "remaining_ms": call.remaining_ms}


@service.post("/invoices")
def create(call: Call) -> object:
    """Return what was sent. A plain function runs in the batch, so it must not block."""
    return 201, {"echo": call.json()}


def end_with_parent() -> None:
    """End this process when its stdin does: the demo holds the other end, and loses it even when it is killed."""
    threading.Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    end_with_parent()
    service.run()
