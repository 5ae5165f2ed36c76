"""Kinds of numbers that a table needs: parts of a hundred, and how often something may come."""

import re

from .types import BadValueError, TextKind

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s?%?")
_PER_MINUTE = re.compile(r"([0-9]{1,9})\s?/\s?(s|m)")


class Percent(TextKind[float]):
    """A part of a hundred, from 0 to 100."""

    label = "percentage"
    example = "10%"

    def parse_text(self, text: str) -> float:
        """Read ``10``, ``10%`` or ``0.5%``."""
        match = _PERCENT.fullmatch(text)
        if match is None:
            raise BadValueError(f"{text!r} is no percentage", "write a number from 0 to 100, like 10%")
        value = float(match[1])
        if value > 100:
            raise BadValueError(f"{text} is more than the whole", "write a number from 0 to 100, like 10%")
        return value

    def render(self, value: float) -> str:
        """Return it with the sign."""
        return f"{value:.10g}%"


class PerMinute(TextKind[int]):
    """How often something may come, per minute."""

    label = "rate"
    suffix = "_per_minute"
    example = "60/m"

    def parse_text(self, text: str) -> int:
        """Read ``60/m`` or ``1/s``."""
        match = _PER_MINUTE.fullmatch(text)
        if match is None:
            raise BadValueError(f"{text!r} is no rate", "write how often per minute or second, like 60/m or 1/s")
        return int(match[1]) * (60 if match[2] == "s" else 1)

    def render(self, value: int) -> str:
        """Return it per minute."""
        return f"{value}/m"
