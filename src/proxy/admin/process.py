"""What this process takes, as the kernel tells it. Not in the event loop: to count descriptors takes a while."""

import os
import resource
import time
from functools import cache
from pathlib import Path
from typing import Final

from proxy.admin.traffic_figures import ProcessFigures

_PROC: Final = Path("/proc/self")
_AFTER_NAME: Final = 3  # /proc/self/stat, behind the name in parentheses, begins with field 3 (proc(5))
_STARTED: Final = 22
_VIRTUAL: Final = 23
_RESIDENT: Final = 24


def own_figures() -> ProcessFigures:
    """Return what this process takes. What cannot be read is 0."""
    times = os.times()
    try:
        fields = (_PROC / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        descriptors = len(os.listdir(_PROC / "fd")) - 1  # noqa: PTH208 - one of them is this look's own
    except OSError:
        fields, descriptors = [], 0
    return ProcessFigures(
        pid=os.getpid(),
        cpu_s=round(times.user + times.system, 2),
        resident_bytes=_field(fields, _RESIDENT) * resource.getpagesize(),
        virtual_bytes=_field(fields, _VIRTUAL),
        descriptors=descriptors,
        descriptors_max=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        started_at=_started_at(_field(fields, _STARTED)),
    )


def _field(fields: list[str], number: int) -> int:
    at = number - _AFTER_NAME
    return int(fields[at]) if at < len(fields) else 0


@cache
def _started_at(ticks: int) -> float:
    """Return the moment that lies so many ticks of the clock after the start of the machine. The same, once told."""
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return round(booted_at + ticks / os.sysconf("SC_CLK_TCK"), 2)
