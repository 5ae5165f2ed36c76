"""What can be wrong with settings, said so that one line is enough to mend it."""

import difflib
from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong. code: stable, for tests and scripts; where: ``file:line``, a variable or a flag."""

    code: str
    what: str
    where: str
    why: str
    fix: str

    def __str__(self) -> str:
        """Return all of it on one line."""
        return f"{self.code}: {self.what} ({self.where}): {self.why}; {self.fix}"


class SettingsError(Exception):
    """Settings cannot be used. problems: everything that is wrong, so that it can be mended in one go."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a fix that names the nearest of what is known, or that says to remove it.

    prefix: what all names begin with; left out of the comparison, for it would make all of them alike.
    """
    shortened = [other.removeprefix(prefix) for other in known]
    near = difflib.get_close_matches(name.removeprefix(prefix), shortened, n=1, cutoff=0.7)
    return f"did you mean {prefix}{near[0]}?" if near else "remove it, or see `penstock config` for what there is"
