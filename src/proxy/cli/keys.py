"""Keys that a person presses, one at a time and without Enter, where the input is a terminal."""

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

ReadKey = Callable[[float], str]
"""Waits so many seconds at most, and returns a key: a character, ``up``, ``down``, or empty for none."""

_SEQUENCES: Final = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\x04": "q"}


@contextmanager
def pressed_keys() -> Iterator[ReadKey]:
    """Read keys inside the block; the terminal is as it was after it."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int, seconds: float) -> str:
    if not select.select([descriptor], [], [], max(0.0, seconds))[0]:
        return ""
    read = os.read(descriptor, 16).decode("utf-8", "replace")
    return _SEQUENCES.get(read, read[:1]) or "q"  # the end of the input is as good as quitting


def _no_key(seconds: float) -> str:
    time.sleep(max(0.0, seconds))
    return ""
