"""One chart: an SVG without text, which may be stretched, and its scale in HTML beside it, which is not."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from loadtests.record import Event, Phase

from .series import Series

COLOURS: Final = 8
Axis = Callable[[float], float]
_WIDTH, _HEIGHT = 1000.0, 100.0
_NUMBER_WIDTH: Final = 28.0
"""Of two digits over a narrow chart, in parts of its width."""


def chart(
    title: str,
    unit: str,
    lines: Sequence[Series],
    *,
    duration_s: float,
    phases: Sequence[Phase] = (),
    events: Sequence[Event] = (),
    is_logarithmic: bool = False,
) -> str:
    """Return a card with lines over the time of a run, its phases behind them, and events as numbered marks."""
    values = [value for each in lines for _, value in each.points if value is not None]
    if not values:
        return f'<div class="card"><h2>{escape(title)}</h2><p class="none">Nothing of it was seen.</p></div>'
    marks = scale(min(values), max(values), is_logarithmic=is_logarithmic)
    low, high = marks[0], marks[-1]

    def y_of(value: float) -> float:
        return _HEIGHT * (1 - _part(value, low, high, is_logarithmic=is_logarithmic))

    def x_of(at_s: float) -> float:
        return _WIDTH * min(1.0, max(0.0, at_s / duration_s)) if duration_s else 0.0

    drawn = [
        *(_shade(phase, x_of) for phase in phases if phase.kind != "load"),
        *(f'<line class="grid" x1="0" x2="{_WIDTH:g}" y1="{y_of(mark):.1f}" y2="{y_of(mark):.1f}"/>' for mark in marks),
        *(
            f'<line class="event" x1="{x_of(e.begin_s):.1f}" x2="{x_of(e.begin_s):.1f}" y1="0" y2="100"/>'
            for e in events
        ),
        *(
            f'<path class="k{number % COLOURS}" d="{_path(each, x_of, y_of)}"/>'
            for number, each in reversed(list(enumerate(lines)))
        ),
    ]
    keys = "".join(
        f'<span class="key k{number % COLOURS}">{escape(each.name)}</span>' for number, each in enumerate(lines)
    )
    levels = "".join(f'<span style="top:{y_of(mark):.1f}%">{shown(mark)}</span>' for mark in marks)
    numbers = "".join(
        f'<span style="left:{x_of(event.begin_s) / 10:.2f}%" title="{escape(event.kind)} {escape(event.target)}">'
        f"{number}</span>"
        for number, event in _numbered(events, x_of)
    )
    seconds = "".join(f"<span>{clock(duration_s * part / 4)}</span>" for part in range(5))
    return (
        f'<div class="card"><h2>{escape(title)} <span class="unit">{escape(unit)}'
        f'{", logarithmic" if is_logarithmic else ""}</span><span class="keys">{keys}</span></h2>'
        f'<div class="plot"><div class="levels">{levels}</div><div class="area">'
        f'<div class="numbers">{numbers}</div>'
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="{escape(title)}">'
        f"{''.join(drawn)}</svg></div></div>"
        f'<div class="seconds">{seconds}</div></div>'
    )


def _numbered(events: Sequence[Event], x_of: Axis) -> Iterator[tuple[int, Event]]:
    """Return events with their numbers, without those whose number would lie upon the one before."""
    last = -math.inf
    for number, event in enumerate(events, 1):
        if x_of(event.begin_s) - last >= _NUMBER_WIDTH:
            last = x_of(event.begin_s)
            yield number, event


def scale(low: float, high: float, *, is_logarithmic: bool = False) -> list[float]:
    """Return round levels from below the lowest value to above the highest; from zero where not logarithmic."""
    if is_logarithmic:
        smallest = max(low, 1e-3)
        first, last = math.floor(math.log10(smallest)), math.ceil(math.log10(max(high, smallest * 1.01)))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    rough = max(high, 1e-9) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)
    if high == 0:
        step = 0.25
    return [step * number for number in range(math.ceil(max(high, step) / step - 1e-9) + 1)]


def shown(value: float) -> str:
    """Return a number short enough for a scale."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1000 if unit == 'k' else size):g}{unit}"
    return f"{value:,.4g}" if abs(value) >= 1000 else f"{value:g}"


def clock(seconds: float) -> str:
    """Return a moment of a run, as 1:02:03 or 2:03."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _part(value: float, low: float, high: float, *, is_logarithmic: bool) -> float:
    if is_logarithmic:
        value, low, high = (math.log10(max(each, low)) for each in (value, low, high))
    return (value - low) / (high - low) if high > low else 0.0


def _shade(phase: Phase, x_of: Axis) -> str:
    begin, end = x_of(phase.begin_s), x_of(phase.end_s)
    return f'<rect class="{phase.kind}" x="{begin:.1f}" width="{max(0.0, end - begin):.1f}" y="0" height="100"/>'


def _path(line: Series, x_of: Axis, y_of: Axis) -> str:
    steps, is_drawing = [], False
    for at, value in line.points:
        if value is not None:
            steps.append(f"{'L' if is_drawing else 'M'}{x_of(at):.1f} {y_of(value):.2f}")
        is_drawing = value is not None
    return "".join(steps)
