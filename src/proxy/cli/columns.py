"""Plain columns for a terminal, as wide as what is in them."""

import os
import sys
from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], indent: str = "", gap: str = "  ", width_max: int = 60) -> list[str]:
    """Return a line for each row. The last column may be as long as it likes; others are padded up to width_max."""
    if not rows:
        return []
    widths = [min(width_max, max(len(row[at]) for row in rows)) for at in range(len(rows[0]) - 1)]
    return [
        (indent + gap.join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])).rstrip()
        for row in rows
    ]


def strong(text: str) -> str:
    """Return a text in bold, where it is a person who looks."""
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def seconds(value: float) -> str:
    """Return a duration as people say it: ``4s``, ``12m``, ``3h``, ``5d``."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if value >= length:
            return f"{value // length:.0f}{unit}"
    return f"{value:.0f}s"


def milliseconds(microseconds: float) -> str:
    """Return a latency: ``0.44 ms``, ``12 ms``; a dash where nothing was measured yet."""
    if not microseconds:
        return "-"
    value = microseconds / 1_000
    return f"{value:.2g} ms" if value < 10 else f"{value:.0f} ms"


def printable(text: str) -> str:
    """Return a text that somebody else has written as one that a terminal shows, and does not obey."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
