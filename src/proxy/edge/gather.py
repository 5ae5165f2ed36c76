"""Gathering: the body of a request whose endpoint does not stream, until it can go with the REQUEST in one frame.

What was received with the head is looked at in the batch, and often that is all. Otherwise a task waits for the rest.
Then the wire gets the connection back and carries the answer, as if the request had been plain.
"""

from typing import Protocol

from frames.wire import HEAD_EXPECTS_CONTINUE
from proxy.edge.body import CONTINUE, Refusal, RequestBody
from proxy.edge.client import ClientSocket
from proxy.edge.job import Job
from proxy.errors import BYTES_IN_FLIGHT_FULL
from proxy.stage import Answer


class Budget(Protocol):
    """The memory for all bodies together."""

    def reserve(self, byte_count: int, /) -> bool:
        """Hold this many bytes, all or none."""
        ...

    def release(self, byte_count: int, /) -> None:
        """Let go of them."""
        ...


class Gathering:
    """One request whose body is gathered."""

    __slots__ = ("_budget", "_held_bytes", "_parts", "body", "client", "closes", "job")

    def __init__(self, job: Job, client: ClientSocket, body: RequestBody, budget: Budget, *, closes: bool) -> None:
        """closes: the connection is to close after the answer."""
        self.job = job
        self.client = client
        self.body = body
        self.closes = closes
        self._budget = budget
        self._parts: list[bytes] = []
        self._held_bytes = 0

    def look(self) -> bool:
        """Take what was received before; True when that is all. Raises `Refusal`."""
        self._keep(self.body.receive_nowait())
        return self.body.is_whole

    async def wait(self) -> None:
        """Receive the rest. Raises `Refusal`, `ClientGone`."""
        if self.job.head.flags & HEAD_EXPECTS_CONTINUE and not self.body.has_begun:
            await self.client.send(CONTINUE)
        while parts := await self.body.receive():
            self._keep(parts)

    def whole(self) -> bytes:
        """Return the body."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def forget(self) -> None:
        """Let go of what is held."""
        self._parts.clear()
        self._budget.release(self._held_bytes)
        self._held_bytes = 0

    def _keep(self, parts: list[bytes]) -> None:
        byte_count = sum(map(len, parts))
        if not self._budget.reserve(byte_count):
            raise Refusal(Answer(BYTES_IN_FLIGHT_FULL))
        self._held_bytes += byte_count
        self._parts += parts
