"""One request of a user: measured, named by its correlation id, and told to Locust as its `request` event.

    with self.asking("GET", "GET /blobs/{size}") as asked:
        ...                                  # send asked.correlation_id as x-correlation-id
        asked.answered(status, headers)      # a whole answer has come
        if digest != wanted: asked.fail("the digest is another one")

Whoever listens to Locust's event finds in its context what a record needs (`outcome_of`); times are those of
`perf_counter`, and are not rounded.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import gevent
import locust.stats
from locust import User
from locust.user.task import LOCUST_STATE_STOPPING

from loadtests.order import Address

from .asked import (
    CORRELATION,
    OK,
    Asked,
    UnfinishedError,
    WrongAnswerError,
    context_of,
    exception_of,
    next_id,
    words_of,
)
from .target import TargetError, current


def keep_times_exact() -> None:
    """Have Locust's own statistics count in tenths of milliseconds, where it rounds to two digits by itself."""
    locust.stats.bucket_response_time = _exact


def _exact(response_time: float) -> int:
    return round(response_time, 1)  # type: ignore[return-value]  # Locust takes it, and writes it down as it is


keep_times_exact()


class LoadUser(User):
    """What all kinds of users can do."""

    abstract = True
    kind: ClassVar[str] = ""
    """What its file is called."""
    goes_to: ClassVar[Literal["edge", "tls_edge", "services"]] = "edge"
    """Where it goes: which address of the target it cannot do without."""

    def __init_subclass__(cls) -> None:
        """Name the kind."""
        super().__init_subclass__()
        cls.kind = cls.__module__.rpartition(".")[2]

    def stop(self, force: bool = False) -> bool:
        """End after what it does, or thinks, now.

        Locust kills a user at once that thinks; if its pause is over at that moment, it dies in its next request.
        """
        if force or self._state is None:
            return bool(super().stop(force))
        self._state = LOCUST_STATE_STOPPING
        return False

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

        expect: statuses that are no error; counted_at_gateway: its answer is counted by
        penstock_edge_answers_total; those that stream are not.
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
                exception=error or exception_of(asked, expect),
                context=context,
            )


def address_of(url: str) -> Address:
    """Return where http://host:port is. Raises `TargetError`."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise TargetError(f"--host is {url!r}; write http://host:port")
    return Address(parts.hostname, parts.port or 80)
