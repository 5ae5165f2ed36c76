"""Versions and ranges of versions: strict semver 2.0.0 (semver.org), and ranges as npm writes them.

    1.4.0            this version             ^1.2     from 1.2.0 until the next major version
    1.x or 1         any 1                    ~1.2.3   from 1.2.3 until the next minor version
    1.2 - 1.8        from 1.2.0 through 1.8   >=1.2 <2 both of them
    *                any version              ^1 || ^3 either of them

What a range leaves out of a version is 0 at its lower end and anything at its upper end. Below 1.0.0, ``^`` holds the
first number that is not zero: ``^0.2.3`` is any 0.2 from 0.2.3. A pre-release is in a range only where one of the
comparators that it meets names a pre-release of the same three numbers: ``>=1.2.0-rc.1`` has 1.2.0-rc.2 and not
1.3.0-rc.1, since whoever asked for an unfinished 1.2.0 has not asked for an unfinished 1.3.0. Build metadata is not
compared (semver.org, rule 10).

Left out of npm's grammar is what could be misread: a ``v`` before a version, ``~>``, an empty alternative, ``1.x.3``.
"""

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn

from frames.template import quoted

TEXT_CHARACTERS_MAX: Final = 255
"""Of a version or a range: what semver.org suggests for a version, and clients may send both."""


class VersionError(ValueError):
    """A text that is no version, or no range: one line that says what is wrong, and what to write instead."""


Identifiers = tuple[tuple[int, int, str], ...]
"""Of a pre-release: numbers as (0, number, ""), which come before texts as (1, 0, text) (semver.org, rule 11.4)."""

_FINISHED: Final[Identifiers] = ((2, 0, ""),)
LOWEST: Final[Identifiers] = ((0, 0, ""),)
"""Of the first pre-release that a version can have, ``-0``."""


class Version(NamedTuple):
    """A version. They compare and sort by precedence (semver.org, rule 11)."""

    major: int
    minor: int
    patch: int
    pre: Identifiers = _FINISHED
    """Of a version that is no pre-release, something that comes after all of them."""

    @property
    def is_pre_release(self) -> bool:
        """Whether it is unfinished."""
        return self.pre != _FINISHED

    @property
    def core(self) -> tuple[int, int, int]:
        """The three numbers."""
        return self[:3]

    def __str__(self) -> str:
        """Return it without build metadata."""
        core = f"{self.major}.{self.minor}.{self.patch}"
        return (
            f"{core}-{'.'.join(text or str(number) for _, number, text in self.pre)}" if self.is_pre_release else core
        )


_NUMBER = "(?:0|[1-9][0-9]*)"
_IDENTIFIER = "(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_PRE_AND_BUILD = rf"(?:-(?P<pre>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+(?P<build>[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
_VERSION = re.compile(rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER}){_PRE_AND_BUILD}")
_NUMBER_OR_X = f"(?:{_NUMBER}|[xX*])"
_PARTIAL = re.compile(
    rf"(?P<major>{_NUMBER_OR_X})(?:\.(?P<minor>{_NUMBER_OR_X})(?:\.(?P<patch>{_NUMBER_OR_X}){_PRE_AND_BUILD})?)?"
)
_OPERATOR = re.compile(r"(\^|~|>=|<=|>|<|=)?(.*)", re.DOTALL)
_AFTER_OPERATOR = re.compile(r"(?<=[\^~<>=])\s+")


@lru_cache(maxsize=1024)
def parse_version(text: str) -> Version:
    """Return a strict version, without its build metadata; VersionError where it is none."""
    match = _VERSION.fullmatch(text) if len(text) <= TEXT_CHARACTERS_MAX else None
    if match is None:
        _refuse_version(text)
    numbers = (int(match["major"]), int(match["minor"]), int(match["patch"]))
    return Version(*numbers, _identifiers(match["pre"]))


def is_version(text: str) -> bool:
    """Whether a text is a strict version."""
    return len(text) <= TEXT_CHARACTERS_MAX and _VERSION.fullmatch(text) is not None


def without_build(text: str) -> str:
    """Return a version's text up to its build metadata."""
    return text.partition("+")[0]


def _identifiers(pre: str | None) -> Identifiers:
    if pre is None:
        return _FINISHED
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split("."))


def _refuse_version(text: str) -> NoReturn:
    raise VersionError(f"{quoted(text)} is no version: {_why(text) or 'write major.minor.patch, like 1.4.0'}")


def _why(text: str) -> str:
    """Return the fix for a common mistake, or nothing."""
    if not text:
        return "it is empty; write one like 1.4.0"
    if len(text) > TEXT_CHARACTERS_MAX:
        return f"it is longer than {TEXT_CHARACTERS_MAX} characters"
    if re.match(r"[vV][0-9]", text):
        return f"leave out the {text[0]!r}"
    if re.search(r"(?:^|[.^~<>=\s-])0[0-9]+(?:[.\s-]|$)", text.partition("+")[0]):
        return "a number must not begin with 0"
    return ""


class Comparator(NamedTuple):
    """One bound of a range."""

    compare: Callable[[Any, Any], bool]
    bound: Version

    def holds(self, version: Version) -> bool:
        """Whether the version lies on the right side."""
        return self.compare(version, self.bound)


Comparators = tuple[Comparator, ...]


class Range(NamedTuple):
    """A range: one of the alternatives must hold, and of that every comparator."""

    text: str
    alternatives: tuple[Comparators, ...]

    def matches(self, version: Version) -> bool:
        """Whether the version is in the range."""
        return any(_all_hold(comparators, version) for comparators in self.alternatives)

    def highest(self, versions: Iterable[Version]) -> Version | None:
        """Return the highest of the versions that are in the range."""
        return highest(version for version in versions if self.matches(version))


def highest(versions: Iterable[Version]) -> Version | None:
    """Return the version of the highest precedence, if there is any."""
    return max(versions, default=None)


def _all_hold(comparators: Comparators, version: Version) -> bool:
    if not all(comparator.holds(version) for comparator in comparators):
        return False
    return not version.is_pre_release or any(
        bound.is_pre_release and bound.core == version.core for _, bound in comparators
    )


@lru_cache(maxsize=256)
def parse_range(text: str) -> Range:
    """Return a range; VersionError where it is none. Every version is a range, too."""
    if not text.strip() or len(text) > TEXT_CHARACTERS_MAX:
        _refuse_range(text, text)
    return Range(text, tuple(_alternative(part.strip(), text) for part in text.split("||")))


def _refuse_range(part: str, text: str) -> NoReturn:
    why = _why(part) or "write one like 1.4.0, ^1.2, ~1.2.3, 1.x, >=1.2 <2 or ^1 || ^3"
    where = f" in {quoted(text)}" if part != text else ""
    raise VersionError(f"{quoted(part)}{where} is no version and no range: {why}")


def _alternative(part: str, text: str) -> Comparators:
    words = _AFTER_OPERATOR.sub("", part).split()
    if not words:
        raise VersionError(f"{quoted(text)} is no range: nothing stands on one side of ||")
    if len(words) == 3 and words[1] == "-":
        return _at_least(_partial(words[0], text)) + _at_most(_partial(words[2], text))
    return tuple(comparator for word in words for comparator in _simple(word, text))


class _Partial(NamedTuple):
    """A version of which numbers may be left out from the right; they are 0 in it."""

    version: Version
    numbers: int
    """How many are given."""

    def next(self, place: int) -> Version:
        """Return the lowest version, pre-releases included, whose number at a place (0 to 2) is higher by one."""
        core = self.version.core
        raised = (*core[:place], core[place] + 1, 0, 0)
        return Version(raised[0], raised[1], raised[2], LOWEST)


_NOTHING: Final = (Comparator(operator.lt, Version(0, 0, 0, LOWEST)),)
_ANYTHING: Final = (Comparator(operator.ge, Version(0, 0, 0)),)


def _partial(word: str, text: str) -> _Partial:
    match = _PARTIAL.fullmatch(word)
    if match is None:
        _refuse_range(word, text)
    numbers: list[int] = []
    is_open = False
    for part in match.group("major", "minor", "patch"):
        if part is None or part in "xX*":
            is_open = True
        elif is_open:
            _refuse_range(word, text)
        else:
            numbers.append(int(part))
    if is_open and (match["pre"] or match["build"]):
        _refuse_range(word, text)
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return _Partial(Version(major, minor, patch, _identifiers(match["pre"])), len(numbers))


def _simple(word: str, text: str) -> Comparators:
    match = _OPERATOR.fullmatch(word)
    sign, rest = match.groups() if match else (None, word)
    partial = _partial(rest, text)
    return _BY_SIGN[sign or "="](partial)


def _at_least(partial: _Partial) -> Comparators:
    return (Comparator(operator.ge, partial.version),)


def _at_most(partial: _Partial) -> Comparators:
    if not partial.numbers:
        return _ANYTHING
    if partial.numbers == 3:
        return (Comparator(operator.le, partial.version),)
    return (_before(partial.next(partial.numbers - 1)),)


def _above(partial: _Partial) -> Comparators:
    if not partial.numbers:
        return _NOTHING
    if partial.numbers == 3:
        return (Comparator(operator.gt, partial.version),)
    return (Comparator(operator.ge, partial.next(partial.numbers - 1)._replace(pre=_FINISHED)),)


def _below(partial: _Partial) -> Comparators:
    if not partial.numbers:
        return _NOTHING
    version = partial.version
    return (_before(version if partial.numbers == 3 else version._replace(pre=LOWEST)),)


def _equal(partial: _Partial) -> Comparators:
    if partial.numbers == 3:
        return (Comparator(operator.eq, partial.version),)
    return _at_least(partial) + _at_most(partial)


def _tilde(partial: _Partial) -> Comparators:
    if partial.numbers < 2:
        return _equal(partial)
    return (*_at_least(partial), _before(partial.next(1)))


def _caret(partial: _Partial) -> Comparators:
    if not partial.numbers:
        return _ANYTHING
    given = partial.version.core[: partial.numbers]
    place = next((at for at, number in enumerate(given) if number), len(given) - 1)
    return (*_at_least(partial), _before(partial.next(place)))


def _before(bound: Version) -> Comparator:
    return Comparator(operator.lt, bound)


_BY_SIGN: Final[dict[str, Callable[[_Partial], Comparators]]] = {
    "=": _equal,
    "^": _caret,
    "~": _tilde,
    ">=": _at_least,
    "<=": _at_most,
    ">": _above,
    "<": _below,
}
