"""A set of files that belong together, and that somebody may replace at any moment, one after the other.

What is read is checked whole before it counts. So a half-written file, or a new certificate whose key is still the old
one, is only a pair that is not good *yet*: what was loaded before stays in use, and it is tried again at each look.
Somebody is told when it is still the same, and still bad, one look later.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from proxy.config.watching import Stamp, stamp_of

from .problems import CertificateError

T = TypeVar("T")


class Watched(Generic[T]):
    """A value read from files, kept until the files hold another good one."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read it for the first time.

        Raises:
            CertificateError: it cannot be read. A gateway does not start with that.
        """
        self._paths = tuple(dict.fromkeys(paths))
        self._read = read
        self._stamps = self._look()
        self._seen_bad: tuple[Stamp, ...] | None = None
        self._told_bad: tuple[Stamp, ...] | None = None
        self.value = read()

    def _look(self) -> tuple[Stamp, ...]:
        return tuple(map(stamp_of, self._paths))

    def refresh(self, *, is_asked: bool = False) -> bool:
        """Read again if a file has changed, or if somebody asked. Returns whether there is another value.

        Raises:
            CertificateError: what is there now cannot be used, and the value stays. Raised once for each change, and
                for each time that somebody asked.
        """
        stamps = self._look()
        if stamps == self._stamps and not is_asked:
            return False
        try:
            value = self._read()
        except CertificateError:
            if is_asked or self._is_due(stamps):
                self._told_bad = stamps
                raise
            return False
        self._seen_bad = self._told_bad = None
        self._stamps = stamps  # taken before reading: what is written from then on is seen at the next look
        has_changed, self.value = value != self.value, value
        return has_changed

    def _is_due(self, stamps: tuple[Stamp, ...]) -> bool:
        is_settled, self._seen_bad = stamps == self._seen_bad, stamps
        return is_settled and stamps != self._told_bad
