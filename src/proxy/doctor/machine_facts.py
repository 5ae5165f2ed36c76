"""What the machine says of itself. Whatever cannot be read is left open, and no reason to fail."""

import ctypes
import os
import resource
from pathlib import Path
from typing import Final

_TIMEX_BYTES: Final = 512
"""More than any kernel's struct timex."""
_TIME_ERROR: Final = 5
"""linux/timex.h: the clock is not synchronised."""
_CLOCK_SOURCE: Final = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")
_MEMORY: Final = Path("/proc/meminfo")
_OWN_GROUP: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")


def descriptors() -> tuple[int, int]:
    """Return how many descriptors a process may have open, and up to where it may raise that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (2**31 if soft == resource.RLIM_INFINITY else soft), (2**31 if hard == resource.RLIM_INFINITY else hard)


def cores_present() -> int:
    """Return how many cores the machine has."""
    return os.cpu_count() or 1


def memory_bytes(meminfo: Path = _MEMORY, own_group: Path = _OWN_GROUP, groups: Path = _GROUPS) -> int:
    """Return how much memory there is: the machine's, or less where a control group bounds it."""
    total = 2**63
    for line in _read(meminfo).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            total = int(rest.split()[0]) * 1024
    bounds = [total, *(int(text) for text in _group_bounds(own_group, groups) if text.isdigit())]
    return min(bounds)


def _group_bounds(own_group: Path, groups: Path) -> list[str]:
    """Return what bounds memory for the control groups that this process is in (version 2), from the inside out."""
    line = next((line for line in _read(own_group).splitlines() if line.startswith("0::/")), "0::/")
    group = groups / line.removeprefix("0::/")
    return [_read(each / "memory.max") for each in (group, *group.parents) if each == groups or groups in each.parents]


def clock_is_synchronised() -> bool | None:
    """Return what the kernel says of the wall clock; None where it does not."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # all zero: only asks
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def clock_source() -> str:
    """Return what the kernel takes the time from; empty where it does not say."""
    return _read(_CLOCK_SOURCE)


def somaxconn() -> int:
    """Return how many connections may wait to be accepted; very many where the kernel does not say."""
    text = _read(_SOMAXCONN)
    return int(text) if text.isdigit() else 2**31


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
