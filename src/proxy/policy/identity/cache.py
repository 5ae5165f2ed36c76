"""What was found out about callers, bounded. What is asked for again stays; the rest goes.

Two generations: what is new, or found again, is young; when the young ones are half of what may be kept, they become
the old ones, and the old ones that nobody asked for are gone. It costs one dict lookup to find what is young.
"""

from typing import Generic, TypeVar

V = TypeVar("V")


class Generations(Generic[V]):
    """A bounded mapping from what was sent to what it means. Its ``repr`` shows neither."""

    __slots__ = ("_half", "_old", "young")

    def __init__(self, count_max: int) -> None:
        """Begin empty. count_max: how many are kept, 2 or more."""
        self.resize(count_max)
        self.young: dict[bytes, V] = {}
        """To be looked into first, by whoever is in haste."""
        self._old: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        """Return the value, and keep it longer."""
        value = self.young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Keep a value."""
        if len(self.young) >= self._half and key not in self.young:
            self._old, self.young = self.young, {}
        self.young[key] = value

    def drop(self, key: bytes) -> None:
        """Forget a value."""
        self.young.pop(key, None)
        self._old.pop(key, None)

    def resize(self, count_max: int) -> None:
        """Keep so many from now on."""
        self._half = max(1, count_max // 2)

    def clear(self) -> None:
        """Forget all."""
        self.young, self._old = {}, {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self.young) + len(self._old)

    def __repr__(self) -> str:
        """How many are kept."""
        return f"<Generations {len(self)} of {2 * self._half}>"
