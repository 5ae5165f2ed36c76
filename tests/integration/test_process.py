"""`penstock serve` as a process: signals, exit codes, what is said, and that nothing is left."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from lab import environment
from lab_client import WAIT_S, Client, request
from lab_service import RawService

from frames.codec import decode_goaway
from frames.frame import FrameType, GoawayReason
from proxy.gateway.app import Addresses

COMMAND = (sys.executable, "-m", "proxy.cli.main", "serve")
START_S = 15  # an interpreter starts, and imports

pytestmark = pytest.mark.slow


def without_settings(**settings: str) -> dict[str, str]:
    """This process's environment with these settings of Penstock and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return inherited | environment(**settings)


class Running:
    """A gateway process and its addresses."""

    def __init__(self, process: trio.Process, addresses: Addresses) -> None:
        self.process = process
        self.addresses = addresses

    async def client(self) -> Client:
        return Client(await trio.open_tcp_stream(*self.addresses.edge))

    async def service(self) -> RawService:
        service = RawService(await trio.open_tcp_stream(*self.addresses.services))
        await service.join("GET /things")
        return service

    async def exit_code(self) -> int:
        with trio.fail_after(WAIT_S):
            return await self.process.wait()


async def read_addresses(process: trio.Process) -> Addresses:
    said = b""
    assert process.stderr is not None
    with trio.fail_after(START_S):
        async for data in process.stderr:
            said += data
            found = re.search(rb"edge on (\S+):(\d+), services on (\S+):(\d+), admin on (\S+):(\d+)\b", said)
            if found:
                edge, edge_port, services, services_port, admin, admin_port = (part.decode() for part in found.groups())
                return Addresses((edge, int(edge_port)), (services, int(services_port)), (admin, int(admin_port)))
    pytest.fail(f"it never said where it listens: {said!r}")


@asynccontextmanager
async def running(**settings: str) -> AsyncIterator[Running]:
    process = await trio.lowlevel.open_process(COMMAND, env=without_settings(**settings), stderr=subprocess.PIPE)
    try:
        yield Running(process, await read_addresses(process))
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()


def is_free(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_finishes_what_is_in_flight(number: signal.Signals) -> None:
    async with running(drain_spread="0s") as gateway:
        service, client, idle = await gateway.service(), await gateway.client(), await gateway.client()
        assert (await idle.get("/nowhere")).status == 404
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        gateway.process.send_signal(number)
        await idle.ended()
        assert is_free(gateway.addresses.edge)
        await service.respond(asked, body=b"finished")
        answer = await client.answer()
        assert (answer.body, answer.headers[b"connection"]) == (b"finished", b"close")
        await client.aclose()
        assert decode_goaway((await service.expect(FrameType.GOAWAY)).payload).reason == GoawayReason.SHUTDOWN
        assert await gateway.exit_code() == 0
        await service.ended()
        assert all(is_free(address) for address in gateway.addresses)
        for one in (idle, service):
            await one.aclose()


async def test_a_second_signal_ends_at_once() -> None:
    async with running(drain_spread="0s") as gateway:
        service, client, idle = await gateway.service(), await gateway.client(), await gateway.client()
        assert (await idle.get("/nowhere")).status == 404
        await client.send(request("GET", "/things"))
        await service.asked()
        gateway.process.send_signal(signal.SIGTERM)
        await idle.ended()  # it drains, and waits for the answer
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
        await client.ended()
        await service.ended()
        for one in (client, idle, service):
            await one.aclose()


@pytest.mark.parametrize("name", ["edge", "services", "admin"])
async def test_a_port_in_use(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = without_settings(**{f"{name}_listen": listen})
        with trio.fail_after(START_S):
            ended = await trio.run_process(COMMAND, env=settings, capture_stderr=True, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"penstock: error: port_in_use: {name}.listen (PENSTOCK_{name.upper()}_LISTEN={listen})")


@pytest.mark.parametrize(
    "settings",
    [
        {"edge_listen": "nowhere"},
        {"services_listen": "0.0.0.0:0"},
        {"services_heartbeat": "5s", "services_degraded_after": "12s"},
        {"edge_deadline": "soon"},
    ],
)
async def test_settings_that_cannot_be(settings: dict[str, str]) -> None:
    with trio.fail_after(START_S):
        ended = await trio.run_process(
            COMMAND, env=without_settings(**settings), capture_stderr=True, check=False, stdin=b""
        )
    said = ended.stderr.decode()
    assert ended.returncode == 2, said
    assert "Traceback" not in said
    assert all(line.startswith("penstock: error: ") for line in said.splitlines())
