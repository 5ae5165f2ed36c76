"""A gateway in a process of its own, whose output goes where a test wants it, and which is harmed from outside."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio
from free_port import free_port
from lab import environment
from lab_client import WAIT_S, Client, HttpAnswer
from lab_service import RawService

from proxy.gateway.listeners import Addresses

COMMAND = (sys.executable, "-P", "-m", "proxy.process.serving")
START_S = 15  # an interpreter starts, and imports
POLL_S = 0.01


class GatewayProcess:
    """The process, and who talks to it. Clients and services that it made are closed in the end."""

    def __init__(self, process: trio.Process, addresses: Addresses) -> None:
        self.process = process
        self.addresses = addresses
        self._closing: list[Client | RawService] = []

    async def client(self) -> Client:
        """A connection to the edge."""
        return await self._client(self.addresses.edge)

    async def operator(self) -> Client:
        """A connection to the admin listener, for several requests."""
        return await self._client(self.addresses.admin)

    async def _client(self, address: tuple[str, int]) -> Client:
        client = Client(await trio.open_tcp_stream(*address))
        self._closing.append(client)
        return client

    async def service(self, *offers: str, **more: object) -> RawService:
        """A service that has joined."""
        service = RawService(await trio.open_tcp_stream(*self.addresses.services))
        self._closing.append(service)
        await service.join(*offers, **more)
        return service

    async def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(WAIT_S):
            return await self.process.wait()

    async def close(self) -> None:
        for one in self._closing:
            await trio.aclose_forcefully(one.stream)


@asynccontextmanager
async def gateway_process(
    stderr: int, *, arguments: tuple[str, ...] = (), variables: Mapping[str, str] | None = None, **settings: str
) -> AsyncIterator[GatewayProcess]:
    """Run a gateway with its log at a descriptor, which it shares. variables: of the environment, beside settings."""
    addresses = Addresses(*(("127.0.0.1", free_port()) for _ in range(3)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    given = inherited | environment(addresses, drain_spread="0s", **settings) | dict(variables or {})
    process = await trio.lowlevel.open_process(
        [*COMMAND, *arguments], env=given, stdin=subprocess.DEVNULL, stderr=stderr
    )
    gateway = GatewayProcess(process, addresses)
    try:
        await _until_listening(gateway)
        yield gateway
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await gateway.close()
            await process.wait()


async def _until_listening(gateway: GatewayProcess) -> None:
    with trio.fail_after(START_S):
        while True:
            assert gateway.process.returncode is None, "the gateway has ended"
            try:
                stream = await trio.open_tcp_stream(*gateway.addresses.admin)
            except OSError:
                await trio.sleep(POLL_S)
                continue
            await stream.aclose()
            return


async def served(client: Client, service: RawService) -> HttpAnswer:
    """Ask for what the service offers, `GET /things`, and have it answer."""
    await client.send(b"GET /things HTTP/1.1\r\nHost: edge\r\n\r\n")
    await service.respond(await service.asked(), body=b"served")
    return await client.answer()


async def metric(operator: Client, name: str, labels: str = "") -> float:
    """The value of a metric now. labels: as they stand in the braces."""
    page = (await operator.get("/metrics")).body.decode()
    braces = re.escape(f"{{{labels}}}") if labels else ""
    found = re.search(rf"^{name}{braces} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0
