"""Kept: answers that are given again for a short time, bounded by count and by bytes. The oldest go first.

Pure: ``now`` is seconds of one clock that only rises. With each answer goes what it was asked with, whole, as its key:
who is given an answer again would have been asked for alike. So no rule about what an answer varies by is needed.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

V = TypeVar("V")

COUNT_MAX: Final = 1_024
BYTES_MAX: Final = 8_388_608
"""Of all routes together: answers live for seconds, so that more would be kept than asked for."""


class Kept(Generic[V]):
    """Answers by key. ``held_bytes``: of all of them, keys included."""

    def __init__(self, count_max: int = COUNT_MAX, bytes_max: int = BYTES_MAX) -> None:
        """Begin with none."""
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._entries: dict[Hashable, tuple[float, int, V]] = {}
        self.held_bytes = 0

    def __len__(self) -> int:
        """How many are kept, those among them that are too old and not yet forgotten."""
        return len(self._entries)

    def __repr__(self) -> str:
        """Count and bytes on one line."""
        return f"<Kept {len(self._entries)} of {self._count_max}, {self.held_bytes} bytes of {self._bytes_max}>"

    def find(self, key: Hashable, now: float) -> V | None:
        """Return what is kept for a key, if that is not too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            self._drop(key)
            return None
        return entry[2]

    def keep(self, key: Hashable, value: V, byte_count: int, expires_at: float, now: float) -> bool:
        """Keep an answer in place of the one of before; False where it alone is too large.

        byte_count: of key and value.
        """
        self._drop(key)
        if byte_count > self._bytes_max or expires_at <= now:
            return False
        while len(self._entries) >= self._count_max or self.held_bytes + byte_count > self._bytes_max:
            self._drop(next(iter(self._entries)))
        self._entries[key] = (expires_at, byte_count, value)
        self.held_bytes += byte_count
        return True

    def sweep(self, now: float) -> None:
        """Forget those at the front that are too old: what nobody asks for again is not held for long."""
        while self._entries:
            key = next(iter(self._entries))
            if self._entries[key][0] > now:
                return
            self._drop(key)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.held_bytes = 0

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.held_bytes -= entry[1]
