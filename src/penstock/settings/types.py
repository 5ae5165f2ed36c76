"""The kinds of value that a setting can have: how each is read from text, and how it is written back.

A value with a unit is always written with it (``250ms``, ``64KiB``): a bare number is an error, because nobody can tell
by looking at it whether it was meant in seconds or in milliseconds. Inside the program the unit stands in the field's
name (``deadline_ms``), and the value is an integer.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

import msgspec

from .errors import BadValueError as BadValueError  # kinds raise it, so it is found beside them
from .errors import Step

T = TypeVar("T")

Raw: TypeAlias = "str | Sequence[Raw] | Mapping[str, Raw]"
"""A value as a source gives it: text, or, in a file, a list or a table of such."""

Place: TypeAlias = Callable[[tuple[Step, ...]], str]
"""Tells of a path within a value where it stands: ``file:line``, or the variable or flag and the path."""

SECRET_SHOWN = "***"  # noqa: S105 - this is what stands in a secret's place

MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

_MISSPELT = {"kb": "KiB", "mb": "MiB", "gb": "GiB", "k": "KiB", "m": "MiB", "sec": "s", "µs": "us"}
_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s?([A-Za-zµ%]*)")


class Secret(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A text that must not be shown. False when empty; only `reveal` gives it away."""

    _text: str = ""

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Return stars."""
        return f"Secret({SECRET_SHOWN if self._text else ''})"

    __str__ = __repr__


class Kind(ABC, Generic[T]):
    """What a setting's value is. `suffix` is what the field's name has more than the setting's name (its unit)."""

    label: str = ""
    suffix: str = ""

    @abstractmethod
    def parse(self, raw: Raw) -> T:
        """Return the value, which shares no list or table with the source's, or raise `BadValueError`."""

    def render(self, value: T) -> str:
        """Return the text that would be parsed to this value."""
        return str(value)

    @property
    @abstractmethod
    def example(self) -> str:
        """A text that is right, for errors."""

    @property
    def actual(self) -> "Kind[Any]":
        """The kind itself, where this one stands for another."""
        return self

    @property
    def has_secrets(self) -> bool:
        """Whether a part of the value must not be shown."""
        return False

    def plain(self, value: T) -> Raw:
        """Return what a file would say: texts, lists and tables, with secrets as stars."""
        return self.render(value)

    def located(self, value: T, place: Place) -> T:
        """Return the value with the places of its parts, where it has room for them. place: of a path within it."""
        del place
        return value


class TextKind(Kind[T]):
    """A kind whose values are one text each, also in a file."""

    def parse(self, raw: Raw) -> T:
        """Return the value, or raise `BadValueError`."""
        if not isinstance(raw, str):
            raise BadValueError(f"a {self.label} is one value", f"write {self.example}")
        return self.parse_text(raw.strip())

    @abstractmethod
    def parse_text(self, text: str) -> T:
        """Return the value of a text without surrounding space, or raise `BadValueError`."""


def _fail_unit(number: str, unit: str, label: str, units: Mapping[str, int], common: Sequence[str]) -> NoReturn:
    choices = " or ".join(f"{number}{name}" for name in common)
    if not unit:
        raise BadValueError(f"a {label} needs a unit", f"write {choices}")
    nearest = ({name.lower(): name for name in units} | _MISSPELT).get(unit.lower())
    fix = f"write {number}{nearest}" if nearest in units else f"write {choices}"
    raise BadValueError(f"{unit!r} is no unit of a {label} ({', '.join(units)})", fix)


def _scaled(text: str, label: str, units: Mapping[str, int], common: Sequence[str], resolution: int) -> tuple[int, int]:
    """Return how often the resolution goes into the text's value, and what is left over."""
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise BadValueError(f"{text!r} is no {label}", f"write a number and its unit, like {common[0]}")
    number, unit = match.groups()
    if unit not in units:
        _fail_unit(number, unit, label, units, [re.sub(r"[0-9.]", "", name) for name in common])
    return _exact(number, units[unit], resolution)


def _exact(number: str, factor: int, divisor: int) -> tuple[int, int]:
    """Return the quotient and the rest of number * factor / divisor without going through floats."""
    whole, _, decimals = number.partition(".")
    divisor *= int("1" + "0" * len(decimals))
    return divmod(int(whole + decimals) * factor, divisor)


class Duration(TextKind[int]):
    """A length of time, as a whole number of `unit` (``us`` or ``ms``), which is also the suffix of the field."""

    label = "duration"
    example = "10s"

    def __init__(self, unit: str = "ms") -> None:
        self.unit = unit
        self.suffix = f"_{unit}"

    def parse_text(self, text: str) -> int:
        """Read ``250ms``, ``1.5s``, ``2m``; finer than the unit is an error, never rounded."""
        count, rest = _scaled(text, self.label, MICROSECONDS, ("10s", "10ms"), MICROSECONDS[self.unit])
        if rest:
            raise BadValueError(f"{text!r} is finer than 1{self.unit}", f"write a whole number of {self.unit}")
        return count

    def render(self, value: int) -> str:
        """Return it in the largest unit that needs no fraction."""
        return _in_largest_unit(value * MICROSECONDS[self.unit], MICROSECONDS, f"0{self.unit}")


class Size(TextKind[int]):
    """A number of bytes."""

    label = "size"
    example = "64KiB"

    def parse_text(self, text: str) -> int:
        """Read ``512B``, ``64KiB``, ``1.5MiB``."""
        count, rest = _scaled(text, self.label, BYTES, ("64KiB", "1B"), 1)
        if rest:
            raise BadValueError(f"{text!r} is no whole number of bytes", f"write {self.example}")
        return count

    def render(self, value: int) -> str:
        """Return it in the largest unit that needs no fraction."""
        return _in_largest_unit(value, BYTES, "0B")


class Rate(Size):
    """A number of bytes per second, written like a size."""

    label = "rate"
    suffix = "_bytes_per_second"
    example = "1KiB"

    def parse_text(self, text: str) -> int:
        """Read ``1KiB`` or ``1KiB/s``."""
        return super().parse_text(text.removesuffix("/s"))


def _in_largest_unit(count: int, units: Mapping[str, int], zero: str) -> str:
    for name, scale in sorted(units.items(), key=lambda item: -item[1]):
        if count and count % scale == 0:
            return f"{count // scale}{name}"
    return zero


class Count(TextKind[int]):
    """A whole number of things."""

    label = "count"
    example = "256"

    def parse_text(self, text: str) -> int:
        """Read decimal digits, nothing else."""
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise BadValueError(f"{text!r} is no whole number", f"write digits only, like {self.example}")
        return int(text)


class Fraction(TextKind[float]):
    """A part of the whole, from 0 to 1."""

    label = "fraction"
    example = "10%"

    def parse_text(self, text: str) -> float:
        """Read ``10%`` or ``0.1``."""
        match = _NUMBER_AND_UNIT.fullmatch(text)
        if match is None or match.group(2) not in ("", "%"):
            raise BadValueError(
                f"{text!r} is no fraction", "write a percentage like 10%, or a number from 0 to 1 like 0.1"
            )
        value = float(match.group(1)) / (100 if match.group(2) else 1)
        if value > 1:
            raise BadValueError(
                f"{text} is more than the whole", "write a percentage up to 100%, or a number from 0 to 1"
            )
        return value

    def render(self, value: float) -> str:
        """Return it as a percentage."""
        return f"{value * 100:.10g}%"


class Flag(TextKind[bool]):
    """Yes or no, written ``true`` or ``false`` and in no other way."""

    label = "switch"
    example = "true or false"

    def parse_text(self, text: str) -> bool:
        """Read ``true`` or ``false``."""
        if text not in ("true", "false"):
            raise BadValueError(f"{text!r} is neither true nor false", "write true or false")
        return text == "true"

    def render(self, value: bool) -> str:
        """Return ``true`` or ``false``."""
        return "true" if value else "false"


class Text(TextKind[str]):
    """A text that matches a pattern. meaning: the pattern in words."""

    label = "text"

    def __init__(self, pattern: str, meaning: str, example: str) -> None:
        self._pattern = re.compile(pattern)
        self._meaning = meaning
        self._example = example

    @property
    def example(self) -> str:
        """A text that is right."""
        return self._example

    @property
    def pattern(self) -> str:
        """The pattern that the whole text matches."""
        return self._pattern.pattern

    def parse_text(self, text: str) -> str:
        """Return the text if it matches or is empty, which is how a default says that there is none."""
        if text and not self._pattern.fullmatch(text):
            raise BadValueError(f"{text!r} is not {self._meaning}", f"write {self._meaning}, like {self._example}")
        return text


class Choice(TextKind[str]):
    """One of a few words."""

    label = "choice"

    def __init__(self, *words: str) -> None:
        self.words = words

    @property
    def example(self) -> str:
        """All the words."""
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def parse_text(self, text: str) -> str:
        """Return the word, in lower case."""
        if text.lower() not in self.words:
            raise BadValueError(f"{text!r} is none of {', '.join(self.words)}", f"write {self.example}")
        return text.lower()


class SecretText(TextKind[Secret]):
    """A secret. It can also be read from a file, by the variable with ``_FILE`` at its end, and is never shown."""

    label = "secret"
    has_secrets = True
    example = "the secret, or name the file that holds it by the variable with _FILE at its end"

    def parse_text(self, text: str) -> Secret:
        """Take printable ASCII; what is wrong is told without repeating the text."""
        if not re.fullmatch(r"[\x21-\x7e]{0,4096}", text):
            raise BadValueError(
                "a secret is at most 4096 printable ASCII characters without spaces",
                "look for stray characters in it",
            )
        return Secret(text)

    def render(self, value: Secret) -> str:
        """Return stars, or nothing."""
        return SECRET_SHOWN if value else ""
