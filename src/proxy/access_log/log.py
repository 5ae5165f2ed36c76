"""Where lines of the access log go: through a bounded writer in a thread of its own, which never holds traffic up."""

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from penstock.settings import Problem, SettingsError
from penstock.telemetry.occasional import Occasional
from penstock.telemetry.writer import Counts, LineWriter, sink_of, sink_of_descriptor
from proxy.access_log.lines import LOGGER, Line, json_line, text_line

if TYPE_CHECKING:
    from frames.records import ExchangeRecord
    from proxy.records.names import Names

_FORMS: Final[dict[str, Line]] = {"json": json_line, "text": text_line}
_log = logging.getLogger("penstock.access_log")
_MODE: Final = 0o640
"""Of a file that is made: a log names people."""


class AccessLog:
    """One output. Resource handling: the writer's thread and the file end with `close`."""

    def __init__(self, form: str, output: str, query: str, redact: Callable[[bytes], bytes] = bytes) -> None:
        """form: `json` or `text`; output: `stdout`, `stderr` or a path; query: what is shown of it; redact: takes
        secrets out of a line, in the writer's thread.

        Raises `SettingsError`: the file cannot be written.
        """
        self.query = query
        self._line = _FORMS[form]
        self._descriptor = None if output in ("stdout", "stderr") else _open(output)
        stream = sys.stdout if output == "stdout" else sys.stderr
        sink = sink_of(stream) if self._descriptor is None else sink_of_descriptor(self._descriptor)
        tell = _missing_json if form == "json" else _missing_text
        self._writer = LineWriter(sink, prepare=redact, tell_dropped=tell)
        self._writer.start()
        self._output = output
        self._told = 0
        self._losses = Occasional()

    @property
    def counts(self) -> Counts:
        """What became of the lines."""
        return self._writer.counts

    @property
    def has_ended(self) -> bool:
        """Whether nothing is written any more."""
        return self._writer.has_ended

    def write(self, records: "Iterable[ExchangeRecord]", names: "Names") -> None:
        """Write a line for each record."""
        for record in records:
            self._writer.write(self._line(record, names, self.query))
        self._tell_losses()

    def _tell_losses(self) -> None:
        """Say in the gateway's own log, now and then, what this one cannot say while it cannot be written."""
        counts = self._writer.counts
        lost = counts.dropped + counts.failed
        if lost > self._told and self._losses.held_back(None) is not None:
            why = (
                "it cannot be written (a full disk, or nobody reads)" if counts.failed else "nobody reads it, or slowly"
            )
            _log.warning("%d lines of the access log were lost: %s: %s", lost - self._told, self._output, why)
            self._told = lost

    def close(self) -> None:
        """Write what waits, for a second at most, and let go of the file; of one that cannot be written, never."""
        self._writer.close()
        if self._descriptor is not None and self._writer.has_ended:
            os.close(self._descriptor)
            self._descriptor = None


def _open(path: str) -> int:
    """Open it, or fail at once: a pipe that nobody reads is none to wait for."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        return os.open(path, flags, _MODE)
    except OSError as error:
        why = f"it cannot be opened for writing: {error.strerror or error}"
        fix = "name a file in a folder that the gateway may write to, or write stdout"
        raise SettingsError([Problem("unusable_file", "access_log.output", path, why, fix)]) from None


def _missing_json(count: int) -> bytes:
    return msgspec.json.encode({"logger": LOGGER, "message": "lines are missing here", "dropped": count})


def _missing_text(count: int) -> bytes:
    return f"# {count} lines are missing here".encode()
