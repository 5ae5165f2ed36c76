"""What has time done: called a few times in each second."""

from collections.abc import Callable
from typing import Final, NoReturn

import trio

TICK_S: Final = 0.25
"""How often timers are looked at: no heartbeat goes out more often, no timeout is more exact."""


async def run_ticks(tick: Callable[[float], object], tick_s: float = TICK_S) -> NoReturn:
    """Tick until cancelled, with the time."""
    while True:
        tick(trio.current_time())
        await trio.sleep(tick_s)
