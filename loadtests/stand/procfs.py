"""What the kernel tells of processes and of the machine (proc(5)). A process that has gone is None, or left out."""

import contextlib
import os
import time
from collections.abc import Set
from pathlib import Path
from typing import Final, NamedTuple

from loadtests.record import MachineSample

PROC: Final = Path("/proc")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_SPINS: Final = 20_000


class Taken(NamedTuple):
    """What a process takes."""

    rss_bytes: int
    descriptors: int | None
    threads: int
    cpu_s: float


class Stat(NamedTuple):
    """Some fields of /proc/PID/stat, whose numbers proc(5) tells."""

    state: str
    parent: int
    session: int
    cpu_ticks: int
    threads: int
    started_ticks: int


def read_stat(text: str) -> Stat:
    """Return the fields of a stat file. A program's name, in parentheses, may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    cpu = int(fields[11]) + int(fields[12])  # its own: what ended children took would be counted twice
    return Stat(fields[0], int(fields[1]), int(fields[3]), cpu, int(fields[17]), int(fields[19]))


def stat_of(pid: int) -> Stat | None:
    """Return what is told of a process; None when it has gone, or only waits to be waited for."""
    try:
        stat = read_stat((PROC / str(pid) / "stat").read_text())
    except OSError:
        return None
    return None if stat.state in "ZX" else stat


def taken_by(pid: int) -> Taken | None:
    """Return what a process takes now; None when it has gone."""
    stat = stat_of(pid)
    if stat is None:
        return None
    folder = PROC / str(pid)
    try:
        resident = int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None
    descriptors = None
    with contextlib.suppress(OSError):  # those of another user's process are not told
        descriptors = len(os.listdir(folder / "fd"))  # noqa: PTH208 - iterdir makes a Path of each
    return Taken(resident, descriptors, stat.threads, stat.cpu_ticks / _TICKS_PER_S)


def in_session(session: int) -> list[int]:
    """Return the living processes of a session: of the process that leads it, and of all that it has started."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if (stat := stat_of(pid)) is not None and stat.session == session]


def machine_sample() -> MachineSample:
    """Return how the machine is now, which is the cores that this process may use. Takes a millisecond or two."""
    ticks = core_ticks((PROC / "stat").read_text(), os.sched_getaffinity(0))
    total = sum(ticks)
    return MachineSample(
        busy_s_total=(total - ticks[3] - ticks[4]) / _TICKS_PER_S,
        steal_s_total=ticks[7] / _TICKS_PER_S,
        total_s_total=total / _TICKS_PER_S,
        available_bytes=_available_bytes((PROC / "meminfo").read_text()),
        spin_us=spin_us(),
    )


def core_ticks(stat: str, cores: Set[int]) -> list[int]:
    """Return the first eight figures of /proc/stat, from `user` to `steal`, summed over some cores."""
    lines = (line.split() for line in stat.splitlines() if line.startswith("cpu") and line[3].isdecimal())
    ticks = [[int(word) for word in words[1:9]] for words in lines if int(words[0][3:]) in cores]
    return [sum(figures) for figures in zip(*ticks, strict=True)]


def _available_bytes(meminfo: str) -> int:
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def spin_us() -> int:
    """Return how much of a core's time a fixed piece of work takes: more where somebody outside slows the core down.

    Waiting for the core does not count, for the run itself may have it.
    """
    begin, value = time.thread_time_ns(), 0
    for number in range(_SPINS):
        value ^= number
    return (time.thread_time_ns() - begin) // 1_000
