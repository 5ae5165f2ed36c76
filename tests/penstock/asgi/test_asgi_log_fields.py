"""Lines that an application logs name the request, in either loop, and those between requests name none."""

import logging

import pytest
from asgi_support import LOOPS, part, start
from lab import open_lab

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
    kept = Kept()
    log.addHandler(kept)
    try:
        async with open_lab() as lab:
            await lab.serve(asgi.service(app, name="shop", version="1.0.0", access="public", loop=loop))
            client, ids = await lab.client(), []
            for tenant in ("acme", "other"):
                answer = await client.get("/", f"X-Tenant-Id: {tenant}")
                ids.append(answer.headers[b"x-request-id"].decode())
    finally:
        log.removeHandler(kept)
    asked = [(tenant, id_) for said, tenant, id_ in kept.said if said == "asked"]
    assert asked == [("acme", ids[0]), ("other", ids[1])]
    assert [said for said in kept.said if said[0] == "lifespan"] == [("lifespan", None, None)]
