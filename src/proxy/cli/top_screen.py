"""The live view of `penstock top`: its sections by rich, as many rows of each as fit the terminal."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from proxy.admin.top import Top

from .top_sections import BAD, Cell, Section, instances, refusals, resilience, routes, summary, workers

_STYLES: Final = {"": "", "bad": "bold red", "warn": "yellow", "good": "green", "soft": "dim"}
_KEYS: Final = "q quit   s sort   p pause   up and down scroll"
_ROWS_LEAST: Final = 3
_FEW_ROWS: Final = 6
_REASONS_MAX: Final = 3
_AROUND: Final = 3
"""Lines of a section beside its rows: title, head, and an empty one."""
_WIDE: Final = 96
"""Columns of a terminal that has room for all columns of a table."""


class View(NamedTuple):
    """How it is looked at. skipped: rows of routes and instances that are scrolled away; problem: why there is no
    newer answer.
    """

    sort: str = "rate"
    skipped: int = 0
    is_paused: bool = False
    problem: str = ""


def screen(top: Top, view: View, width: int, height: int) -> RenderableType:
    """Return what fits a terminal of so many columns and lines."""
    lines: list[RenderableType] = [_title(top, view), _line(summary(top))]
    more = resilience(top)
    lines += [_line(more)] if more else []
    lines += [_line([Cell(f"  {reason}", BAD)]) for reason in top.reasons[:_REASONS_MAX]]
    many = [routes(top, view.sort), instances(top)]
    least = sum(min(len(section.rows), _ROWS_LEAST) + _AROUND for section in many)
    room = height - len(lines) - 1
    few = []
    for section in (workers(top), refusals(top)):
        rows = min(len(section.rows), _FEW_ROWS, room - least - _AROUND)
        if rows > 0:
            few.append(section._replace(rows=section.rows[:rows]))
            room -= rows + _AROUND
    for section, rows in zip(many, shares([len(each.rows) or 1 for each in many], room - 2 * _AROUND), strict=True):
        skipped = min(view.skipped, max(0, len(section.rows) - rows))
        lines += _table(section._replace(rows=section.rows[skipped : skipped + rows]), width)
    for section in few:
        lines += _table(section, width)
    return Group(*lines, Text(_KEYS, style="dim", no_wrap=True, overflow="ellipsis"))


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """Return how many lines each of several lists gets: what a short one leaves goes to the others."""
    given = [0] * len(wanted)
    left = max(room, _ROWS_LEAST * len(wanted))
    while left > 0 and any(have < want for have, want in zip(given, wanted, strict=True)):
        for at, want in enumerate(wanted):
            if given[at] < want and left > 0:
                given[at] += 1
                left -= 1
    return given


def _title(top: Top, view: View) -> Text:
    title = Text.assemble(("Penstock", "bold"), f" {top.gateway} {top.version}  ", no_wrap=True, overflow="ellipsis")
    title.append("ready" if top.ready else "NOT READY", style="bold green" if top.ready else "bold red")
    title.append(f"  settings {top.revision}, over {top.window_s:.0f} s", style="dim")
    if view.is_paused:
        title.append("  paused", style="bold yellow")
    if view.problem:
        title.append(f"  {view.problem}", style="bold red")
    return title


def _line(cells: Sequence[Cell]) -> Text:
    line = Text("   ", no_wrap=True, overflow="ellipsis").join(_text(cell) for cell in cells)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _text(cell: Cell) -> Text:
    return Text(cell.text, style=_STYLES[cell.tone])


def _table(section: Section, width: int) -> list[RenderableType]:
    title = Text(section.title, style="bold", no_wrap=True, overflow="ellipsis")
    if not section.rows:
        return [title, Text(f"  {section.none}", style="dim"), Text("")]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    shown = [at for at in range(len(section.head)) if width >= _WIDE or at not in section.wide]
    for at in shown:
        name, is_right = section.head[at], at in section.right
        # Texts are cut where there is no room; numbers are not.
        longest = max(len(name), *(len(row[at].text) for row in section.rows)) if is_right else None
        table.add_column(
            name, justify="right" if is_right else "left", no_wrap=True, overflow="ellipsis", min_width=longest
        )
    for row in section.rows:
        table.add_row(*(_text(row[at]) for at in shown))
    return [title, table, Text("")]
