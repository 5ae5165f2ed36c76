"""Levels of loggers: as the settings say, and as somebody has changed them while the process runs.

A change holds until it is undone, its time is over, or the process ends; a reload of the settings leaves it alone. A
logger without a level of its own has that of the one above it: ``penstock`` is above ``penstock.tls``.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from ..settings import LogSettings

ROOT: Final = "root"
"""The logger above all others: its level is ``log.level``."""
WORDS: Final = ("debug", "info", "warning", "error")
DEFAULT: Final = "default"
"""In place of a level: what the settings say."""
CHANGES_MAX: Final = 64
"""Loggers whose levels are changed at once."""


class Level(msgspec.Struct, frozen=True):
    """The level of one logger. source: settings or changed; seconds_left: until a change ends by itself."""

    logger: str
    level: str
    source: str
    seconds_left: float | None = None


class _Change(NamedTuple):
    level: str
    ends_at: float | None
    timer: threading.Timer | None


class Levels:
    """Who may say which lines are logged. There is one, `process_levels`: loggers are the process's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is changed yet. clock: seconds that only rise."""
        self._clock = clock
        self._settings: Mapping[str, str] = {}
        self._changes: dict[str, _Change] = {}
        self._lock = threading.RLock()  # a timer's thread ends changes

    def follow(self, settings: LogSettings) -> None:
        """Take the settings' levels; what was changed stays so."""
        with self._lock:
            before = self._settings
            self._settings = {ROOT: settings.level, **dict(settings.levels)}
            for name in {*before, *self._settings}:
                self._apply(name)

    def change(self, name: str, level: str, for_s: float | None = None) -> None:
        """Give a logger another level, for some seconds or until `undo`. ValueError: too many are changed already."""
        with self._lock:
            if name not in self._changes and len(self._changes) >= CHANGES_MAX:
                raise ValueError(f"{CHANGES_MAX} loggers have changed levels already; undo one first")
            self._forget(name)
            timer = None
            if for_s is not None:
                timer = threading.Timer(for_s, self._end, (name,))
                timer.daemon = True
                timer.start()
            self._changes[name] = _Change(level, None if for_s is None else self._clock() + for_s, timer)
            self._apply(name)

    def undo(self, name: str) -> None:
        """Give a logger the level back that the settings say."""
        with self._lock:
            self._forget(name)
            self._apply(name)

    def shown(self) -> list[Level]:
        """Return every level that somebody has set, by the loggers' names."""
        with self._lock:
            shown = {name: Level(name, level, "settings") for name, level in self._settings.items()}
            for name, (level, ends_at, _) in self._changes.items():
                left = None if ends_at is None else max(0.0, round(ends_at - self._clock(), 1))
                shown[name] = Level(name, level, "changed", left)
        return sorted(shown.values(), key=lambda each: (each.logger != ROOT, each.logger))

    def undo_all(self) -> None:
        """Give all loggers the levels back that the settings say."""
        with self._lock:
            for name in list(self._changes):
                self.undo(name)

    def _end(self, name: str) -> None:
        """The time of a change is over, unless another has taken its place."""
        with self._lock:
            change = self._changes.get(name)
            if change is not None and change.timer is threading.current_thread():
                self.undo(name)

    def _forget(self, name: str) -> None:
        change = self._changes.pop(name, None)
        if change is not None and change.timer is not None:
            change.timer.cancel()

    def _apply(self, name: str) -> None:
        change = self._changes.get(name)
        level = change.level if change else self._settings.get(name)
        logger = logging.getLogger(None if name == ROOT else name)
        if level is not None:
            logger.setLevel(level.upper())
        elif name != ROOT:
            logger.setLevel(logging.NOTSET)


process_levels: Final = Levels()
