"""Telling by a look at a file whether somebody has changed it."""

import os
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, int, int, int]
"""Device, inode, size in bytes, time of the last change in nanoseconds. All zero for a file that is not there."""


def stamp_of(path: Path) -> Stamp:
    """Return what tells one content of a file from another, without reading it."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the same call, said as what it is
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class FileWatch:
    """Tells which files have changed, one look after they have: who is still writing is given time to end."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._known: dict[Path, Stamp] = {}
        self._unsettled: dict[Path, Stamp] = {}

    def add(self, paths: Iterable[Path]) -> None:
        """Watch these, too, as they are now. To be called before they are read."""
        self._known |= {path: stamp_of(path) for path in paths if path not in self._known}

    def keep(self, paths: Iterable[Path]) -> None:
        """Watch no others than these any more."""
        wanted = set(paths)
        self._known = {path: stamp for path, stamp in self._known.items() if path in wanted}

    def look_anew(self) -> None:
        """Take all as they are now. To be called before they are read."""
        self._known = {path: stamp_of(path) for path in self._known}
        self._unsettled = {}

    def look(self) -> tuple[Path, ...]:
        """Return the files that differ from what was known, and are as they were at the look before."""
        differing = {path: stamp for path, old in self._known.items() if (stamp := stamp_of(path)) != old}
        settled = differing == self._unsettled
        self._unsettled = differing
        return tuple(differing) if settled else ()
