"""A worker: answers with its own name, after a few milliseconds. Four of them serve while one is killed.

PENSTOCK_INSTANCE=worker-1 python examples/hold/worker.py
"""

import os

import trio

from penstock import Call, Service

service = Service("work", version="1.0.0", access="public")
WORK_S = 0.003


@service.get("/work/{number}")
async def work(call: Call, number: str) -> object:
    """Do it, and say who did."""
    await trio.sleep(WORK_S)
    return {"number": number, "worker": os.environ.get("PENSTOCK_INSTANCE", "")}


if __name__ == "__main__":
    service.run()
