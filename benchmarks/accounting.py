"""CPU time and resident memory of processes, as the kernel counts them.

CPU time is fields 14 and 15 (utime, stime) of ``/proc/PID/stat``, which sum over all threads, also those that have
ended. Their unit is 10 ms, but their sum is the scheduler's exact run time, so the error of a window is one unit, not a
sampling error: 0.2 % of five busy seconds. (The split into user and system is sampled.) What the network costs in soft
interrupts on loopback runs on behalf of the sender and is charged to it, so it is in these numbers.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class CpuTime:
    """User and system time of a group of processes, seconds."""

    user_s: float
    system_s: float

    def __sub__(self, before: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - before.user_s, self.system_s - before.system_s)

    @property
    def total_s(self) -> float:
        """User plus system time, seconds."""
        return self.user_s + self.system_s


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a group of processes, KiB: the sum of VmRSS, and of PSS, which counts a shared page once."""

    resident_kib: int
    proportional_kib: int


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on; the second may hold spaces and brackets."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def with_descendants(roots: Iterable[int]) -> list[int]:
    """Return the processes given, with all of their living children, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def cpu_time(pids: Iterable[int]) -> CpuTime:
    """Return the CPU time that these processes have used since they started."""
    fields = [_stat(pid) for pid in pids]
    return CpuTime(
        user_s=sum(int(each[11]) for each in fields) / TICKS_PER_SECOND,
        system_s=sum(int(each[12]) for each in fields) / TICKS_PER_SECOND,
    )


def memory(pids: Iterable[int]) -> Memory:
    """Return what these processes hold in memory now."""
    processes = [PROC / str(pid) for pid in pids]
    return Memory(
        resident_kib=sum(_kib(process / "status", "VmRSS:") for process in processes),
        proportional_kib=sum(_kib(process / "smaps_rollup", "Pss:") for process in processes),
    )


def _kib(file: Path, key: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise ValueError(f"{file} has no line {key}")
