"""The machine: which cores are used, how many descriptors may be open, and facts that belong to every result."""

import contextlib
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DESCRIPTORS_WANTED = 40_000  # 10,000 idle connections on either side, and room


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run: ``tested`` holds the program under test and nothing else, ``load`` holds all the rest."""

    tested: int
    load: int


def choose_cores() -> Cores:
    """Return the first and the last of the cores that this process may use (the same one, where there is only one)."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(tested=usable[0], load=usable[-1])


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this process on one core for a while: what is started meanwhile inherits it, without a race."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> int:
    """Raise the limit of open descriptors as far as is wanted and allowed; children inherit it. Return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS_WANTED:
        with contextlib.suppress(ValueError, OSError):  # only root may raise the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, DESCRIPTORS_WANTED))
            hard = DESCRIPTORS_WANTED
    reached = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, reached), hard))
    return max(soft, reached)


def busy_percent(seconds: float = 0.5) -> float:
    """Return how much of all cores other programs use while nothing is measured."""
    busy_before, total_before = _ticks()
    time.sleep(seconds)
    busy, total = _ticks()
    return 100 * (busy - busy_before) / max(1, total - total_before)


def _ticks() -> tuple[int, int]:
    """Return busy and total ticks since the start of the machine (proc(5): user nice system idle iowait irq ...)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def facts() -> dict[str, str]:
    """Return what the numbers depend on: processor, kernel, and the versions of what is compared."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": _first_line("gcc", "--version"),
        "nginx": _first_line("nginx", "-v").removeprefix("nginx version: "),
        "haproxy": " ".join(_first_line("haproxy", "-v").split()[:3]),
        "wrk": " ".join(_first_line("wrk", "-v").split()[:2]),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "absent"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0]
