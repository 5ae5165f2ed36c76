"""A shape: the phases of a run of a certain length, and how much is wanted at a moment."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from loadtests.record import Phase, PhaseKind

from .document import PhaseWords, RequestWords, ShapeError, ShapeWords, parse

SHARE_S_MIN: Final = 1.0
"""A phase that lasts for a share of the run lasts for at least so long, or the run is too short for the shape."""


class Part(msgspec.Struct, frozen=True):
    """One phase of a shape, whatever the length of the run."""

    name: str
    kind: PhaseKind
    fixed_s: float | None
    share: float
    """Of what is left of the run where it has no fixed length."""
    begin: float
    """How many users, or requests in a second, there are at its beginning."""
    end: float
    """And at its end, to where it goes evenly."""
    kinds: tuple[str, ...]
    """Which kinds of users there are; empty: all."""

    def at(self, part: float) -> float:
        """Return how many users, or requests in a second, there are after that part of it, 0 to 1."""
        return self.begin + (self.end - self.begin) * min(max(part, 0.0), 1.0)


class Shape:
    """What one file says."""

    def __init__(self, words: ShapeWords, source: str) -> None:
        """words: were checked; source: the file, for messages."""
        self.words = words
        self.source = source
        self._parts = [part for phase in words.phases for part in _parts(phase)]
        self._by_name = {part.name: part for part in self._parts}

    def __repr__(self) -> str:
        """Name and loop on one line."""
        return f"<Shape {self.name} {self.loop} phases={len(self._parts)}>"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.words.name

    @property
    def loop(self) -> Literal["open", "closed"]:
        """Whether requests wait for answers to those before."""
        return self.words.loop

    @property
    def users(self) -> list[str]:
        """The kinds of users; in an open loop the engine that sends."""
        return list(self.words.users) or ["open_loop"]

    @property
    def requests(self) -> list[RequestWords]:
        """What an open loop sends."""
        return self.words.requests

    @property
    def shortest_s(self) -> float:
        """The shortest run that has room for all phases."""
        fixed_s = sum(part.fixed_s or 0.0 for part in self._parts)
        shares = [part.share for part in self._parts if part.fixed_s is None]
        return fixed_s + (SHARE_S_MIN * sum(shares) / min(shares) if shares else 0.0)

    def phases(self, duration_s: float) -> list[Phase]:
        """Return the phases of a run of that length. Raises `ShapeError` where it is too short for them.

        Where all phases have a fixed length, the run lasts for their sum.
        """
        if duration_s < self.shortest_s - 1e-6:
            raise ShapeError(
                f"{self.source}: {duration_s:g} s are too short for its phases; "
                f"let the run last for {self.shortest_s:.0f} s or longer"
            )
        shares = sum(part.share for part in self._parts)
        left_s = duration_s - sum(part.fixed_s or 0.0 for part in self._parts)
        phases, at = [], 0.0
        for part in self._parts:
            end = at + (left_s * part.share / shares if part.fixed_s is None else part.fixed_s)
            phases.append(Phase(part.name, part.kind, round(at, 6), round(end, 6)))
            at = end
        return phases

    def part(self, phase: str) -> Part:
        """Return what is wanted in a phase, by its name. Raises `ShapeError` where it has no such phase."""
        try:
            return self._by_name[phase]
        except KeyError:
            raise ShapeError(
                f"{self.source}: it has no phase {phase!r}; the run was planned with another file"
            ) from None

    def level(self, phases: list[Phase], at_s: float) -> float:
        """Return how many users, or requests in a second, are wanted at a moment of a run; 0 outside of it."""
        for phase in phases:
            if phase.begin_s <= at_s < phase.end_s:
                return self.part(phase.name).at((at_s - phase.begin_s) / (phase.end_s - phase.begin_s))
        return 0.0


def read(path: Path) -> Shape:
    """Return the shape in a file. Raises `ShapeError`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ShapeError(f"{path} cannot be read: {why}; give a file of loadtests/shapes") from None
    return read_text(text, str(path))


def read_text(text: str, source: str) -> Shape:
    """Return the shape that a text says. Raises `ShapeError`."""
    return Shape(parse(text, source), source)


def _parts(phase: PhaseWords) -> list[Part]:
    """Return the parts that a phase stands for: one, or one for each of its steps."""
    begin = phase.level if phase.begin is None else phase.begin
    fixed_s = phase.fixed_s
    share = float(phase.lasts) if fixed_s is None else 0.0
    kinds = tuple(phase.kinds)
    if phase.steps == 1:
        return [Part(phase.name, phase.kind, fixed_s, share, begin, phase.level, kinds)]
    by = (phase.level - begin) / (phase.steps - 1)
    each_s = None if fixed_s is None else fixed_s / phase.steps
    levels = [begin + by * number for number in range(phase.steps)]
    return [
        Part(f"{phase.name} {number}", phase.kind, each_s, share / phase.steps, level, level, kinds)
        for number, level in enumerate(levels, 1)
    ]
