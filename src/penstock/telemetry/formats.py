"""Records become lines: JSON for programs, text for people."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_PLAIN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS: Final = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, then what was given as extra, then the error."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(enc_hook=repr)

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a value that JSON does not know becomes its repr."""
        entry: dict[str, Any] = {
            "time": utc(record.created, "%Y-%m-%dT%H:%M:%S", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(extras_of(record))
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return self._encode(entry)

    def _encode(self, entry: dict[str, Any]) -> str:
        try:
            return self._encoder.encode(entry).decode()
        except (
            TypeError,
            ValueError,
            RecursionError,
        ):  # a key that is no text, a number too large, a value within itself
            return self._encoder.encode({key: repr(value) for key, value in entry.items()}).decode()


class ConsoleFormatter(logging.Formatter):
    """One line for a person: time, level, message, extras as key=value; a traceback follows on lines of its own."""

    def __init__(self, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        level = record.levelname.lower().ljust(7)
        if self._coloured:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        extras = "".join(f" {key}={value}" for key, value in extras_of(record).items())
        line = one_line(f"{record.name}: {record.getMessage()}{extras}")
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{utc(record.created, '%H:%M:%S', '')} {level} {line}{error}"


def extras_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return what was given beside the message."""
    return {key: value for key, value in vars(record).items() if key not in _PLAIN_ATTRIBUTES}


def utc(seconds: float, form: str, zone: str) -> str:
    """Return a time, seconds since 1970, with milliseconds."""
    return f"{time.strftime(form, time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}{zone}"


def one_line(text: str) -> str:
    """Escape control characters, so that what a client sent can neither forge a line nor steer a terminal."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )
