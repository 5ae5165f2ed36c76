"""Colours what a verdict says, for people: at a terminal alone, and not where NO_COLOR is set (no-color.org)."""

import os
from typing import Final, TextIO

_GREEN, _RED, _YELLOW = "32", "31", "33"
_COLOURS: Final = {
    "held ": _GREEN,
    "broken ": _RED,
    "unproven ": _YELLOW,
    "HELD:": f"1;{_GREEN}",
    "BROKEN:": f"1;{_RED}",
    "PROVES NOTHING": f"1;{_YELLOW}",
}
"""By how a line begins."""


def coloured(line: str, stream: TextIO) -> str:
    """Return a line of a verdict as the stream shows it: in colour where somebody looks at it."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return line
    for begins, colour in _COLOURS.items():
        if line.startswith(begins):
            return f"\x1b[{colour}m{begins}\x1b[0m{line[len(begins) :]}"
    return line
