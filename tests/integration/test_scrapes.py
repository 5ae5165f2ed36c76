"""Those who ask for metrics and never read them, while others go on as before."""

import socket

import pytest
import trio
from lab import open_lab, until
from lab_client import WAIT_S, request

from proxy.admin import connection
from proxy.admin.figures import Figures
from proxy.admin.pages import LARGE_MAX

SERVICES, ROUTES = 3, 1_000
"""Whose page is more than sockets hold that nobody reads from."""

PATIENCE_S = 2.0
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


async def silent_scrape(address: tuple[str, int]) -> trio.SocketStream:
    """Ask for metrics, with little room for the answer."""
    asking = trio.socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    await asking.connect(address)
    stream = trio.SocketStream(asking)
    await stream.send_all(SCRAPE)
    return stream


async def test_scrapes_that_never_read_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_S", PATIENCE_S)
    async with open_lab(metrics_routes_max=str(SERVICES * ROUTES)) as lab:
        made, figures = 0, lab.gateway.overview.figures

        async def counting() -> Figures:
            nonlocal made
            made += 1
            return await figures()

        monkeypatch.setattr(lab.gateway.overview, "figures", counting)
        for part in range(SERVICES):
            paths = (f"GET /part-{part}/things-{number}" for number in range(ROUTES))
            service = await lab.raw(*paths, service=f"part-{part}", instance=f"part-{part}")
        client = await lab.client()
        silent = [await silent_scrape(lab.addresses.admin) for _ in range(LARGE_MAX + 2)]
        await until(lambda: made == LARGE_MAX)
        await client.send(request("GET", f"/part-{SERVICES - 1}/things-7"))
        await service.respond(await service.asked(), body=b"here")
        assert (await client.answer()).body == b"here"
        assert (await lab.admin("/health")).status == 200
        assert made == LARGE_MAX
        await trio.sleep(PATIENCE_S)  # then their time is over
        page = await lab.admin("/metrics")
        assert page.status == 200
        assert len(page.body) > 1_000_000
        for stream in silent:
            with trio.fail_after(WAIT_S):
                assert await all_of(stream) < len(page.body), "it was cut"
            await stream.aclose()


async def all_of(stream: trio.SocketStream) -> int:
    """Read to the end, however that comes; return how much there was."""
    count = 0
    try:
        while part := await stream.receive_some():
            count += len(part)
    except trio.BrokenResourceError:
        pass
    return count
