"""Long work in a thread, while the event loop goes on serving."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""How long the thread may keep the interpreter when the event loop wants it; ten times less than Python's default."""


class _Beside:
    """How many threads are at it, and how it was before the first of them began."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._interval_s = 0.0
        self._collects = False

    def enter(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._interval_s, self._collects = sys.getswitchinterval(), gc.isenabled()
                sys.setswitchinterval(SWITCH_INTERVAL_S)
                gc.disable()

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                sys.setswitchinterval(self._interval_s)
                if self._collects:
                    gc.enable()


_beside: Final = _Beside()


@contextmanager
def beside_traffic() -> Iterator[None]:
    """Keep the stalls short that work in a thread makes for the event loop. Several threads may be at it.

    A collection of garbage looks at everything that the work has made so far, and lets nobody else run: it is put off
    until the work has ended, when most of it is gone.
    """
    _beside.enter()
    try:
        yield
    finally:
        _beside.leave()
