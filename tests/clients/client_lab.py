"""A gateway with the service behind it, and programs run against it."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
import trio
from client_service import Seen, make_service
from free_port import free_port
from lab import Lab, open_lab
from lab_tls import TlsFiles

PROGRAM_S = 60
"""No program runs longer. It is a bound for what hangs; on a loaded machine a browser takes seconds to start."""


class Edge:
    """Where clients come in, and what the service saw of them."""

    def __init__(self, lab: Lab, seen: Seen, tls_port: int) -> None:
        self.lab = lab
        self.seen = seen
        self.tls_port = tls_port

    def url(self, path: str = "") -> str:
        return "http://{}:{}".format(*self.lab.addresses.edge) + path

    def tls_url(self, path: str = "") -> str:
        return f"https://127.0.0.1:{self.tls_port}{path}"

    async def cancelled(self) -> list[str]:
        """Wait until a handler was ended from outside; return the paths of all that were."""
        with trio.fail_after(10):
            await self.seen.cancelled.wait()
        return self.seen.given_up


class Ran(NamedTuple):
    """What a program that ran to its end left behind."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode()


@asynccontextmanager
async def open_edge(tls: TlsFiles | None = None, **settings: str) -> AsyncIterator[Edge]:
    """Run a gateway, by TLS too if there are files, and the service. In the end nothing may be left of any exchange."""
    seen, port = Seen(), free_port() if tls else 0
    async with open_lab(**(tls.settings(port) if tls else {}), **settings) as lab:
        await lab.serve(make_service(seen))
        yield Edge(lab, seen, port)


def need(name: str) -> str:
    """The path of a program, or skip and say why."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (`.ci/packages test` installs it as root on Debian)")
    return found


async def run(*command: str, stdin: bytes = b"") -> Ran:
    """Run a program to its end."""
    with trio.fail_after(PROGRAM_S):
        done = await trio.run_process(command, stdin=stdin, capture_stdout=True, capture_stderr=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[trio.Process]:
    """Run a program for as long as the block lasts; its output is a pipe."""
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
