"""The task lane: exchanges that must wait for their client, or whose bodies are too long to be held.

A request comes here from the batch, decided upon but not sent. Its connection is taken out of the wire's hands.

    its endpoint does not stream    the body is gathered, and goes with the REQUEST; then the wire has the connection
                                    again and carries the rest, as if the request had been plain
    its endpoint streams            a `Carriage` carries it to its end, then gives the connection back

Nothing here decides where a request goes, or whether it may: the stages have done that.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import trio

from frames.frame import CancelReason
from frames.wire import HEAD_CHUNKED, HEAD_ODD, HEAD_UPGRADE, Event, HandBack, Handed, KnownName, Wire, WireResult
from penstock.rooms import Rooms
from penstock.stream import Stream
from penstock.telemetry.occasional import Occasional
from proxy.edge.answering import Answering, fault_of
from proxy.edge.body import Pace, Refusal, RequestBody
from proxy.edge.carriage import Carriage, Ways
from proxy.edge.client import ClientGone, ClientSocket, ClientTooSlow, Secured
from proxy.edge.gather import Budget, Gathering
from proxy.edge.job import Job, allowed_upgrade, replace_host
from proxy.edge.mend import Unmended, mend_head
from proxy.edge.respond import Rendered
from proxy.errors import (
    BAD_RESPONSE,
    BODY_TIMEOUT,
    BYTES_IN_FLIGHT_FULL,
    CLIENT_GONE,
    DRAINING,
    HEAD_TIMEOUT,
    INTERNAL,
    NO_INSTANCE,
    SERVICE_CONGESTED,
    ReasonCounts,
    reason_of_verdict,
)
from proxy.exchange import Exchange
from proxy.stage import Answer

_log = logging.getLogger("penstock.edge")

READ_BYTES: Final = 65_536
"""Of a stream, beside what its service was granted: what was read of its client and waits to be sent on."""

_NOT_OPENED: Final = {
    WireResult.FULL: SERVICE_CONGESTED,
    WireResult.NO_ROOM: SERVICE_CONGESTED,
    WireResult.NO_CONNECTION: NO_INSTANCE,
}


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the lane."""

    call_bytes: int
    """Of one body, to an endpoint that streams."""
    buffered_bytes: int
    """Of one body, to an endpoint that does not."""
    body_bytes_per_second: int
    """The least rate at which a body must come."""
    grace_s: float
    """Before that rate is held against a client."""
    write_s: float
    """A write must make progress within it."""
    idle_s: float
    """As long as nothing may move on a stream."""
    window_bytes: int
    """What a service may send on a stream before it is granted more."""
    head_bytes: int
    """Of a head that is repaired, and of a trailer section."""
    head_fields: int
    """Of a trailer section."""
    is_tolerant: bool = False
    """Whether heads are repaired."""
    upgrades: frozenset[str] = frozenset()
    """Protocols that may be gone on with, where an endpoint offers them."""


class TaskLane:
    """Carries what the express lane does not. ``run`` is the parent of its tasks; the other methods never wait."""

    def __init__(
        self,
        wire: Wire,
        settings: TaskSettings,
        counts: ReasonCounts,
        budget: Budget,
        *,
        render: Callable[[int, Answer], Rendered],
        choose_again: Callable[[Exchange], Answer | None],
        send_credit: Callable[[int], int],
        secured: Callable[[int], Secured | None] = lambda _: None,
        name_of: Callable[[int], str] = str,
    ) -> None:
        """Put the lane together.

        render: makes an answer of a reason; choose_again: runs the stages that choose an instance, for a request that
        has waited; send_credit: what the service on a connection grants on a new stream; secured: the TLS session of a
        client's connection; name_of: who is at the other end of a framed connection, for logs.
        """
        self.rooms = Rooms(wire)
        self._wire = wire
        self._settings = settings
        self._counts = counts
        self._budget = budget
        self._render = render
        self._choose_again = choose_again
        self._send_credit = send_credit
        self._secured = secured
        self._name_of = name_of
        self._ways = Ways(self._cancel, self._write_answer, counts.count, settings.idle_s)
        self._carriages: dict[int, Carriage] = {}
        self._bad_responses, self._failures = Occasional(), Occasional()
        self._nursery: trio.Nursery | None = None

    # ---- its life ----

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be the parent of the lane's tasks until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def give_up_all(self) -> None:
        """End every exchange that streams: the time to drain is over."""
        for carriage in tuple(self._carriages.values()):
            carriage.end(Answer(DRAINING))

    @property
    def in_progress(self) -> int:
        """How many exchanges stream."""
        return len(self._carriages)

    # ---- from the batch ----

    def take(self, exchange: Exchange) -> Answer | None:
        """Carry on a request that the stages have decided upon. Returns an answer where it cannot be."""
        job = self._job(exchange)
        if job is None:
            return None  # its client is gone, and an event says so
        return self._begin_stream(job) if exchange.offer.streams else self._begin_gathering(job)

    def stream(self, event: Event) -> None:
        """A frame of an exchange that streams: EVENT_STREAM."""
        carriage = self._carriages.get(event[0])
        if carriage is not None:
            carriage.take(event, self._wire.arena)

    def lost(self, exchange: int) -> bool:
        """The connection that carried it is lost: EVENT_LOST. False: it is none of this lane's."""
        carriage = self._carriages.get(exchange)
        if carriage is not None:
            carriage.lost()
        return carriage is not None

    def refused(self, exchange: int, reason: int, retry_after_ms: int) -> bool:
        """The service has not started it: EVENT_REFUSED. False: it is none of this lane's."""
        carriage = self._carriages.get(exchange)
        if carriage is not None:
            carriage.refused(reason, retry_after_ms)
        return carriage is not None

    def room(self, connection: int) -> None:
        """A framed connection has room again: EVENT_FRAMED_ROOM."""
        self.rooms.room(connection)

    def dropped(self, connection: int) -> None:
        """A framed connection is gone: EVENT_FRAMED_CLOSED."""
        self.rooms.drop(connection)

    # ---- a request whose body is gathered ----

    def _begin_gathering(self, job: Job) -> Answer | None:
        taken = self._hand_over(job, self._settings.buffered_bytes)
        if taken is None:
            return None
        client, body, closes = taken
        gathering = Gathering(job, client, body, self._budget, closes=closes)
        try:
            is_whole = gathering.look()
        except Refusal as refusal:
            self._spawn(self._refuse, gathering, refusal.answer)
            return None
        refused = self._send_whole(gathering) if is_whole else None
        if refused is not None:
            self._spawn(self._refuse, gathering, refused)
        elif not is_whole:
            self._spawn(self._gather, gathering)
        return None

    def _send_whole(self, gathering: Gathering) -> Answer | None:
        """Send the request, and leave its answer to the wire."""
        wire, exchange, job = self._wire, gathering.job.exchange, gathering.job
        remaining_ms = max(0, exchange.deadline_ms - wire.age_ms(exchange.id))
        offer = exchange.offer
        result = wire.open(
            exchange.id,
            offer.connection,
            exchange.route.index,
            offer.endpoint_id,
            remaining_ms,
            job.target,
            job.fields,
            gathering.whole(),
            end=True,
        )
        gathering.forget()
        if result != WireResult.OK:
            return Answer(_NOT_OPENED.get(WireResult(result), INTERNAL))
        wire.hand_in(exchange.id, gathering.body.rest, gathering.client.received_bytes, remaining_ms)
        return None

    async def _gather(self, gathering: Gathering) -> None:
        """Wait for the body's rest, choose again, since instances may have come and gone meanwhile, and send."""
        exchange = gathering.job.exchange
        left_s = (exchange.deadline_ms - self._wire.age_ms(exchange.id)) / 1000
        refused: Answer | None = Answer(BODY_TIMEOUT)
        try:
            with trio.move_on_after(left_s):
                await gathering.wait()
                refused = self._choose_again(exchange) or self._send_whole(gathering)
        except Refusal as refusal:
            refused = refusal.answer
        except (ClientGone, ClientTooSlow):
            self._counts.count(CLIENT_GONE)
            self._hand_back(exchange.id, HandBack.CLOSE)
            gathering.forget()
            return
        except trio.Cancelled:
            self._hand_back(exchange.id, HandBack.RESET)
            gathering.forget()
            raise
        if refused is not None:
            await self._refuse(gathering, refused)
        self._wire.flush_soon()

    async def _refuse(self, gathering: Gathering, answer: Answer) -> None:
        """Answer a request that goes no further."""
        gathering.forget()
        exchange, client, body = gathering.job.id, gathering.client, gathering.body
        closes = gathering.closes or answer.reason.closes or not body.is_whole
        how = HandBack.RESET
        try:
            await client.send(self._write_answer(exchange, answer, closes))
            if closes:
                await client.send_close_notify()
            how = HandBack.LINGER if closes else HandBack.KEEP
        except (ClientGone, ClientTooSlow):
            pass
        finally:
            self._hand_back(exchange, how, body.rest, client.received_bytes)

    # ---- a request that streams ----

    def _begin_stream(self, job: Job) -> Answer | None:
        held_bytes = self._settings.window_bytes + READ_BYTES
        if not self._budget.reserve(held_bytes):
            return Answer(BYTES_IN_FLIGHT_FULL)
        is_plain = not job.head.verdict
        first = self._wire.request_body(job.id) if is_plain else b""
        taken = self._hand_over(job, self._settings.call_bytes)
        if taken is None:
            self._budget.release(held_bytes)
            return None
        client, body, closes = taken
        carriage = Carriage(self._ways, job, client, body, closes=closes)
        is_whole = body.is_whole and not job.upgrade
        self._attach(carriage)
        result = self._open(job, body, first, end=is_whole)
        if result == WireResult.OK:
            carriage.began(len(first), end=is_whole)
            self._carriages[job.id] = carriage
        else:
            carriage.end(Answer(_NOT_OPENED.get(WireResult(result), INTERNAL)))
        self._spawn(self._carry, carriage, held_bytes)
        return None

    def _attach(self, carriage: Carriage) -> None:
        """Make what stands for the service."""
        job = carriage.job
        connection = job.exchange.offer.connection

        def on_fault(what: str) -> None:
            self._report(connection, what)
            carriage.end(Answer(BAD_RESPONSE))

        stream = Stream(
            self._wire,
            self.rooms,
            connection,
            job.id,
            send_credit=self._send_credit(connection),
            receive_window=self._settings.window_bytes,
            on_fault=lambda cause: on_fault(fault_of(cause)),
        )
        answering = Answering(self._wire, job, stream, closes=carriage.says_close, on_fault=on_fault)
        carriage.attach(stream, answering)

    def _open(self, job: Job, body: RequestBody, first: bytes, *, end: bool) -> int:
        exchange, offer = job.exchange, job.exchange.offer
        return self._wire.open(
            exchange.id,
            offer.connection,
            exchange.route.index,
            offer.endpoint_id,
            max(0, exchange.deadline_ms - self._wire.age_ms(exchange.id)),
            job.target,
            job.fields,
            first,
            end=end,
            body_length=None if end else body.length or None,
            upgrade=job.upgrade,
        )

    async def _carry(self, carriage: Carriage, held_bytes: int) -> None:
        exchange = carriage.job.id
        how = HandBack.RESET
        try:
            how = await carriage.run()
        except trio.Cancelled:
            self._cancel(exchange, CancelReason.SHUTDOWN)
            raise
        except Exception as error:  # one exchange's trouble must not end the others'
            self._fail(carriage, error)
        finally:
            self._carriages.pop(exchange, None)
            self._hand_back(exchange, how, carriage.rest(), carriage.client.received_bytes)
            self._budget.release(held_bytes)

    # ---- a head that may be repaired ----

    def mend(self, exchange: int, verdict: int) -> bool:
        """Take a refused request on whose head may be repaired. False: it is to be answered as it is."""
        if not self._settings.is_tolerant:
            return False
        handed = self._wire.hand_over(exchange)
        if handed is not None:
            self._spawn(self._mend, exchange, verdict, self._client(handed))
        return handed is not None

    async def _mend(self, exchange: int, verdict: int, client: ClientSocket) -> None:
        how, rest = HandBack.RESET, b""
        answer: Answer | None = Answer(HEAD_TIMEOUT)
        try:
            with trio.move_on_after(self._settings.grace_s):
                try:
                    rest = await mend_head(client, verdict, self._settings.head_bytes)
                    how, answer = HandBack.KEEP, None
                except Unmended:
                    answer = Answer(reason_of_verdict(verdict))
            if answer is not None:
                await client.send(self._write_answer(exchange, answer, True))
                await client.send_close_notify()
                how = HandBack.LINGER
        except (ClientGone, ClientTooSlow):
            pass
        finally:
            self._hand_back(exchange, how, rest, client.received_bytes)

    # ---- what both need ----

    def _job(self, exchange: Exchange) -> Job | None:
        wire, is_odd = self._wire, bool(exchange.flags & HEAD_ODD)
        head = exchange.head if is_odd else wire.request_head(exchange.id)
        if head is None:
            return None
        fields = wire.request_fields(exchange.id)
        is_unusual = bool(head.verdict)
        if is_unusual and exchange.authority is not None:
            fields = replace_host(fields, exchange.authority)
        target = exchange.target if is_unusual else head.target
        upgrade = self._upgrade_of(exchange, head.flags)
        return Job(exchange=exchange.copy(), head=head, target=target, fields=fields, upgrade=upgrade)

    def _upgrade_of(self, exchange: Exchange, flags: int) -> bytes:
        if not flags & HEAD_UPGRADE or not exchange.offer.upgrades:
            return b""
        wanted = self._wire.request_field(exchange.id, KnownName.UPGRADE) or b""
        return allowed_upgrade(wanted, exchange.offer.upgrades, self._settings.upgrades)

    def _hand_over(self, job: Job, byte_count_max: int) -> tuple[ClientSocket, RequestBody, bool] | None:
        """Take the connection; what is still to come of the body begins behind what was received."""
        handed = self._wire.hand_over(job.id)
        if handed is None:
            return None
        settings, head = self._settings, job.head
        client = self._client(handed)
        length = 0 if not head.verdict else None if head.flags & HEAD_CHUNKED else head.content_length
        body = RequestBody(
            client,
            length=length,
            byte_count_max=byte_count_max,
            pace=Pace(settings.body_bytes_per_second, settings.grace_s),
            trailer_bytes=settings.head_bytes,
            trailer_fields=settings.head_fields,
        )
        return client, body, handed.closes

    def _client(self, handed: Handed) -> ClientSocket:
        secured = self._secured(handed.connection)
        return ClientSocket(handed.descriptor, handed.held, self._settings.write_s, secured)

    def _spawn(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        if self._nursery is None:
            raise RuntimeError("the task lane does not run: it is to be started before the first request comes")
        self._nursery.start_soon(task, *args)

    def _hand_back(self, exchange: int, how: HandBack, rest: bytes = b"", received: int = 0) -> None:
        self._wire.hand_back(exchange, how, rest, received)
        self._wire.flush_soon()

    def _cancel(self, exchange: int, reason: int) -> int:
        result = self._wire.cancel(exchange, reason)
        self._wire.flush_soon()
        return result

    def _write_answer(self, exchange: int, answer: Answer, closes: bool) -> bytes:
        self._counts.count(answer.reason)
        rendered = self._render(exchange, answer)
        head = self._wire.answer_head(exchange, rendered.status, rendered.lines, len(rendered.body), close=closes)
        return head + rendered.body

    def _report(self, connection: int, what: str) -> None:
        held_back = self._bad_responses.held_back((connection, what))
        if held_back is not None:
            _log.warning("%s: its response was refused: %s (%d more)", self._name_of(connection), what, held_back)

    def _fail(self, carriage: Carriage, error: Exception) -> None:
        """A fault of ours: the exchange ends in a reset."""
        self._cancel(carriage.job.id, CancelReason.SHUTDOWN)
        self._counts.count(INTERNAL)
        held_back = self._failures.held_back(type(error).__name__)
        if held_back is not None:
            _log.exception("a task failed on %r (%d more)", carriage, held_back)
