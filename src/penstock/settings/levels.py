"""Levels of single loggers, as a setting says them: ``penstock.tls=debug, penstock.identity=warning``."""

import re
from typing import Final

from .errors import BadValueError
from .lists import ListKind
from .types import Raw

LEVELS_OF_LOGS: Final = ("debug", "info", "warning", "error")

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

LoggerLevel = tuple[str, str]
"""The name of a logger, and its level."""


class LoggerLevels(ListKind[LoggerLevel]):
    """Names of loggers with their levels; each is named once."""

    label = "list of levels"
    item = "logger"
    example = "penstock.tls=debug, penstock.identity=warning"

    def parse(self, raw: Raw) -> tuple[LoggerLevel, ...]:
        """Read the list."""
        values = super().parse(raw)
        names = [name for name, _ in values]
        for name in names:
            if names.count(name) > 1:
                raise BadValueError(f"{name} is there twice", "keep one of the two")
        return values

    def parse_item(self, text: str) -> LoggerLevel:
        """Read a name, ``=`` and a level."""
        name, _, level = (part.strip() for part in text.partition("="))
        if not _NAME.fullmatch(name):
            raise BadValueError(f"{name!r} is no name of a logger", f"write {self.example}")
        if level.lower() not in LEVELS_OF_LOGS:
            raise BadValueError(f"{level!r} is no level", f"write {name}= and one of {', '.join(LEVELS_OF_LOGS)}")
        return name, level.lower()

    def render_item(self, value: LoggerLevel) -> str:
        """Return the name, ``=`` and the level."""
        return "=".join(value)


LEVELS: Final = LoggerLevels()
