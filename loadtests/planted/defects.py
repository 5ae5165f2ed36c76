"""The defects: all but drift are asked once for each request that begins, and say whether that goes on."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial, wraps
from itertools import count
from typing import Any, Final

import trio

from loadtests.planted import BEGUN_VARIABLE, NAME_VARIABLE, P99_VARIABLE, PERIOD_VARIABLE

Defect = Callable[[], bool]
"""Called before each request; False: nobody takes the request on."""
Stage = Callable[[Any], Any]
"""A stage of the gateway, as `proxy.request.stage` says."""

LEAKED_BYTES: Final = 59
"""Such a bytes object takes 92 bytes, rounded up to 96, and its place in the list 8 or a little more."""
DESCRIPTOR_EVERY, TASK_EVERY, LOST_EVERY = 1_000, 10_000, 100_000
SLOW_EVERY: Final = 33
"""One request in so many is slow, so that it is they who make the 99th percentile."""
RISE: Final = 0.21
"""Of what it waits, from begin to end: with what it takes besides, its last fifth is 15 % above the first."""
_PERIOD_S, _P99_US = 600.0, 30_000.0


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


def delays(
    period_s: float, p99_us: float, begun_s: float, clock: Callable[[], float] = time.monotonic
) -> Callable[[], float]:
    """Return what says of each request how many seconds it has to wait: most 0, some more and more.

    begun_s: when the run began, by the clock.
    """
    numbers = count(1)

    def next_s() -> float:
        if next(numbers) % SLOW_EVERY:
            return 0.0
        return p99_us / 1e6 * (1 + RISE * min(1.0, (clock() - begun_s) / period_s))

    return next_s


def drifting(stage: Stage, next_s: Callable[[], float]) -> Stage:
    """Return a stage that lets requests wait, in a task as a fetch of keys does, before it says what it always says."""
    waited: set[int] = set()

    @wraps(stage)
    def slow(exchange: Any) -> Any:
        if exchange.id in waited:  # it is asked again
            waited.discard(exchange.id)
        elif (wait_s := next_s()) > 0:
            from proxy.request.stage import Await

            waited.add(exchange.id)
            return Await(partial(trio.sleep, wait_s))
        return stage(exchange)

    return slow


_MAKERS: Final[Mapping[str, Callable[[], Defect]]] = {
    "none": none,
    "memory": memory,
    "descriptors": descriptors,
    "tasks": tasks,
    "lost": lost,
}


def plant(module: Any, environment: Mapping[str, str]) -> None:
    """Change `proxy.policy.deadline` for drift, else `proxy.edge.express`."""
    name = environment[NAME_VARIABLE]
    if name == "drift":
        period_s = float(environment.get(PERIOD_VARIABLE, _PERIOD_S))
        begun_s = float(environment.get(BEGUN_VARIABLE) or time.monotonic())
        next_s = delays(period_s, float(environment.get(P99_VARIABLE, _P99_US)), begun_s)
        module.set_deadline = drifting(module.set_deadline, next_s)
    else:
        _plant_before(module.ExpressLane, _MAKERS[name]())


def _plant_before(lane: Any, goes_on: Defect) -> None:
    begin = lane.begin

    def planted(self: Any, exchange_id: int, method: int, flags: int, path: bytes) -> None:
        if goes_on():
            begin(self, exchange_id, method, flags, path)

    lane.begin = planted
