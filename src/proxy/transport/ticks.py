"""What has time done: called a few times in each second."""

import logging
from collections.abc import Callable
from typing import Final, NoReturn

import trio

TICK_S: Final = 0.25
"""How often timers are looked at: no heartbeat goes out more often, no timeout is more exact."""

PAUSE_S: Final = 1.0
"""Ticks further apart than this mean that this process was stopped or too busy, not that the peers were silent."""

logger = logging.getLogger("penstock.services")


class Pauses:
    """Finds the times in which nobody ticked."""

    def __init__(self) -> None:
        """Begin before the first tick."""
        self._ticked_at: float | None = None

    def before(self, now: float) -> float:
        """Return how many seconds this process did not run before this tick, which is logged; 0 when it did."""
        pause = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        if pause <= PAUSE_S:
            return 0.0
        logger.warning("this process did not run for %.1f s; services are not held to have been silent", pause)
        return pause


async def run_ticks(tick: Callable[[float], object], tick_s: float = TICK_S) -> NoReturn:
    """Tick until cancelled, with the time."""
    while True:
        tick(trio.current_time())
        await trio.sleep(tick_s)
