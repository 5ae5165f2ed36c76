"""Gathering: the body of a request whose endpoint does not stream, until it can go with the REQUEST in one frame.

What was received with the head is looked at in the batch, and often that is all. Otherwise a task waits for the rest.
Then the wire gets the connection back and carries the answer, as if the request had been plain.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from frames.wire_values import HEAD_EXPECTS_CONTINUE, HandBack
from proxy.edge.task.body import CONTINUE, Refusal, RequestBody
from proxy.edge.task.client import ClientGone, ClientSocket, ClientTooSlow
from proxy.edge.task.handover import HandOver
from proxy.edge.task.job import Job
from proxy.errors import BODY_TIMEOUT, BODY_TOO_LARGE, BYTES_IN_FLIGHT_FULL, CLIENT_GONE, DEADLINE, DRAINING, INTERNAL
from proxy.request.exchange import ANSWER_SPOILED, Exchange
from proxy.request.stage import Answer, Await, Reply


class Budget(Protocol):
    """The memory for all bodies together."""

    def reserve(self, byte_count: int, /) -> bool:
        """Hold this many bytes, all or none."""
        ...

    def release(self, byte_count: int, /) -> None:
        """Let go of them."""
        ...


Found = Answer | Reply | Await | None
"""What stages have found that were run again: None when an instance was chosen."""

AWAITS_MAX: Final = 3
"""How often one request may wait for what a stage asks for: keys may be others once they are there, if rarely."""


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

    def look(self, first: bytes) -> bool:
        """Take what was received before; True when that is all. Raises `Refusal`."""
        self._keep([first] if first else self.body.receive_nowait())
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


class _Wait:
    """For the rest of a body; ``answer``: when it has taken too long."""

    __slots__ = ("answer", "scope")

    def __init__(self, answer: Answer, scope: trio.CancelScope) -> None:
        self.answer = answer
        self.scope = scope


class Gatherer:
    """Gathers bodies, and sends their requests."""

    def __init__(
        self,
        hand_over: HandOver,
        budget: Budget,
        choose_again: Callable[[Exchange], Found],
        stream: Callable[["Gathering"], Answer | None],
        stream_waited: Callable[["Gathering", bytes], Answer | None],
    ) -> None:
        """choose_again: runs the stages that choose an instance, for a request that has waited.

        stream: carries on one whose endpoint streams there, although it did not where it was chosen first;
        stream_waited: one that has waited before any of its body was read, but for what is given.
        """
        self._hand_over = hand_over
        self._wire = hand_over.wire
        self._budget = budget
        self._choose_again = choose_again
        self._stream = stream
        self._stream_waited = stream_waited
        self._waits: set[_Wait] = set()

    def __len__(self) -> int:
        """How many wait for their clients."""
        return len(self._waits)

    def give_up_all(self) -> None:
        """End every one: the time to drain is over."""
        for wait in tuple(self._waits):
            wait.answer = Answer(DRAINING)
            wait.scope.cancel()

    def begin(self, job: Job) -> None:
        """Gather the body of a request of this batch."""
        first = b"" if job.head.verdict else self._wire.request_body(job.id)
        taken = self._hand_over.take(job, self._hand_over.settings.buffered_bytes)
        if taken is None:
            return
        client, body, closes = taken
        gathering = Gathering(job, client, body, self._budget, closes=closes)
        try:
            self._begin(gathering, first)
        except BaseException:
            gathering.forget()
            raise

    def _begin(self, gathering: Gathering, first: bytes) -> None:
        try:
            is_whole = gathering.look(first)
        except Refusal as refusal:
            self._hand_over.spawn(self._refuse, gathering, refusal.answer)
            return
        refused = self._send(gathering) if is_whole else None
        if refused is not None:
            self._hand_over.spawn(self._refuse, gathering, refused)
        elif not is_whole:
            self._hand_over.spawn(self._gather, gathering)

    def _send(self, gathering: Gathering) -> Answer | None:
        """Send the request, and leave its answer to the wire. Returns an answer where it cannot be sent."""
        job = gathering.job
        if job.exchange.flags & ANSWER_SPOILED:  # the wire would write it as fast as it can
            return self._stream(gathering)
        refused = self._hand_over.open(job, gathering.whole(), end=True, how=job.exchange.route.how)
        gathering.forget()
        if refused is None:
            remaining_ms = self._hand_over.remaining_ms(job.exchange)
            self._wire.hand_in(job.id, gathering.body.rest, gathering.client.received_bytes, remaining_ms)
        return refused

    def begin_waiting(self, job: Job, awaited: Await, resume: Callable[[], Found]) -> None:
        """Wait for what a stage of a request of this batch asked for, before anything else. resume: the other stages.

        Meanwhile nothing is read of its body: whether that is gathered or streamed is not decided yet.
        """
        first = b"" if job.head.verdict else self._wire.request_body(job.id)
        taken = self._hand_over.take(job, self._hand_over.settings.call_bytes)
        if taken is None:
            return
        client, body, closes = taken
        gathering = Gathering(job, client, body, self._budget, closes=closes)
        self._hand_over.spawn(self._wait_first, gathering, first, awaited, resume)

    async def _wait_first(
        self, gathering: Gathering, first: bytes, awaited: Await, resume: Callable[[], Found]
    ) -> None:
        exchange, client = gathering.job.exchange, gathering.client

        async def go_on() -> Answer | Reply | None:
            refused: Found = awaited
            for _ in range(AWAITS_MAX):
                if isinstance(refused, Await):
                    with self._leaving(client):
                        await refused.wait()
                    refused = resume()
            if refused is not None:
                return _final(refused)
            if exchange.offer.streams:
                return self._stream_waited(gathering, first)
            gathering.body.bound(self._hand_over.settings.buffered_bytes)
            if not gathering.look(first):
                await gathering.wait()
                refused = await self._chosen(gathering)
            return self._send(gathering) if refused is None else _final(refused)

        await self._carry(gathering, go_on, Answer(DEADLINE))

    @contextmanager
    def _leaving(self, client: ClientSocket) -> Iterator[None]:
        """Raise `ClientGone` inside as soon as the client leaves, while nobody reads it."""
        with trio.CancelScope() as scope, self._hand_over.departures.calling(client.descriptor, scope.cancel):
            yield
        if scope.cancelled_caught:
            raise ClientGone

    async def _chosen(self, gathering: Gathering) -> Found:
        """Choose again, and wait where that must be waited for: for a connection, say."""
        found = self._choose(gathering)
        for _ in range(AWAITS_MAX):
            if isinstance(found, Await):
                with self._leaving(gathering.client):
                    await found.wait()
                found = self._choose(gathering)
        return found

    def _choose(self, gathering: Gathering) -> Found:
        """Choose again: the route may be another one by now, which takes less."""
        exchange = gathering.job.exchange
        found = self._choose_again(exchange)
        most = exchange.route.policy.body_bytes
        if found is None and most is not None and gathering.body.byte_count > most:
            return Answer(BODY_TOO_LARGE, f"At most {most} bytes are taken here.")
        return found

    async def _gather(self, gathering: Gathering) -> None:
        """Wait for the body's rest, choose again, since instances may have come and gone meanwhile, and send."""
        exchange = gathering.job.exchange

        async def go_on() -> Answer | Reply | None:
            await gathering.wait()
            refused = await self._chosen(gathering)
            if refused is not None:
                return _final(refused)
            return (self._stream if exchange.offer.streams else self._send)(gathering)

        await self._carry(gathering, go_on, Answer(BODY_TIMEOUT))

    async def _carry(
        self, gathering: Gathering, go_on: Callable[[], Awaitable[Answer | Reply | None]], too_late: Answer
    ) -> None:
        """Do what is to be done until the request was sent, within its deadline; whatever happens, it is answered."""
        left_s = self._hand_over.remaining_ms(gathering.job.exchange) / 1000
        wait = _Wait(too_late, trio.CancelScope(deadline=trio.current_time() + left_s))
        refused: Answer | Reply | None = None
        self._waits.add(wait)
        try:
            with wait.scope:
                refused = await go_on()
        except Refusal as refusal:
            refused = refusal.answer
        except (ClientGone, ClientTooSlow):
            self._hand_over.count_reason(gathering.job.id, CLIENT_GONE)
            self._give_back(gathering, HandBack.CLOSE)
            return
        except BaseException:  # cancelled, mostly
            self._give_back(gathering, HandBack.RESET)
            raise
        finally:
            self._waits.discard(wait)
        if wait.scope.cancelled_caught:
            refused = wait.answer
        if refused is not None:
            await self._refuse(gathering, refused)
        self._wire.flush_soon()

    async def _refuse(self, gathering: Gathering, answer: Answer | Reply) -> None:
        """Answer a request that goes no further; or cut it, where that is what was found."""
        if isinstance(answer, Answer) and not answer.reason.is_answered:
            self._hand_over.count_reason(gathering.job.id, answer.reason)
            self._give_back(gathering, HandBack.RESET)
            return
        client, closes = gathering.client, gathering.closes or not gathering.body.is_whole
        closes |= isinstance(answer, Answer) and answer.reason.closes
        how = HandBack.RESET
        try:
            await client.send(self._hand_over.write_answer(gathering.job.id, answer, closes))
            if closes:
                await client.send_close_notify()
            how = HandBack.LINGER if closes else HandBack.KEEP
        except (ClientGone, ClientTooSlow):
            pass
        finally:
            self._give_back(gathering, how)

    def _give_back(self, gathering: Gathering, how: HandBack) -> None:
        gathering.forget()
        self._hand_over.give_back(gathering.job.id, how, gathering.body.rest, gathering.client)


def _final(found: Answer | Reply | Await) -> Answer | Reply:
    """A stage that goes on asking to wait would do so for ever."""
    return Answer(INTERNAL) if isinstance(found, Await) else found
