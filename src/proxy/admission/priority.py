"""Priority: how much a request matters, as it says itself (`x-priority`) where its source is trusted."""

from enum import IntEnum
from typing import Final


class Priority(IntEnum):
    """The less, the more it matters."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


WEIGHTS: Final = {Priority.CRITICAL: 8, Priority.HIGH: 4, Priority.NORMAL: 2, Priority.LOW: 1}
"""Which part of the places each gets while all of them wait."""

HEADER: Final = b"x-priority"

_BY_WORD: Final = {priority.name.lower().encode("ascii"): priority for priority in Priority}


def read_priority(value: bytes | None, otherwise: Priority) -> Priority:
    """Return the priority that a field names; otherwise: where it is not there, or is none that we know."""
    return otherwise if value is None else _BY_WORD.get(value.strip().lower(), otherwise)
