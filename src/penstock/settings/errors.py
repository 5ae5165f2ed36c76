"""What can be wrong with settings, said so that one line is enough to mend it."""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

_PASSWORD: Final = re.compile(r"""[^\s/:@'"]*:[^\s/@'"]*@""")

Step: TypeAlias = "str | int"
"""A step into a value: the key of a table, or the index into a list."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong. code: stable, for tests and scripts; where: ``file:line``, a variable or a flag."""

    code: str
    what: str
    where: str
    why: str
    fix: str

    def __str__(self) -> str:
        """Return all of it on one line; a password in front of a host is not repeated."""
        return _PASSWORD.sub("***@", f"{self.code}: {self.what} ({self.where}): {self.why}; {self.fix}")


class SettingsError(Exception):
    """Settings cannot be used. problems: everything that is wrong, so that it can be mended in one go."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class BadValueError(ValueError):
    """A text that is no value of its kind. why: what is wrong with it; fix: what to write instead.

    path: where in a table or a list it is, empty for the value itself; shown: the value, as far as it may be shown,
    None where whoever knows it has yet to say. code: as in `Problem`.
    """

    def __init__(
        self, why: str, fix: str, *, path: tuple[Step, ...] = (), code: str = "bad_value", shown: str | None = None
    ) -> None:
        super().__init__(f"{why}: {fix}")
        self.why = why
        self.fix = fix
        self.path = path
        self.code = code
        self.shown = shown

    @property
    def faults(self) -> "tuple[BadValueError, ...]":
        """Return each thing that is wrong."""
        return (self,)

    def within(self, step: Step, shown: str) -> "BadValueError":
        """Return the same as seen from the table or list around it. shown: the value at that step, or nothing."""
        known = shown if self.shown is None and not self.path else self.shown
        return BadValueError(self.why, self.fix, path=(step, *self.path), code=self.code, shown=known)


class BadValuesError(BadValueError):
    """Several things are wrong with one value."""

    def __init__(self, faults: Iterable[BadValueError]) -> None:
        self._faults = tuple(faults)
        first = self._faults[0]
        super().__init__(first.why, first.fix, path=first.path, code=first.code, shown=first.shown)

    @property
    def faults(self) -> tuple[BadValueError, ...]:
        """Return each thing that is wrong."""
        return self._faults


SHOWN_MAX = 120
"""Characters of a wrong value that an error repeats."""


def shortened(text: str) -> str:
    """Return a wrong value as far as an error repeats it."""
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def path_text(path: Iterable[Step]) -> str:
    """Return a path as it is written behind a name: ``[2].split.weights``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


_REMOVE = "remove it, or see `penstock config` for what there is"


def did_you_mean(name: str, known: Iterable[str], prefix: str = "", *, otherwise: str = _REMOVE) -> str:
    """Return a fix that names the nearest of what is known, or what it says otherwise.

    prefix: what all names begin with; left out of the comparison, for it would make all of them alike.
    """
    import difflib  # only mistakes need it

    shortened = [other.removeprefix(prefix) for other in known]
    near = difflib.get_close_matches(name.removeprefix(prefix), sorted(shortened), n=1, cutoff=0.7)
    return f"did you mean {prefix}{near[0]}?" if near else otherwise
