"""Claims in settings: those that an asker must have, and those that a caller is given."""

from collections.abc import Sequence
from typing import TypeAlias

from .types import BadValueError, Kind, Raw

ClaimValue: TypeAlias = "str | tuple[str, ...]"


class GivenClaim(Kind[ClaimValue]):
    """The value of a claim that is given: a text, or a list of texts."""

    label = "claim"
    example = "read"

    def parse(self, raw: Raw) -> ClaimValue:
        """Read a text or a list of texts."""
        return raw if isinstance(raw, str) else _texts(raw, self.example)

    def plain(self, value: ClaimValue) -> Raw:
        """Return the text or the list."""
        return value if isinstance(value, str) else list(value)

    def render(self, value: ClaimValue) -> str:
        """Return the text, or the texts with commas between."""
        return value if isinstance(value, str) else ", ".join(value)


class WantedClaim(Kind[frozenset[str]]):
    """The values of a claim of which one is wanted: a text, a list of texts, or ``*`` for any value (the empty set)."""

    label = "claim"
    example = "[read, write]"

    def parse(self, raw: Raw) -> frozenset[str]:
        """Read a text, a list of texts, or ``*``."""
        if raw == "*":
            return frozenset()
        values = (raw,) if isinstance(raw, str) else _texts(raw, self.example)
        if not all(values):
            raise BadValueError("no value is wanted", "write the value, a list of values, or '*' for any")
        if "*" in values:
            raise BadValueError("'*' stands alone", "write '*' for any value, or the values without it")
        return frozenset(values)

    def plain(self, value: frozenset[str]) -> Raw:
        """Return the list in order of the alphabet, or ``*``."""
        return sorted(value) or "*"

    def render(self, value: frozenset[str]) -> str:
        """Return the texts with commas between, or ``*``."""
        return ", ".join(sorted(value)) or "*"


def _texts(raw: Raw, example: str) -> tuple[str, ...]:
    if not isinstance(raw, Sequence):
        raise BadValueError("a claim is a text or a list of texts", f"write {example}")
    texts = tuple(item for item in raw if isinstance(item, str))
    if len(texts) != len(raw) or not raw:
        raise BadValueError("a claim is a text or a list of texts", f"write {example}")
    if len(set(texts)) != len(texts):
        raise BadValueError("one value is there twice", "name each once")
    return texts
