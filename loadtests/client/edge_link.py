"""A connection of the open loop: a request of a mix each time, with a correlation id of its own.

It is a `proxy.loading.link.Link`, and tells besides what became of each request, with the reason of the gateway.
"""

import bisect
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Final

from loadtests.shape.document import RequestWords
from proxy.loading.http_link import request_bytes
from proxy.loading.link import Done
from proxy.loading.response import Ended, ResponseError, ResponseReader
from proxy.loading.run import microseconds
from proxy.loading.sockets import Connection, Place, reason_of

from .tally import UNFINISHED, Outcome

USER: Final = "open_loop"
ENDED: Final = "the connection ended before the answer"
HEAD_BYTES: Final = 4_096
_REASON: Final = b"\r\nx-penstock-reason:"
_ID: Final = b"{correlation-id}"


class Mix:
    """What is sent, by weight; each request with another correlation id."""

    def __init__(self, requests: Sequence[RequestWords], host: str, token: str, *, prefix: str, seed: int) -> None:
        """host: for the head; prefix: of correlation ids."""
        self._requests = list(requests)
        self._bytes = [_bytes_of(each, host, token).split(_ID) for each in requests]
        self._sums = list(itertools.accumulate(each.weight for each in requests))
        self._random = random.Random(seed)
        self._prefix = prefix
        self._number = 0

    def next(self) -> tuple[RequestWords, str, bytes]:
        """Return a request, its correlation id, and its bytes."""
        at = 0
        if len(self._sums) > 1:
            at = bisect.bisect(self._sums, self._random.random() * self._sums[-1], hi=len(self._sums) - 1)
        self._number += 1
        name = f"{self._prefix}-{self._number:x}"
        before, after = self._bytes[at]
        return self._requests[at], name, before + name.encode() + after


class EdgeLink:
    """One connection to the edge: one request at a time."""

    def __init__(self, place: Place, mix: Mix, tell: Callable[[Outcome], None]) -> None:
        """Begin to dial. tell: is called for each request that has ended. Raises OSError."""
        self.is_lost = False
        self.why_lost = ""
        self._mix = mix
        self._tell = tell
        self._asked: tuple[RequestWords, str] | None = None
        self._due_us = 0
        self._sent_us = 0
        self._sent_at_us = 0
        self._seen = b""
        self._reader = ResponseReader()
        self._connection = Connection(place)

    @property
    def room(self) -> int:
        """One, while nothing is asked."""
        return int(self._asked is None and self._connection.is_open and not self.is_lost)

    @property
    def wants_write(self) -> bool:
        """Whether something waits until it can be written."""
        return self._connection.wants_write

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._connection.fileno()

    def begin(self, due_us: int, now_us: int) -> None:
        """Send a request."""
        request, name, data = self._mix.next()
        self._asked, self._due_us, self._sent_us = (request, name), due_us, now_us
        self._sent_at_us, self._seen = microseconds(), b""
        self._reader = ResponseReader(is_head=request.request.startswith("HEAD "))
        try:
            self._connection.send(data)
        except OSError as error:  # is told when the descriptor becomes ready, at once
            self.why_lost = reason_of(error)

    def flush(self) -> None:
        """Each request was sent by itself."""

    def ready(self) -> list[Done]:
        """Read and write what can be; return the request if it has ended."""
        try:
            if self._connection.wants_write or not self._connection.is_open:
                self._connection.advance()
            return self._read() if self._connection.is_open else []
        except OSError as error:
            return self._lose(reason_of(error).lower())
        except ResponseError as error:
            return self._lose(f"no answer of HTTP/1.1: {error}")

    def tick(self, now_us: int, begun_before_us: int) -> list[Done]:
        """Give the request up that was due before that moment."""
        return self._lose("timeout") if self._asked and self._due_us < begun_before_us else []

    def close(self) -> list[Done]:
        """Close it; what was under way stays unfinished."""
        return self._lose(UNFINISHED if self._asked else "")

    def _read(self) -> list[Done]:
        while (data := self._connection.receive()) is not None:
            if not data:
                ended = self._reader.end() if self._asked else None
                done = [self._answered(ended)] if ended is not None else []
                return done + self._lose(ENDED if self._asked else "")
            if self._asked is None:
                return self._lose("it speaks before it is asked")
            if len(self._seen) < HEAD_BYTES:
                self._seen += data[:HEAD_BYTES]
            ended = self._reader.feed(data)
            if ended is not None:
                done = [self._answered(ended)]
                return done if ended.keeps else done + self._lose("")
        return []

    def _answered(self, ended: Ended) -> Done:
        return self._over(ended.status, "", ended.body_bytes)

    def _lose(self, why: str) -> list[Done]:
        self.is_lost, self.why_lost = True, self.why_lost or why
        self._connection.close()
        return [self._over(0, self.why_lost, 0)] if self._asked else []

    def _over(self, status: int, why: str, body_bytes: int) -> Done:
        """Tell what came of the request that was asked."""
        assert self._asked is not None  # noqa: S101 - its callers have looked
        (request, name), self._asked = self._asked, None
        service_us = microseconds() - self._sent_at_us
        self._tell(
            Outcome(
                user=USER,
                name=request.shown,
                correlation_id=name,
                took_us=service_us + self._sent_us - self._due_us,
                status=status,
                reason=_reason_in(self._seen) if status >= 400 else "",
                failure=why,
                is_expected=status in request.expect,
                service_us=service_us,
            )
        )
        return Done(self._due_us, self._sent_us, status, why, body_bytes)


def _bytes_of(words: RequestWords, host: str, token: str) -> bytes:
    method, _, target = words.request.partition(" ")
    headers = [("User-Agent", "penstock-loadtests"), ("x-correlation-id", _ID.decode())]
    if words.body.startswith(("{", "[")):
        headers.append(("content-type", "application/json"))
    if words.tenant:
        headers.append(("x-tenant-id", words.tenant))
    if token:
        headers.append(("authorization", f"Bearer {token}"))
    return request_bytes(method, target, host, tuple(headers), words.body.encode())


def _reason_in(head: bytes) -> str:
    head = head.partition(b"\r\n\r\n")[0]
    at = head.lower().find(_REASON)
    if at < 0:
        return ""
    return head[at + len(_REASON) :].partition(b"\r\n")[0].strip().decode("latin-1")
