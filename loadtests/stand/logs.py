"""Follows the logs of the stand for what a sound run does not say: lines at WARNING and above, and what is no line."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from loadtests.record import LogLine

LINES_MAX: Final = 2_000
"""Of one run; what comes later is counted."""
TEXT_MAX: Final = 2_000
_BAD: Final = frozenset({"warning", "error", "critical"})


def line_of(text: str, process: str, at_s: float) -> LogLine | None:
    """Return a line that is bad enough; None for one that is not. What is no JSON was not written by the logger: a
    traceback of a process that dies, and so an error.
    """
    try:
        told = json.loads(text)
        level = str(told["level"]).lower()
        message, logger = str(told.get("message", told.get("msg", ""))), str(told.get("logger", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return LogLine(at_s=at_s, process=process, level="error", logger="", message=text[:200], text=text[:TEXT_MAX])
    if level not in _BAD:
        return None
    return LogLine(at_s=at_s, process=process, level=level, logger=logger, message=message, text=text[:TEXT_MAX])


class LogFollower:
    """Reads what has been added to the files since it looked last."""

    def __init__(
        self, files: Iterable[tuple[str, Path]], is_expected: Callable[[LogLine], bool] = lambda _line: False
    ) -> None:
        """files: by the process that writes them; one that is not there yet may come. is_expected: is left out."""
        self._is_expected = is_expected
        self._files = list(files)
        self._offsets = dict.fromkeys((path for _, path in self._files), 0)
        self._rests: dict[Path, bytes] = {}
        self.lines: list[LogLine] = []
        self.left_out = 0

    def look(self, at_s: float) -> None:
        """Take in what is new."""
        for process, path in self._files:
            for text in self._new_lines(path):
                line = line_of(text, process, at_s)
                if line is None or self._is_expected(line):
                    continue
                if len(self.lines) < LINES_MAX:
                    self.lines.append(line)
                else:
                    self.left_out += 1

    def _new_lines(self, path: Path) -> Iterator[str]:
        try:
            with path.open("rb") as file:
                file.seek(self._offsets[path])
                new = file.read()
        except OSError:
            return
        self._offsets[path] += len(new)
        *whole, rest = (self._rests.get(path, b"") + new).split(b"\n")
        self._rests[path] = rest
        yield from (line.decode("utf-8", "replace") for line in whole if line.strip())
