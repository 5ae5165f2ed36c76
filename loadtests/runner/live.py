"""The line that shows how a run goes: rewritten in place at a terminal, else a line now and then."""

import os
from collections.abc import Sequence
from typing import Final, TextIO

from loadtests.record import Interval, Phase, Record, Sample
from loadtests.tools import shown_duration

EVERY_S: Final = 10.0
"""How often a line is written where it cannot be rewritten."""
COLUMNS: Final = 80
"""Of a terminal that does not say how many it has."""
KEPT_COLUMNS: Final = 3
"""Left free at the end: a line that is full has the cursor go to the next one, and Ctrl-C is shown as two letters."""
_MIB: Final = 1 << 20


def phase_at(phases: Sequence[Phase], at_s: float) -> Phase | None:
    """Return the phase of a moment; None behind the last."""
    return next((phase for phase in phases if at_s < phase.end_s), None)


def live_words(record: Record, phases: Sequence[Phase], at_s: float) -> list[str]:
    """Return how it goes, what matters most first: phase and time left, rate, times, errors, what was done, memory."""
    phase = phase_at(phases, at_s)
    left = max(0.0, phases[-1].end_s - at_s) if phases else 0.0
    words = [f"{phase.name if phase else 'ending'}, {shown_duration(left)} left"]
    if record.intervals:
        words += _traffic(record.intervals[-1])
    failed = sum(each.failed for each in record.intervals)
    words.append(f"{failed:,} failed")
    errors = sum(line.level != "warning" for line in record.log)
    if errors:
        words.append(f"{errors} errors logged")
    if record.events:
        words.append(f"{record.events[-1].kind} {record.events[-1].target}")
    if record.samples:
        words.append(_memory(record.samples[-1]))
    return [word for word in words if word]


def fitted(words: Sequence[str], columns: int | None) -> str:
    """Return the words on one line, without the last ones that have no room. columns: of the line; None: any."""
    line = words[0][:columns] if words else ""
    for word in words[1:]:
        longer = f"{line}  {word}"
        if columns is not None and len(longer) > columns:
            break
        line = longer
    return line


def _traffic(interval: Interval) -> list[str]:
    rate = interval.answered / interval.length_s if interval.length_s else 0.0
    words = [f"{rate:,.0f}/s", f"{interval.users} users"]
    if interval.times.count:
        times = interval.times.histogram()
        words.append(f"p50 {times.percentile_us(50) / 1000:.1f} p99 {times.percentile_us(99) / 1000:.1f} ms")
    return words


def _memory(sample: Sample) -> str:
    sizes = [f"{one.rss_bytes / _MIB:.1f}" for one in sample.processes if one.role == "worker"]
    return f"workers {' + '.join(sizes)} MiB" if sizes else ""


class Live:
    """Writes the line."""

    def __init__(self, stream: TextIO) -> None:
        """stream: where to; whether it is a terminal decides how."""
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._next_s = 0.0
        self._width = 0

    def show(self, words: Sequence[str], at_s: float) -> None:
        """Show them now, or leave them out."""
        if self._is_terminal:
            room = max(1, self._columns() - KEPT_COLUMNS)
            line = fitted(words, room)
            self._stream.write("\r" + line.ljust(min(self._width, room)))
            self._width = len(line)
        elif at_s >= self._next_s:
            self._next_s = at_s + EVERY_S
            self._stream.write(fitted(words, None) + "\n")
        self._stream.flush()

    def _columns(self) -> int:
        """Of this terminal: that of the output may be none."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except OSError:
            return COLUMNS

    def close(self) -> None:
        """Leave the line as it is, and go to the next; what is shown later begins a new one."""
        if self._is_terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0
