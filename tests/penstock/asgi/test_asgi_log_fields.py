"""Lines that an application logs name the request, in either loop, and those between requests name none."""

import logging

import pytest
import trio
from asgi_support import LOOPS, part, start
from lab import open_lab
from lab_client import request

from penstock import asgi
from penstock.asgi.messages import Receive, Scope, Send
from penstock.asgi.runner import Loop
from penstock.call_fields import CallFields

log = logging.getLogger("shop")


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(CallFields())
        self.said: list[tuple[str, str | None, str | None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.getMessage(), getattr(record, "tenant", None), getattr(record, "request_id", None)))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        log.warning("lifespan")
        raise RuntimeError("none")
    log.warning("asked")
    await receive()
    await send(start(200, (b"content-length", b"0")))
    await send(part())
    log.warning("answered")


@pytest.mark.parametrize("loop", LOOPS)
async def test_lines_of_an_application(loop: Loop) -> None:
    kept, ids = Kept(), {}
    log.addHandler(kept)
    try:
        async with open_lab() as lab:
            await lab.serve(asgi.service(app, name="shop", version="1.0.0", access="public", loop=loop))
            clients = [await lab.client() for _ in range(16)]
            async with trio.open_nursery() as nursery:  # all at once, so that many cross to the loop together
                for number, client in enumerate(clients):
                    nursery.start_soon(client.send, request("GET", "/", f"X-Tenant-Id: tenant-{number}"))
            for number, client in enumerate(clients):
                ids[f"tenant-{number}"] = (await client.answer()).headers[b"x-request-id"].decode()
    finally:
        log.removeHandler(kept)
    asked = {tenant: id_ for said, tenant, id_ in kept.said if said == "asked"}
    assert asked == ids
    assert [said for said in kept.said if said[0] == "lifespan"] == [("lifespan", None, None)]
