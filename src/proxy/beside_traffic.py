"""Long work in a thread, while the event loop goes on serving."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""How long the thread may keep the interpreter when the event loop wants it; ten times less than Python's default."""


@contextmanager
def beside_traffic() -> Iterator[None]:
    """Keep the stalls short that work in a thread makes for the event loop. One thread at a time.

    A collection of garbage looks at everything that the work has made so far, and lets nobody else run: it is put off
    until the work has ended, when most of it is gone.
    """
    interval_s, collects = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        if collects:
            gc.enable()
