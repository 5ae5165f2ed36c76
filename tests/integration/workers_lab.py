"""A gateway with workers as a process of its own, and a service of the test that all its workers reach."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import trio
from free_port import free_port
from lab import environment, run_service
from lab_client import WAIT_S, Client, HttpAnswer

from penstock import Call, Service
from penstock.websocket import WebSocket
from proxy.gateway.app import Addresses

COMMAND = (sys.executable, "-m", "proxy.cli.main")
START_S = 60.0
LOOK_S = 0.05
CLIENTS = 8
PAUSE_S = 0.005
"""Of a client under load, so that processes start beside it."""
LOADED_SPREAD = "2s"
"""A worker that drains leaves clients that pause for less than half of it, at most a second, until they ask again."""

things = Service("things", version="1.0.0", access="public")


@things.get("/things/{number}")
async def thing(call: Call, number: str) -> str:
    return "things"


@things.get("/slow")
async def slow(call: Call) -> str:
    await trio.sleep(0.5)
    return "slow"


@things.get("/news", streams=True)
async def news(call: Call) -> None:
    """Goes on until it is told to go."""
    async with call.respond(200) as response:
        while not call.is_draining:
            await response.send(b"news")
            await trio.sleep(LOOK_S)
        await response.send(b"the end")


@things.get("/long", streams=True)
async def long(call: Call) -> None:
    """Takes its time, whoever wants it to go."""
    async with call.respond(200) as response:
        for _ in range(20):
            await response.send(b"long")
            await trio.sleep(LOOK_S)


@things.websocket("/chat")
async def chat(socket: WebSocket) -> None:
    async for message in socket:
        await socket.send(message)


class WorkersLab:
    """A supervisor and its workers."""

    def __init__(
        self, process: subprocess.Popen[bytes], log: Path, addresses: Addresses, given: dict[str, str]
    ) -> None:
        self.process = process
        self.log = log
        self.addresses = addresses
        self.environment = given

    @property
    def said(self) -> str:
        return self.log.read_text()

    async def client(self) -> Client:
        return Client(await trio.open_tcp_stream(*self.addresses.edge))

    async def get(self, path: str) -> HttpAnswer:
        client = await self.client()
        try:
            return await client.get(path, "Connection: close")
        finally:
            await client.aclose()

    async def admin(self, path: str, method: str = "GET") -> HttpAnswer:
        client = Client(await trio.open_tcp_stream(*self.addresses.admin))
        try:
            return await client.ask(method, path, "Connection: close")
        finally:
            await client.aclose()

    async def workers(self) -> dict[str, dict[str, Any]]:
        """Those that serve, by id."""
        rows = (await self.admin("/workers")).json()["workers"]
        return {row["worker"]: row for row in rows if row["state"] == "serving"}

    async def until_workers(self, *ids: str, instances: int = 0) -> None:
        """Wait until these serve, and no others, each with so many instances."""
        workers: dict[str, dict[str, Any]] = {}
        with trio.move_on_after(START_S):
            while set(workers) != set(ids) or any(len(row["instances"]) < instances for row in workers.values()):
                await trio.sleep(LOOK_S)
                workers = await self.workers()
            return
        raise AssertionError(f"{workers}\n{self.said}")

    async def until_said(self, text: str) -> None:
        with trio.move_on_after(START_S):
            while text not in self.said and self.process.poll() is None:  # noqa: ASYNC110 - it is another process
                await trio.sleep(LOOK_S)
            if text in self.said:
                return
        raise AssertionError(f"nobody said {text!r}:\n{self.said}")

    async def command(self, *words: str, status: int = 0) -> str:
        """What a command says."""
        ran = await trio.run_process(
            [*COMMAND, *words], env=self.environment, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
        said = ran.stdout.decode()
        assert ran.returncode == status, f"{said}\n{self.said}"
        return said

    async def serve(self, nursery: trio.Nursery, instance: str = "things-1") -> trio.CancelScope:
        """Run the service, which any of the workers has heard of when this returns."""
        return await run_service(nursery, self.addresses, things, instance=instance)

    async def exit_code(self) -> int:
        with trio.fail_after(START_S):
            while self.process.poll() is None:  # noqa: ASYNC110 - it is another process
                await trio.sleep(LOOK_S)
        return self.process.returncode

    def is_listening(self) -> list[str]:
        """The addresses that somebody listens on."""
        return [name for name, address in self.addresses._asdict().items() if _is_open(address)]


def _is_open(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) == 0


def workers_environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    defaults = {"workers": "2", "drain_timeout": f"{WAIT_S}s", "drain_spread": "200ms", "log_format": "console"}
    ports = {f"{name}_listen": f"127.0.0.1:{free_port()}" for name in ("edge", "services", "admin")}
    return inherited | environment(**{**defaults, **ports, **settings})


def addresses_of(given: dict[str, str]) -> Addresses:
    places = (given[f"PENSTOCK_{name}_LISTEN"].rpartition(":") for name in ("EDGE", "SERVICES", "ADMIN"))
    return Addresses(*((host, int(port)) for host, _, port in places))


@asynccontextmanager
async def open_workers(folder: Path, *words: str, **settings: str) -> AsyncIterator[WorkersLab]:
    """Start a gateway with two workers, and end it however the test has ended."""
    given = workers_environment(**settings)
    log = folder / "gateway.log"
    with log.open("wb") as file:
        process = start(words, given, file)
    lab = WorkersLab(process, log, addresses_of(given), given)
    try:
        await lab.until_said("workers serve")
        yield lab
    finally:
        end(process)


def start(words: Sequence[str], given: dict[str, str], file: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, "serve", *words], env=given, stderr=file, stdin=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> None:
    """End it at once, and the workers with it, which see that it has gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
