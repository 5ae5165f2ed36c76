"""What every slow attack is tested with: programs beside the gateway, and what must be left of an attack: nothing."""

import json
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from lab import Lab, open_lab, until
from slow_service import make_service

HERE = Path(__file__).parent
ATTACKERS = 1_000
SECONDS = 6.0
DESCRIPTORS_NEEDED = 2_500
USUAL_MS = 100.0
"""What slow clients may not cost others in most of their requests. A gateway that waits for slow clients costs them
seconds, each time; without one it is about a millisecond. The slowest requests are left to benchmarks: whatever else
runs on the machine decides about those.
"""

BOUNDS = {
    "edge_head_timeout": "2s",
    "edge_write_timeout": "2s",
    "edge_idle_timeout": "2s",
    "edge_tls_handshake_timeout": "2s",
    "edge_linger": "500ms",
}
"""Shorter than the attack, so that the gateway has to end what the attackers do not."""


def raise_descriptor_limit() -> None:
    """Let this process and its children open as many descriptors as they need, or skip."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS_NEEDED:
        pytest.skip(f"only {hard} descriptors may be open (ulimit -Hn); {DESCRIPTORS_NEEDED} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS_NEEDED), hard))


def program(name: str) -> str:
    """The path of a program, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (on Debian: apt-get install {name})")
    return found


async def run(*command: str, seconds: float = 2 * SECONDS + 10) -> str:
    """Run a program to its end, and return what it printed."""
    with trio.fail_after(seconds):
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, stdin=subprocess.DEVNULL
        )
    assert done.returncode == 0, (command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout.decode(errors="replace")


async def run_own(script: str, *arguments: object) -> dict[str, Any]:
    """Run one of the programs here, and return the JSON that it printed."""
    printed = await run(sys.executable, str(HERE / script), *map(str, arguments))
    said: dict[str, Any] = json.loads(printed)
    return said


@asynccontextmanager
async def open_slow_lab(**settings: str) -> AsyncIterator[Lab]:
    """Run a gateway with short bounds and the service; in the end nothing may be left of any client."""
    raise_descriptor_limit()
    async with open_lab(**{**BOUNDS, **settings}) as lab:
        await lab.serve(make_service(), service_concurrency=str(2 * ATTACKERS))
        await warm_up(lab)
        tasks = living_tasks()
        yield lab
        await until(lambda: not lab.count("edge_open_now") and not lab.count("edge_addresses_now"))
        await lab.census()
        assert lab.count("handed_over_now") == 0
        await until(lambda: not living_tasks() - tasks)


def living_tasks() -> Counter[str]:
    """How many tasks there are of each function, without the service's workers, who wait for more to do."""
    found: Counter[str] = Counter()
    waiting = [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        if task is not None:
            found[task.name] += 1
            waiting.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
    del found["penstock.workers._Worker.run"]
    return found


async def warm_up(lab: Lab) -> None:
    """Let everything be loaded that a first request loads."""
    client = await lab.client()
    assert (await client.get("/hello")).status == 200
    await client.aclose()
    await until(lambda: not lab.count("edge_open_now"))


async def polite_client(port: int, *words: str) -> None:
    """Be the well-behaved client for the time of an attack: every answer is good, and they come in time as a rule."""
    said = await run_own("polite_client.py", port, SECONDS, *words)
    print(said)
    assert said["failed"] == 0
    assert said["p50_ms"] < USUAL_MS, said
