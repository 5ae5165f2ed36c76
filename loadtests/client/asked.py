"""One request, as Locust's `request` event tells of it, and as it is counted. Nothing here needs Locust."""

import itertools
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

from .tally import UNFINISHED, Outcome

OK: Final = (200, 201, 202, 204)
CORRELATION: Final = "x-correlation-id"
REASON: Final = "x-penstock-reason"
_RUN: Final = f"load-{os.getpid():x}-{int(time.time()):x}"
_numbers = itertools.count(1)
_ENDED: Final = ("HTTPConnectionClosed", "EOFError", "ConnectionResetError", "SSLEOFError", "SSLZeroReturnError")


def next_id() -> str:
    """Return a correlation id that no other request of any run has."""
    return f"{_RUN}-{next(_numbers):x}"


class UnexpectedStatusError(Exception):
    """A whole answer with a status that the user did not expect."""


class UnfinishedError(Exception):
    """The run was over before the answer."""


class WrongAnswerError(Exception):
    """A whole answer came, and it is not what it must be; or none came. Its text is the cause, in few words."""


class Asked:
    """One request. It has the form of a response, for those who listen to Locust's events."""

    def __init__(self, correlation_id: str) -> None:
        """Begin without an answer."""
        self.correlation_id = correlation_id
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.body_bytes = 0
        self.failure = ""
        self.goes_away = False

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Say what has come."""
        self.status_code = status
        if reason := headers.get(REASON):
            self.headers = {REASON: reason}

    def fail(self, why: str) -> None:
        """Say that there is no right answer, in words that are the same for the same cause."""
        self.failure = why

    def go_away(self, why: str) -> None:
        """Say that the user gives it up on purpose."""
        self.failure, self.goes_away = why, True

    def comes_back(self) -> None:
        """Say that it has not gone away, after all."""
        self.failure, self.goes_away = "", False


def context_of(
    kind: str, correlation_id: str, expect: tuple[int, ...], counted: bool, asked: Asked | None = None
) -> dict[str, Any]:
    """Return what Locust's event carries besides."""
    return {
        "user": kind,
        "correlation_id": correlation_id,
        "expect": expect,
        "counted": counted,
        "goes_away": asked.goes_away if asked else False,
    }


def outcome_of(name: str, took_ms: float, response: Any, exception: Exception | None, context: Any) -> Outcome:
    """Return what came of a request of which Locust tells."""
    status = getattr(response, "status_code", 0) or 0
    failure = _failure_of(status, exception)
    headers = getattr(response, "headers", None) or {}
    is_whole = not failure
    return Outcome(
        user=context.get("user", "other"),
        name=name,
        correlation_id=context.get("correlation_id", ""),
        took_us=round(took_ms * 1000),
        status=status if is_whole else 0,
        reason=headers.get(REASON) or "" if is_whole else "",
        failure=failure,
        is_expected=status in context.get("expect", OK) if is_whole else bool(context.get("goes_away")),
        counted_at_gateway=context.get("counted", True),
    )


def words_of(error: BaseException) -> str:
    """Return why a request failed, in words that are the same for the same cause."""
    if isinstance(error, WrongAnswerError):
        return str(error)
    if isinstance(cause := getattr(error, "original", None), BaseException):  # geventhttpclient's RetriesExceeded
        return words_of(cause)
    if isinstance(error, TimeoutError) or type(error).__name__ == "Timeout":  # gevent's
        return "timeout"
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        said = (error.reason or str(error)).lower().replace("_", " ")
        return f"TLS: {said}{': ' * bool(why := getattr(error, 'verify_message', ''))}{why}"[:120]
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    if type(error).__name__ in _ENDED:
        return "the connection ended before the answer"
    return f"{type(error).__name__}: {error}"[:120]


def _failure_of(status: int, exception: Exception | None) -> str:
    if isinstance(exception, UnfinishedError):
        return UNFINISHED
    if exception is not None and not isinstance(exception, UnexpectedStatusError):
        return words_of(exception)
    return "" if status else "no answer"


def exception_of(asked: Asked, expect: tuple[int, ...]) -> Exception | None:
    if asked.failure:
        return WrongAnswerError(asked.failure)
    return None if asked.status_code in expect else UnexpectedStatusError(f"status {asked.status_code}")
