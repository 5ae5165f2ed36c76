"""A gateway that a service manager has started, with workers and without: it is told, and its sockets are taken."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from lab_client import WAIT_S, Client
from workers_lab import COMMAND, START_S, end, workers_environment

pytestmark = pytest.mark.slow

STARTER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Gives a socket the number that a service manager's first one has."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


async def hear(manager: socket.socket, wanted: bytes) -> None:
    """Wait until it is told this."""
    with trio.fail_after(START_S):
        while True:
            await trio.lowlevel.wait_readable(manager)
            if wanted in manager.recv(4096):
                return


async def start(place: Path, workers: str, listener: socket.socket, name: str) -> subprocess.Popen[bytes]:
    given = workers_environment(workers=workers) | {
        "NOTIFY_SOCKET": str(place / "notify"),
        "WATCHDOG_USEC": "400000",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": name,
    }
    words = [sys.executable, "-c", STARTER, str(listener.fileno()), *COMMAND, "serve"]
    with (place / "log").open("wb") as log:
        return await trio.to_thread.run_sync(
            lambda: subprocess.Popen(words, env=given, stderr=log, pass_fds=[listener.fileno()])
        )


@pytest.mark.parametrize("workers", ["0", "2"])
async def test_readiness_watchdog_and_a_socket(tmp_path: Path, manager: socket.socket, workers: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), reuse_port=workers == "2")
    process = await start(tmp_path, workers, listener, "edge")
    waiting = Client(await trio.open_tcp_stream(*listener.getsockname()))  # before anybody serves
    try:
        await hear(manager, b"READY=1\nSTATUS=")
        assert (await waiting.get("/nowhere")).status == 404
        await hear(manager, b"WATCHDOG=1")
        await hear(manager, b"WATCHDOG=1")
        if workers == "2":
            process.send_signal(signal.SIGHUP)
            await hear(manager, b"RELOADING=1\nMONOTONIC_USEC=")
            await hear(manager, b"READY=1")
            process.send_signal(signal.SIGUSR2)
            await hear(manager, b"RELOADING=1\nMONOTONIC_USEC=")
            await hear(manager, b"READY=1")
        fresh = Client(await trio.open_tcp_stream(*listener.getsockname()))
        assert (await fresh.get("/nowhere")).status == 404
        await fresh.aclose()
        os.kill(process.pid, signal.SIGTERM)
        await hear(manager, b"STOPPING=1")
        with trio.fail_after(WAIT_S):
            assert await trio.to_thread.run_sync(process.wait) == 0
        await waiting.aclose()
    finally:
        end(process)
        listener.close()


@pytest.mark.parametrize("workers", ["0", "2"])
async def test_a_socket_for_nothing(tmp_path: Path, manager: socket.socket, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = await start(tmp_path, workers, listener, "http")
        with trio.fail_after(START_S):
            status = await trio.to_thread.run_sync(process.wait)
    assert (status, (tmp_path / "log").read_text()) == (
        1,
        "penstock: error: the service manager opened a socket named 'http'; "
        "write FileDescriptorName= with one of edge, edge_tls, services, admin\n",
    )
