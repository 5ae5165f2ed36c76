"""What becomes of the log must not become of the traffic: a full disk, a reader that reads no more, or has gone."""

import json
import os
import resource
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import trio
from lab import until
from process_lab import POLL_S, gateway_process, metric, served

pytestmark = pytest.mark.slow

RELOADS = 20
"""Each makes a line of the log."""


@contextmanager
def full_disk() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def nobody_reads() -> Iterator[int]:
    """A pipe that is full already."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


@contextmanager
def reader_gone() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def stopped_terminal() -> Iterator[int]:
    """A terminal whose user has pressed Ctrl-S."""
    user, terminal = os.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    yield terminal
    os.close(user)
    os.close(terminal)


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (full_disk, "failures_total"),
        (nobody_reads, "waiting"),
        (reader_gone, "failures_total"),
        (stopped_terminal, "waiting"),
    ],
)
async def test_a_log_that_cannot_be_written_harms_nobody(
    output: Callable[[], AbstractContextManager[int]], what: str
) -> None:
    with output() as stderr:
        async with gateway_process(stderr, log_level="debug") as gateway:
            service = await gateway.service("GET /things")
            client, operator = await gateway.client(), await gateway.operator()
            for _ in range(RELOADS):
                assert (await operator.ask("POST", "/reload")).status == 200
                assert (await served(client, service)).status == 200
            assert await metric(operator, f"penstock_output_{what}", 'output="log"') >= RELOADS
            assert await gateway.end() == 0


async def test_a_disk_that_has_room_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        async with gateway_process(file.fileno()) as gateway:
            operator = await gateway.operator()
            assert (await operator.ask("POST", "/reload")).status == 200
            await until(lambda: log.stat().st_size > 0)
            pid = gateway.process.pid
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 50, limits[1]))
            for _ in range(RELOADS):
                assert (await operator.ask("POST", "/reload")).status == 200
            while not (dropped := (await operator.get("/log-level")).json()["dropped"]):  # noqa: ASYNC110
                await trio.sleep(POLL_S)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
            assert (await operator.ask("POST", "/reload")).status == 200
            assert await gateway.end() == 0
    lines = log.read_bytes().splitlines()
    told = [json.loads(line) for line in lines if b'"dropped"' in line]
    assert sum(line["dropped"] for line in told) >= dropped > 0
    assert json.loads(lines[-1])["message"].startswith("SIGTERM: draining")
    unreadable = [line for line in lines if not line.endswith(b"}")]
    assert len(unreadable) <= 1  # the line that the disk was full in
