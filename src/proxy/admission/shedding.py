"""Shedding: refuses requests before they are worked on, while the gateway is short of time, memory, or room for bodies.

It looks a few times a second, and its stage is in the path of requests only while something is short. The stage comes
before anything is matched, since what is refused must cost little.
"""

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from proxy.admission.pressure import SATURATED, Lateness, Portions, scaled
from proxy.admission.priority import Priority
from proxy.errors import SHED_BYTES, SHED_MEMORY, SHED_QUEUE_DELAY
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.stage import Answer, Stage

LOOK_S: Final = 0.2
HOLD: Final = 1.0
"""From this share on, no connection is accepted: the kernel holds who comes, or another gateway takes them."""
RETRY_AFTER_S: Final = 2
_STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Short(Enum):
    """What the gateway is short of."""

    QUEUE_DELAY = "queue_delay"
    MEMORY = "memory"
    BYTES = "bytes_in_flight"


_ANSWERS: Final = {
    Short.QUEUE_DELAY: Answer(SHED_QUEUE_DELAY, retry_after_s=RETRY_AFTER_S),
    Short.MEMORY: Answer(SHED_MEMORY, retry_after_s=RETRY_AFTER_S),
    Short.BYTES: Answer(SHED_BYTES, retry_after_s=RETRY_AFTER_S),
}


def resident_bytes() -> int:
    """Return how much memory this process has; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


class Thresholds:
    """From where on is shed. 0 and infinity: never for that."""

    __slots__ = ("bytes_max", "bytes_threshold", "memory_bytes", "queue_delay_s")

    def __init__(self, *, queue_delay_s: float, memory_bytes: int, bytes_threshold: float, bytes_max: int) -> None:
        """bytes_threshold, bytes_max: of bodies in flight."""
        self.queue_delay_s = queue_delay_s
        self.memory_bytes = memory_bytes
        self.bytes_threshold = bytes_threshold
        self.bytes_max = bytes_max


class Shedding:
    """What is short now, and what is refused for it. ``look`` is to be called each `LOOK_S`."""

    def __init__(
        self, thresholds: Thresholds, held_bytes: Callable[[], int], memory_bytes: Callable[[], int] = resident_bytes
    ) -> None:
        """held_bytes: of bodies; memory_bytes: of this process."""
        self.thresholds = thresholds
        self._held_bytes = held_bytes
        self._memory_bytes = memory_bytes
        self._lateness = Lateness()
        self._portions = Portions()
        self.shares = dict.fromkeys(Short, 0.0)
        self.shed = dict.fromkeys(Short, 0)
        """How many requests were refused for it."""
        self.delay_s = 0.0
        """The last reading."""

    def __repr__(self) -> str:
        """The shares on one line."""
        shares = " ".join(f"{short.value}={share:.2f}" for short, share in self.shares.items())
        return f"<Shedding {shares}>"

    @property
    def is_on(self) -> bool:
        """Whether anything is shed now."""
        return any(self.shares.values())

    @property
    def holds_connections(self) -> bool:
        """Whether no connection is to be accepted now."""
        return max(self.shares[Short.QUEUE_DELAY], self.shares[Short.MEMORY]) >= HOLD

    def look(self, delay_s: float) -> None:
        """Take in how late the gateway is, and look at everything else. delay_s: since the last look."""
        limits, shares = self.thresholds, self.shares
        self.delay_s = delay_s
        if limits.queue_delay_s:
            self._lateness.take(delay_s, limits.queue_delay_s)
        shares[Short.QUEUE_DELAY] = self._lateness.share if limits.queue_delay_s else 0.0
        if limits.memory_bytes:
            used = self._memory_bytes()
            if used >= limits.memory_bytes:
                give_back_memory()
                used = self._memory_bytes()
            shares[Short.MEMORY] = scaled(used, limits.memory_bytes, SATURATED * limits.memory_bytes)
        else:
            shares[Short.MEMORY] = 0.0
        shares[Short.BYTES] = scaled(self._held_bytes(), limits.bytes_threshold, limits.bytes_max)

    def judge(self, exchange: Exchange, priority: Priority) -> Answer | None:
        """Refuse a request, or let it go on. Who brings a body that is not there yet needs room for it, nobody else."""
        for short, share in self.shares.items():
            is_for_it = share and (short is not Short.BYTES or exchange.flags & NEEDS_TASK)
            if is_for_it and self._portions.is_shed(share, priority):
                self.shed[short] += 1
                return _ANSWERS[short]
        return None


def give_back_memory() -> None:
    """Give the system back what was freed here: else, who was short of memory once would be so for ever."""
    import ctypes  # seldom, and only where it is needed

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def make_shed(shedding: Shedding, priority_of: Callable[[Exchange], Priority]) -> Stage:
    """Return the stage, for the time in which anything is short."""

    def shed(exchange: Exchange) -> Answer | None:
        return shedding.judge(exchange, priority_of(exchange))

    return shed
