"""The clock of a simulation: it stands still but when it is told to go on, for Python, for Trio and for C alike.

A process that is to have it starts itself again, with ``clock.c`` in the place of the C library's clock.
"""

import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import trio

_SOURCE: Final = Path(__file__).parent / "clock.c"
_VARIABLE: Final = "LD_PRELOAD"


def compiler() -> str | None:
    """The C compiler's path, if there is one."""
    return shutil.which(os.environ.get("CC", "cc"))


def run_again_with_clock() -> int | None:
    """Run this program again, with the clock; its status. None: this is that process."""
    if _SOURCE.stem in os.environ.get(_VARIABLE, ""):
        return None
    found = compiler()
    if found is None:
        raise SystemExit("no C compiler was found, with which the clock is made (on Debian: apt-get install gcc)")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "clock.so"
        subprocess.run([found, "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)], check=True)
        environment = {**os.environ, _VARIABLE: str(library), "PYTHONHASHSEED": "0"}
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


class StandingClock:
    """The process's clock, and its chance."""

    def __init__(self) -> None:
        """Find it; `AttributeError` where it was not loaded."""
        self._library = ctypes.CDLL(None)
        for name in ("simulated_begin", "simulated_pass_us"):
            getattr(self._library, name).argtypes = [ctypes.c_uint64]
        self._library.simulated_now_us.restype = ctypes.c_uint64

    def begin(self, seed: int) -> None:
        """Begin a run: the time is as in every other, and all chance is drawn from the seed."""
        self._library.simulated_begin(seed)
        random.seed(seed)
        trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
        trio._core._run._r.seed(seed)

    def go_on(self, milliseconds: int) -> None:
        """Let time pass."""
        self._library.simulated_pass_us(milliseconds * 1_000)

    @property
    def now_ms(self) -> int:
        """The time."""
        return int(self._library.simulated_now_us()) // 1_000
