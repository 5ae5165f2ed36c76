"""Logs: stdlib logging, set up once per process, which never blocks the thread that logs.

A record is formatted where it is logged, so that it says what was true then, and its line waits in a bounded queue for
the one thread that writes (`writer`). That thread takes secrets out of it (`redaction`), wherever they came from. What
request a line belongs to is said by whoever logs it, or found by a filter; which lines there are at all is said by the
settings, and by who changes levels while the process runs (`levels`).
"""

import logging
import os
import sys
from collections.abc import Iterable
from typing import IO

from ..settings import LogSettings, Secret
from .formats import ConsoleFormatter, JsonFormatter
from .levels import process_levels
from .redaction import Redactor, secrets_in
from .writer import BYTES_MAX, LINES_MAX, Counts, LineWriter, Sink, sink_of


class BoundedHandler(logging.Handler):
    """Formats at once and hands the line to a writing thread through a bounded queue; never waits.

    Resource handling: the thread ends with `close`, which gives it a second to write what waits. The sink stays open.
    """

    def __init__(self, sink: Sink, redact: Redactor, *, lines_max: int = LINES_MAX, bytes_max: int = BYTES_MAX) -> None:
        super().__init__()
        self._writer = LineWriter(
            sink, prepare=redact, tell_dropped=self._line_of_dropped, lines_max=lines_max, bytes_max=bytes_max
        )

    @property
    def counts(self) -> Counts:
        """What became of the lines."""
        return self._writer.counts

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._writer.dropped

    def start(self) -> None:
        """Start writing."""
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, or count it as dropped when the queue is full."""
        try:
            line = self.format(record)
        except Exception as error:  # a log call with wrong arguments must not hurt the one who logs
            line = f"log record from {record.name} cannot be formatted: {error!r}"
        self._writer.write(line.encode(errors="backslashreplace"))

    def close(self) -> None:
        """Write what waits, for a second at most, and end the thread."""
        self._writer.close()
        super().close()

    def _line_of_dropped(self, count: int) -> bytes:
        record = logging.makeLogRecord({"name": __name__, "levelname": "WARNING", "levelno": logging.WARNING})
        record.msg, record.dropped = (
            "log lines were dropped, since nobody read the log or it could not be written",
            count,
        )
        return self.format(record).encode()


class SameFields(logging.Filter):
    """Adds the same fields to every record."""

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self._fields = fields

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them; every record is let through."""
        vars(record).update(self._fields)
        return True


class Logs:
    """The log of a process, as `set_up_logs` has set it up."""

    def __init__(self, handler: BoundedHandler, redact: Redactor, stream: IO[str] | None) -> None:
        self._handler = handler
        self._stream = stream  # which must not close its descriptor before it is written to no more
        self.redact = redact
        """Takes secrets out of lines; of those of other outputs, too."""

    @property
    def counts(self) -> Counts:
        """What became of the lines."""
        return self._handler.counts

    @property
    def dropped(self) -> int:
        """Lines that were not written."""
        return self._handler.dropped

    def close(self) -> None:
        """Write what waits, and stop."""
        global _of_process
        if _of_process is self:
            _of_process = None
        process_levels.undo_all()
        self._handler.close()


_of_process: Logs | None = None


def process_logs() -> Logs | None:
    """Return the log of this process; None where nobody has set it up, as in most tests."""
    return _of_process


def without_secrets(text: str) -> str:
    """Return a text without secrets, as a line of the log has it; for whatever else shows what clients have sent."""
    redact = _of_process.redact if _of_process is not None else Redactor()
    return redact(text.encode(errors="backslashreplace")).decode()


def hide_secrets(values: Iterable[object]) -> None:
    """Hide those of some settings' values that are secrets, from now on; those known before are still hidden."""
    if _of_process is not None:
        _of_process.redact.know(secrets_in(values))


def set_up_logs(
    settings: LogSettings,
    secrets: Iterable[Secret] = (),
    stream: IO[str] | None = None,
    filters: Iterable[logging.Filter] = (),
) -> Logs:
    """Make the root logger write to the stream (default: stderr), in place of what was set up before.

    secrets: what must never be in a line; filters: each sees every record, and may add to it. The caller closes what is
    returned, when nothing more will be logged.
    """
    stream = stream or sys.stderr  # which is None in a process that was started without
    terminal = stream is not None and stream.isatty()
    as_json = settings.format == "json" or (settings.format == "auto" and not terminal)
    redact = Redactor(secrets)
    handler = BoundedHandler(sink_of(stream), redact)
    handler.setFormatter(JsonFormatter() if as_json else ConsoleFormatter(terminal and not os.environ.get("NO_COLOR")))
    for each in filters:
        handler.addFilter(each)
    root = logging.getLogger()
    for other in [each for each in root.handlers if isinstance(each, BoundedHandler)]:
        root.removeHandler(other)
        other.close()
    root.addHandler(handler)
    process_levels.follow(settings)
    handler.start()
    global _of_process
    _of_process = Logs(handler, redact, stream)  # the loggers are the process's, too
    return _of_process
