"""What a simulation notes down: what was sent, and what is wrong."""

import logging

from peers import Got


class BrokenInvariant(AssertionError):  # noqa: N818 - it says what is the case
    """What must always hold does not."""


def must(holds: object, what: str) -> None:
    """Say what does not hold."""
    if not holds:
        raise BrokenInvariant(what)


class Sent:
    """One request of a client. due_ms: when it must have its answer, once it was sent whole."""

    __slots__ = ("answers", "due_ms", "is_abandoned", "key", "method", "name", "path", "started", "whole_ms")

    def __init__(self, method: str, path: str, name: bytes, key: str, due_ms: int) -> None:
        self.method = method
        self.path = path
        self.name = name
        self.key = key
        """Its Idempotency-Key, if it has one."""
        self.due_ms = due_ms
        self.whole_ms: int | None = None
        """When its last byte was sent."""
        self.started = 0
        """How often a service has had it, and not refused it."""
        self.answers: list[Got] = []
        self.is_abandoned = False
        """Nobody waits for its answer."""


class ErrorsInLog(logging.Handler):
    """Keeps what is logged as an error: there is none in a gateway that works."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, with its traceback."""
        self.lines.append(logging.Formatter().format(record))

    def listen(self) -> None:
        """Take in what the gateway logs, and let nobody else have it."""
        log = logging.getLogger("penstock")
        log.handlers, log.propagate = [self], False
