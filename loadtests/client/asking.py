"""One request of a user: measured, named by its correlation id, and told to Locust as its `request` event.

    with self.asking("GET", "GET /blobs/{size}") as asked:
        ...                                  # send asked.correlation_id as x-correlation-id
        asked.status, asked.reason = ...     # a whole answer has come
        if digest != wanted: asked.fail("the digest is another one")

Whoever listens to Locust's event finds in its context what a record needs (`outcome_of`); times are those of
`perf_counter`, and are not rounded.
"""

import itertools
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import gevent
import locust.stats
from locust import User

from loadtests.order import Address

from .tally import UNFINISHED, Outcome
from .target import TargetError, current

OK: Final = (200, 201, 202, 204)
CORRELATION: Final = "x-correlation-id"
REASON: Final = "x-penstock-reason"
_RUN: Final = f"load-{os.getpid():x}-{int(time.time()):x}"
_numbers = itertools.count(1)


def next_id() -> str:
    """Return a correlation id that no other request of any run has."""
    return f"{_RUN}-{next(_numbers):x}"


def keep_times_exact() -> None:
    """Have Locust's own statistics count in tenths of milliseconds, where it rounds to two digits by itself."""
    locust.stats.bucket_response_time = _exact


def _exact(response_time: float) -> int:
    return round(response_time, 1)  # type: ignore[return-value]  # Locust takes it, and writes it down as it is


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


class LoadUser(User):
    """What all kinds of users can do."""

    abstract = True
    kind: ClassVar[str] = ""
    """What its file is called; set when it is loaded."""

    @property
    def edge(self) -> Address:
        """Where the edge is: as the generator was told, or as --host says."""
        told = current().edge
        return told or address_of(self.host or "")

    def wait_time(self) -> float:
        """Think for a while: by chance, so that users do not fall into step."""
        think_ms = current().think_ms
        return random.expovariate(1000 / think_ms) if think_ms else 0.0

    def headers(self, correlation_id: str) -> dict[str, str]:
        """Return what each request over HTTP has in its head."""
        token = current().token
        said = {CORRELATION: correlation_id}
        return said | {"authorization": f"Bearer {token}"} if token else said

    @contextmanager
    def asking(
        self, method: str, name: str, *, expect: tuple[int, ...] = OK, counted_at_gateway: bool = True
    ) -> Iterator[Asked]:
        """Measure what happens inside, which is one request, and tell Locust.

        expect: statuses that are no error; counted_at_gateway: its answer is counted by penstock_edge_answers_total; those that stream are not.
        """
        asked, error = Asked(next_id()), None
        begin = time.perf_counter()
        try:
            yield asked
        except gevent.GreenletExit:
            error = UnfinishedError()
            raise
        except (OSError, WrongAnswerError, gevent.Timeout) as failed:
            asked.fail(asked.failure or words_of(failed))
        finally:
            took_ms = (time.perf_counter() - begin) * 1000
            context = context_of(self.kind, asked.correlation_id, expect, counted_at_gateway, asked)
            self.environment.events.request.fire(
                request_type=method,
                name=name,
                response_time=took_ms,
                response_length=asked.body_bytes,
                response=asked,
                exception=error or _exception_of(asked, expect),
                context=context,
            )


def address_of(url: str) -> Address:
    """Return where http://host:port is. Raises `TargetError`."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise TargetError(f"--host is {url!r}; write http://host:port")
    return Address(parts.hostname, parts.port or 80)


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
    if isinstance(error, TimeoutError | gevent.Timeout):
        return "timeout"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    if type(error).__name__ in ("HTTPConnectionClosed", "EOFError", "ConnectionResetError"):
        return "the connection ended before the answer"
    return f"{type(error).__name__}: {error}"[:120]


def _failure_of(status: int, exception: Exception | None) -> str:
    if isinstance(exception, UnfinishedError):
        return UNFINISHED
    if exception is not None and not isinstance(exception, UnexpectedStatusError):
        return words_of(exception)
    return "" if status else "no answer"


def _exception_of(asked: Asked, expect: tuple[int, ...]) -> Exception | None:
    if asked.failure:
        return WrongAnswerError(asked.failure)
    return None if asked.status_code in expect else UnexpectedStatusError(f"status {asked.status_code}")
