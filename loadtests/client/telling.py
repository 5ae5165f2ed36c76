"""Writes what the generator has to say: lines of JSON, each a `loadtests.order.Said`."""

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from loadtests.order import Said


class Telling:
    """The file of the generator's lines. Each is written at once, so that whoever follows it knows it at once."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError."""
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def say(self, said: Said) -> None:
        """Write a line. Raises OSError: the disk is full."""
        line = msgspec.json.encode(said) + b"\n"
        while line:
            line = line[self._file.write(line) :]
