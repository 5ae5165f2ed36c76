"""The wall clock of another process, which a test moves forth and back; the clock that only rises is left alone."""

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = Path(__file__).parent / "wall_clock.c"


class WallClock:
    """Moved by `move`. A process has it that is started with `variables`."""

    def __init__(self, folder: Path) -> None:
        """Compile it into a folder; where there is no compiler, the test is skipped."""
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None:
            pytest.skip("no C compiler was found, with which the clock is made (on Debian: apt-get install gcc)")
        self._library = folder / "wall_clock.so"
        self._file = folder / "wall_clock"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(self._library), str(_SOURCE)], check=True)
        self.move(0)

    @property
    def variables(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK_FILE": str(self._file)}

    def move(self, seconds: int) -> None:
        """Set how far it is ahead of the machine's; negative: behind."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
