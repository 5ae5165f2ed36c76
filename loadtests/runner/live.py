"""The line that shows how a run goes: rewritten in place at a terminal, else a line now and then."""

import shutil
from collections.abc import Sequence
from typing import Final, TextIO

from loadtests.record import Interval, Phase, Record, Sample
from loadtests.tools import shown_duration

EVERY_S: Final = 10.0
"""How often a line is written where it cannot be rewritten."""
_MIB: Final = 1 << 20


def phase_at(phases: Sequence[Phase], at_s: float) -> Phase | None:
    """Return the phase of a moment; None behind the last."""
    return next((phase for phase in phases if at_s < phase.end_s), None)


def live_line(record: Record, phases: Sequence[Phase], at_s: float) -> str:
    """Return how it goes: phase, time left, rate, errors, times, memory."""
    phase = phase_at(phases, at_s)
    left = max(0.0, phases[-1].end_s - at_s) if phases else 0.0
    words = [f"{phase.name if phase else 'ending'}, {shown_duration(left)} left"]
    if record.intervals:
        words += _traffic(record.intervals[-1])
    failed = sum(each.failed for each in record.intervals)
    words.append(f"{failed:,} failed")
    if record.samples:
        words.append(_memory(record.samples[-1]))
    if record.events:
        words.append(f"{record.events[-1].kind} {record.events[-1].target}")
    errors = sum(line.level != "warning" for line in record.log)
    if errors:
        words.append(f"{errors} errors logged")
    return "  ".join(word for word in words if word)


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

    def show(self, line: str, at_s: float) -> None:
        """Show a line now, or leave it out."""
        if self._is_terminal:
            line = line[: shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif at_s >= self._next_s:
            self._next_s = at_s + EVERY_S
            self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the line as it is, and go to the next."""
        if self._is_terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0
