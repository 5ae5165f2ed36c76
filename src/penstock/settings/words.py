"""A kind for the members of an enumeration."""

from enum import Enum
from typing import TypeVar

from .types import BadValueError, TextKind

E = TypeVar("E", bound=Enum)


class Word(TextKind[E]):
    """A member of an enumeration whose values are words."""

    label = "choice"

    def __init__(self, enumeration: type[E]) -> None:
        self._members = {str(member.value): member for member in enumeration}

    @property
    def words(self) -> tuple[str, ...]:
        """All the words."""
        return tuple(self._members)

    @property
    def example(self) -> str:
        """All the words, as a sentence has them."""
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def parse_text(self, text: str) -> E:
        """Return the member of that word."""
        member = self._members.get(text.lower())
        if member is None:
            raise BadValueError(f"{text!r} is none of {', '.join(self.words)}", f"write {self.example}")
        return member

    def render(self, value: E) -> str:
        """Return its word."""
        return str(value.value)
