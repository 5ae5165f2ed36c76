"""The receive window of a stream: what its peer may send before more is granted (docs/protocol.md, section 6.5).

A window that is too small makes a fast peer wait for each CREDIT; one that is too large lets a slow reader's bytes pile
up here. So one may be elastic: it doubles while the reader empties it faster than the peer may fill it, within a pool
that all streams share, and falls back to its base when the reader does not keep up.
"""

from typing import Final

from frames.limits import DATA_BYTES_MAX

__all__ = ["ElasticWindow", "Window", "WindowPool"]

WINDOW_BYTES_MAX: Final = 1_048_576
"""As much as 10 Gbit/s carry in 0.8 ms, which is longer than a CREDIT takes to have its effect."""


class Window:
    """A window of one size."""

    __slots__ = ("open", "owed", "size")

    def __init__(self, size: int) -> None:
        """size: bytes, at least 1; granted by the greeting already."""
        self.size = size
        self.open = size
        """What the peer may still send."""
        self.owed = 0
        """What was read, and is to be granted again."""

    @property
    def is_due(self) -> bool:
        """Whether a CREDIT is worth a frame."""
        return self.owed >= max(1, self.size // 2)

    def read(self, byte_count: int, *, keeps_up: bool = True) -> None:
        """These bytes are read and gone. keeps_up: the reader has emptied what had come, without waiting."""
        self.owed += byte_count

    def granted(self) -> None:
        """The CREDIT for what is owed was written."""
        self.open += self.owed
        self.owed = 0

    def close(self) -> None:
        """The stream is over."""


class WindowPool:
    """The memory by which elastic windows may grow, all together."""

    __slots__ = ("bytes_max", "held")

    def __init__(self, bytes_max: int) -> None:
        """Begin with nothing held."""
        self.bytes_max = bytes_max
        self.held = 0

    def take(self, byte_count: int) -> bool:
        """Hold this many bytes, all or none."""
        if self.held + byte_count > self.bytes_max:
            return False
        self.held += byte_count
        return True

    def give(self, byte_count: int) -> None:
        """Let go of them."""
        self.held -= byte_count


class ElasticWindow(Window):
    """A window that grows for a fast reader and falls back for a slow one."""

    __slots__ = ("_base", "_pool")

    def __init__(self, size: int, pool: WindowPool) -> None:
        """size: bytes to begin with, and to fall back to."""
        super().__init__(size)
        self._base = size
        self._pool = pool

    def read(self, byte_count: int, *, keeps_up: bool = True) -> None:
        """Take what was read into account, and grow or fall back by it."""
        self.owed += byte_count
        if not keeps_up:
            self._fall_back()
        elif self.open < DATA_BYTES_MAX and self.size < WINDOW_BYTES_MAX and self._pool.take(self.size):
            self.owed += self.size  # the peer had used it up, so it would have sent more
            self.size *= 2

    def close(self) -> None:
        """Give back to the pool what it grew by."""
        self._pool.give(self.size - self._base)
        self.size = self._base

    def _fall_back(self) -> None:
        """Owe less, until only the base is granted; what was granted before cannot be taken back."""
        less = min(self.size - self._base, self.owed)
        if less > 0:
            self._pool.give(less)
            self.size -= less
            self.owed -= less
