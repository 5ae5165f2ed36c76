"""One line of a verdict, and the verdict: what was asked, what was seen, and whether that is held."""

from enum import StrEnum
from typing import Final

import msgspec


class Outcome(StrEnum):
    """What a run says of one rule."""

    HELD = "held"
    BROKEN = "broken"
    UNPROVEN = "unproven"


HELD: Final = 0
BROKEN: Final = 1
UNPROVEN: Final = 2
"""Exit codes: all lines are held; one is broken; none is, but what was seen proves nothing of one."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one rule."""

    name: str
    outcome: Outcome
    said: str
    """What was seen, what was asked, and by how much it is broken, or why nothing is proved."""
    measured: float | None = None
    limit: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        """As the terminal shows it."""
        return f"{self.outcome:<9} {self.name:<24} {self.said}"


class Verdict(msgspec.Struct, frozen=True):
    """All lines, in the order in which they are told."""

    lines: list[Line]
    notes: list[str] = []
    """What should be known beside them: what was not judged, and why."""

    @property
    def broken(self) -> list[Line]:
        """The lines that are."""
        return [line for line in self.lines if line.outcome is Outcome.BROKEN]

    @property
    def unproven(self) -> list[Line]:
        """The lines that are."""
        return [line for line in self.lines if line.outcome is Outcome.UNPROVEN]

    @property
    def exit_code(self) -> int:
        """0, 1 or 2. What is broken is broken, whatever else is unproven; a verdict without a line proves nothing."""
        if self.broken:
            return BROKEN
        return UNPROVEN if self.unproven or not self.lines else HELD

    @property
    def summary(self) -> str:
        """The verdict in a sentence."""
        held = f"{sum(line.outcome is Outcome.HELD for line in self.lines)} of {len(self.lines)} held"
        broken = ", ".join(line.name for line in self.broken)
        unproven = ", ".join(line.name for line in self.unproven)
        if broken:
            return f"BROKEN: {broken} ({held})" + (f"; nothing is proved of: {unproven}" if unproven else "")
        return f"PROVES NOTHING of: {unproven or 'anything'} ({held})" if self.exit_code else f"HELD: {held}"


def held(name: str, said: str, measured: float | None = None, limit: float | None = None, unit: str = "") -> Line:
    """Return a line that is held."""
    return Line(name=name, outcome=Outcome.HELD, said=said, measured=measured, limit=limit, unit=unit)


def broken(name: str, said: str, measured: float | None = None, limit: float | None = None, unit: str = "") -> Line:
    """Return a line that is broken."""
    return Line(name=name, outcome=Outcome.BROKEN, said=said, measured=measured, limit=limit, unit=unit)


def unproven(name: str, said: str, measured: float | None = None, limit: float | None = None, unit: str = "") -> Line:
    """Return a line of which nothing is proved."""
    return Line(name=name, outcome=Outcome.UNPROVEN, said=said, measured=measured, limit=limit, unit=unit)


def percent_over(measured: float, limit: float) -> str:
    """Return by how much a limit is broken, in words."""
    return f"over by {100 * (measured - limit) / limit:.0f} %" if limit else f"over by {measured:,.4g}"
