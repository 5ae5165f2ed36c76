"""A connection that carries HTTP/1.1: one request at a time, as a client that does not pipeline."""

from typing import Final

from .link import Done
from .response import Ended, ResponseError, ResponseReader
from .sockets import Connection, Place, reason_of

_BROKEN: Final = "the connection ended before the answer"


class HttpLink:
    """One connection to an HTTP server."""

    def __init__(self, place: Place, request: bytes, *, is_head: bool) -> None:
        """Begin to dial. request: the bytes of each. Raises OSError."""
        self.is_lost = False
        self.why_lost = ""
        self._request = request
        self._due_us = -1
        self._sent_us = 0
        self._reader = ResponseReader(is_head=is_head)
        self._connection = Connection(place)

    @property
    def room(self) -> int:
        """One, while nothing is asked."""
        return int(self._connection.is_open and self._due_us < 0 and not self.is_lost)

    @property
    def wants_write(self) -> bool:
        """Whether something waits until it can be written."""
        return self._connection.wants_write

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._connection.fileno()

    def begin(self, due_us: int, now_us: int) -> None:
        """Send a request."""
        self._due_us, self._sent_us = due_us, now_us
        try:
            self._connection.send(self._request)
        except OSError as error:  # is told when the descriptor becomes ready, at once
            self.why_lost = reason_of(error)

    def flush(self) -> None:
        """Each request was sent by itself."""

    def ready(self) -> list[Done]:
        """Read and write what can be; return the request if it has ended."""
        try:
            if self._connection.wants_write or not self._connection.is_open:
                self._connection.advance()
            if not self._connection.is_open:
                return []
            return self._read()
        except OSError as error:
            return self._lose(reason_of(error))
        except ResponseError as error:
            return self._lose(f"no answer of HTTP/1.1: {error}")

    def tick(self, now_us: int, begun_before_us: int) -> list[Done]:
        """Give the request up that was due before that moment; the connection is useless then."""
        return self._lose("timeout") if 0 <= self._due_us < begun_before_us else []

    def close(self) -> list[Done]:
        """Close it."""
        return self._lose("")

    def _read(self) -> list[Done]:
        done: list[Done] = []
        while (data := self._connection.receive()) is not None:
            if not data:
                return done + self._end()
            if self._due_us < 0:
                return done + self._lose("it speaks before it is asked; is it a service that speaks frames (tcp://)?")
            ended = self._reader.feed(data)
            if ended is not None:
                done.append(self._done(ended))
                if not ended.keeps:
                    return done + self._lose("")
                return done  # what comes next comes after the next request
        return done

    def _end(self) -> list[Done]:
        """The server has closed the connection: in good order where nothing was asked."""
        ended = self._reader.end() if self._due_us >= 0 else None
        done = [self._done(ended)] if ended is not None else []
        return done + self._lose(_BROKEN if self._due_us >= 0 else "")

    def _done(self, ended: Ended) -> Done:
        done = Done(self._due_us, self._sent_us, ended.status, "", ended.body_bytes)
        self._due_us = -1
        return done

    def _lose(self, why: str) -> list[Done]:
        self.is_lost, self.why_lost = True, self.why_lost or why
        self._connection.close()
        if self._due_us < 0:
            return []
        done = [Done(self._due_us, self._sent_us, 0, self.why_lost or "stopped", 0)]
        self._due_us = -1
        return done


def request_bytes(method: str, target: str, host: str, headers: tuple[tuple[str, str], ...], body: bytes) -> bytes:
    """Return one request of HTTP/1.1. What the headers name is not added; a body has its Content-Length."""
    named = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in named:
        lines.append(f"Host: {host}")
    if "user-agent" not in named:
        lines.append("User-Agent: penstock-bench")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
