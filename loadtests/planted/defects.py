"""The defects: each is asked once for each request that begins, and says whether that goes on."""

import os
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from loadtests.planted import NAME_VARIABLE, P99_VARIABLE, PERIOD_VARIABLE

Defect = Callable[[], bool]
"""Called before each request; False: nobody takes the request on."""

LEAKED_BYTES: Final = 59
"""Such a bytes object takes 92 bytes, rounded up to 96, and its place in the list 8 or a little more."""
DESCRIPTOR_EVERY, TASK_EVERY, LOST_EVERY = 1_000, 10_000, 100_000
SLOW_EVERY: Final = 33
"""One request in so many is slow, so that it is they who make the 99th percentile."""
RISE: Final = 0.19
"""From begin to end: the last fifth is 15 % above the first."""
_PERIOD_S, _P99_US = 600.0, 8_000.0


def none() -> Defect:
    """Return what does nothing."""
    return lambda: True


def memory() -> Defect:
    """Return what keeps 100 bytes."""
    kept: list[bytes] = []

    def leak() -> bool:
        kept.append(bytes(LEAKED_BYTES))
        return True

    return leak


def descriptors() -> Defect:
    """Return what leaves descriptors open."""
    numbers = count(1)

    def leak() -> bool:
        if next(numbers) % DESCRIPTOR_EVERY == 0:
            os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return True

    return leak


def tasks() -> Defect:
    """Return what starts tasks that never end."""
    import trio

    numbers = count(1)

    def leak() -> bool:
        if next(numbers) % TASK_EVERY == 0:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
        return True

    return leak


def lost() -> Defect:
    """Return what loses requests; the first one half-way, so that each of several workers loses some."""
    numbers = count(LOST_EVERY // 2)
    return lambda: next(numbers) % LOST_EVERY != 0


def drift(
    period_s: float = _PERIOD_S,
    p99_us: float = _P99_US,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Defect:
    """Return what makes the slowest requests slower and slower."""
    numbers, begun = count(1), clock()

    def slow() -> bool:
        if next(numbers) % SLOW_EVERY == 0:
            sleep(p99_us / 1e6 * (1 + RISE * min(1.0, (clock() - begun) / period_s)))
        return True

    return slow


_MAKERS: Final[Mapping[str, Callable[[], Defect]]] = {
    "none": none,
    "memory": memory,
    "descriptors": descriptors,
    "tasks": tasks,
    "lost": lost,
}


def make_defect(environment: Mapping[str, str]) -> Defect:
    """Return the defect that the environment names."""
    name = environment[NAME_VARIABLE]
    if name == "drift":
        period_s = float(environment.get(PERIOD_VARIABLE, _PERIOD_S))
        return drift(period_s, float(environment.get(P99_VARIABLE, _P99_US)))
    return _MAKERS[name]()


def plant(lane: Any, environment: Mapping[str, str]) -> None:
    """Change a class like `proxy.edge.express.ExpressLane`."""
    begin, goes_on = lane.begin, make_defect(environment)

    def planted(self: Any, exchange_id: int, method: int, flags: int, path: bytes) -> None:
        if goes_on():
            begin(self, exchange_id, method, flags, path)

    lane.begin = planted
