"""Logs: stdlib logging, set up once per process, which never blocks the thread that logs.

A record is formatted where it is logged, so that it says what was true then, and its line waits in a bounded queue for
the one thread that writes. When the queue is full, because whoever reads the log does not, lines are dropped and
counted, and the next line that gets through is preceded by the count. Known secrets are replaced in the finished line,
wherever they came from.
"""

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable
from typing import IO, Any, Protocol

import msgspec

from ..settings import LogSettings, Secret

QUEUE_LINES_MAX = 8_192  # some megabytes at worst; more would only delay the moment at which it is noticed
CLOSE_TIMEOUT_S = 1.0
_SHOWN_FOR_SECRET = b"***"
_PLAIN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, then what was given as extra, then the error."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(enc_hook=repr)

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a value that JSON does not know becomes its repr."""
        entry: dict[str, Any] = {
            "time": _utc(record.created, "%Y-%m-%dT%H:%M:%S", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update((key, value) for key, value in vars(record).items() if key not in _PLAIN_ATTRIBUTES)
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
        extras = "".join(f" {key}={value}" for key, value in vars(record).items() if key not in _PLAIN_ATTRIBUTES)
        line = _one_line(f"{record.name}: {record.getMessage()}{extras}")
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{_utc(record.created, '%H:%M:%S', '')} {level} {line}{error}"


def _utc(seconds: float, form: str, zone: str) -> str:
    return f"{time.strftime(form, time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}{zone}"


def _one_line(text: str) -> str:
    """Escape control characters, so that what a client sent can neither forge a line nor steer a terminal."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )


class Redactor:
    """Replaces known secrets in finished lines, as they are and as JSON escapes them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = {secret.reveal() for secret in secrets if secret}
        forms = {text.encode() for text in texts} | {msgspec.json.encode(text)[1:-1] for text in texts}
        self._forms = sorted(forms, key=len, reverse=True)  # a secret that contains another goes first

    def __call__(self, line: bytes) -> bytes:
        """Return the line without secrets."""
        for form in self._forms:
            line = line.replace(form, _SHOWN_FOR_SECRET)
        return line


class BoundedHandler(logging.Handler):
    """Formats at once and hands the line to a writing thread through a bounded queue; never waits.

    Resource handling: the thread ends with `close`, which gives it a second to write what waits. The stream stays open.
    """

    def __init__(self, stream: IO[str], redact: Redactor, lines_max: int = QUEUE_LINES_MAX) -> None:
        super().__init__()
        self._stream = stream
        self._redact = redact
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lines_max = lines_max
        self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self._closed = False
        self._dropped_told = 0
        self.dropped = 0

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, or count it as dropped when the queue is full."""
        if self._lines.qsize() >= self._lines_max:
            self.dropped += 1
            return
        try:
            line = self.format(record)
        except Exception as error:  # a log call with wrong arguments must not hurt the one who logs
            line = f"log record from {record.name} cannot be formatted: {error!r}"
        self._lines.put(self._redact(line.encode(errors="backslashreplace")))

    def close(self) -> None:
        """Write what waits, for a second at most, and end the thread."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
            if self._thread.is_alive():
                self._thread.join(CLOSE_TIMEOUT_S)
        super().close()

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            self._tell_dropped()
            self._write(line)
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        dropped = self.dropped - self._dropped_told
        if dropped:
            self._dropped_told += dropped
            record = logging.makeLogRecord({"name": __name__, "levelname": "WARNING", "levelno": logging.WARNING})
            record.msg, record.dropped = "log lines were dropped, since nobody read the log", dropped
            self._write(self.format(record).encode())

    def _write(self, line: bytes) -> None:
        try:
            self._stream.write(line.decode(errors="backslashreplace") + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # the reader is gone, or the stream is closed: there is nobody left to tell
            self.dropped += 1
            self._dropped_told += 1


class Logs(Protocol):
    """What `set_up_logs` returns."""

    dropped: int
    """Lines that were not written."""

    def close(self) -> None:
        """Write what waits, and stop."""


def set_up_logs(settings: LogSettings, secrets: Iterable[Secret] = (), stream: IO[str] | None = None) -> Logs:
    """Make the root logger write to the stream (default: stderr), in place of what was set up before.

    secrets: what must never be in a line. The caller closes what is returned, when nothing more will be logged.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    as_json = settings.format == "json" or (settings.format == "auto" and not terminal)
    handler = BoundedHandler(stream, Redactor(secrets))
    handler.setFormatter(JsonFormatter() if as_json else ConsoleFormatter(terminal and not os.environ.get("NO_COLOR")))
    root = logging.getLogger()
    for other in [each for each in root.handlers if isinstance(each, BoundedHandler)]:
        root.removeHandler(other)
        other.close()
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    handler.start()
    return handler
