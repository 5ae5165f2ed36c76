"""Hand-over: a client's connection leaves the wire's hands for one exchange, and comes back.

Whatever carries such an exchange gets here what it works with, and does here what the wire must know of.
"""

import logging
from collections.abc import Awaitable, Callable

import trio

from frames.frame import CancelReason
from frames.wire import Wire
from frames.wire_values import (
    HEAD_CHUNKED,
    HEAD_ODD,
    HEAD_PLAIN,
    HEAD_UPGRADE,
    NO_IDENTITY,
    ForwardedFields,
    HandBack,
    Handed,
    KnownName,
    RequestHead,
    WireResult,
)
from penstock.telemetry.occasional import Occasional
from proxy.edge.respond import Rendered
from proxy.edge.task.body import Pace, RequestBody
from proxy.edge.task.client import Client, ClientSocket, Secured
from proxy.edge.task.departures import Departures
from proxy.edge.task.job import Job, replace_host
from proxy.edge.task.settings import TaskSettings
from proxy.errors import (
    INTERNAL,
    NO_INSTANCE,
    REASON_NUMBERS,
    SERVICE_CONGESTED,
    SERVICE_LOST,
    Reason,
)
from proxy.request.ended import Ended, Endings
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.held import HeldFields
from proxy.request.log_fields import request_fields
from proxy.request.outcomes import Told, nobody_is_told
from proxy.request.reason_counts import ReasonCounts
from proxy.request.stage import Answer, Reply

_log = logging.getLogger("penstock.edge")


class HandOver:
    """Takes connections from the wire, and gives them back."""

    def __init__(
        self,
        wire: Wire,
        settings: TaskSettings,
        counts: ReasonCounts,
        *,
        nursery: trio.Nursery,
        render: Callable[[int, Answer], Rendered],
        secured: Callable[[int], Secured | None],
        recall: Callable[[int, int, Handed], Exchange],
    ) -> None:
        """nursery: the parent of all tasks that carry exchanges; render: makes an answer of a reason; secured: the TLS
        session of a client's connection, if it has one.

        recall: (exchange, the service's connection, the client's) -> what was decided about a request that was sent.
        """
        self.wire = wire
        self.settings = settings
        self.counts = counts
        self._render = render
        self._secured = secured
        self._recall = recall
        self.departures = Departures()
        """To be run by whoever runs the nursery."""
        self.is_draining = False
        """Set once, and then every answer says that its connection closes."""
        self.tell_failure: Told = nobody_is_told
        """(gauge, kind, microseconds) is told what failed of what is carried here, where no event of the wire tells."""
        self.endings: Endings = {}
        """Who is to be told how an exchange ends: the express lane's, in a gateway."""
        self._nursery = nursery
        self._failures = Occasional()

    def spawn(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """Begin a task."""
        self._nursery.start_soon(self._guard, task, *args)

    async def _guard(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """One exchange's trouble must not end the others'. Its task has given the connection back."""
        try:
            await task(*args)
        except Exception as error:
            self.failed(args, error, _exchange_of(args))

    def failed(self, what: object, error: Exception, exchange: Exchange | None) -> None:
        """Count and log a fault of ours, in carrying an exchange."""
        self.counts.count(INTERNAL)
        held_back = self._failures.held_back(type(error).__name__)
        if held_back is not None:
            extra = request_fields(self.wire, exchange) if exchange is not None else None
            _log.error("a task failed on %r (%d more)", what, held_back, exc_info=error, extra=extra)

    def job(self, exchange: Exchange) -> Job | None:
        """Return what is to be kept of a request of this batch; None when its client is gone.

        Where an instance was chosen already, `Job.allow_upgrade` is to be called.
        """
        is_odd = bool(exchange.flags & HEAD_ODD)
        head = exchange.head if is_odd else self.wire.request_head(exchange.id)
        if head is None:
            return None
        fields = self.wire.request_fields(exchange.id)
        is_another = bool(exchange.flags & NEEDS_TASK)
        if is_another and exchange.authority is not None:
            fields = replace_host(fields, exchange.authority)
        return Job(
            exchange=exchange.copy(),
            head=head,
            target=exchange.target if is_another else head.target,
            fields=fields,
            wanted_upgrade=self._wanted_upgrade(exchange, head.flags),
        )

    def hold_fields(self, job: Job) -> None:
        """Keep what is asked of the head by stages that go on later: the wire forgets it with its batch."""
        exchange = job.exchange
        exchange.fields = HeldFields(self.wire, exchange.id)
        exchange.head, exchange.content_length = job.head, job.head.content_length
        exchange.flags |= HEAD_ODD  # whoever asks for its head reads this one

    def take(self, job: Job, byte_count_max: int) -> tuple[ClientSocket, RequestBody, bool] | None:
        """Take the connection: its socket, the body that is still to come, and whether it closes after the answer.

        Of a plain request the body has come already, with the request.
        """
        head = job.head
        taken = self.take_connection(job.id)
        if taken is None:
            return None
        client, closes = taken
        length = 0 if not head.verdict else None if head.flags & HEAD_CHUNKED else head.content_length
        stated = job.exchange.route.policy.body_bytes
        byte_count_max = byte_count_max if stated is None else min(byte_count_max, stated)
        return client, self._body(client, length, byte_count_max), closes

    def _body(self, client: ClientSocket, length: int | None, byte_count_max: int) -> RequestBody:
        settings = self.settings
        return RequestBody(
            client,
            length=length,
            byte_count_max=byte_count_max,
            pace=Pace(settings.body_bytes_per_second, settings.grace_s),
            trailer_bytes=settings.head_bytes,
            trailer_fields=settings.head_fields,
        )

    def take_over(self, exchange: int, connection: int) -> tuple[Job, ClientSocket, RequestBody, bool] | None:
        """Take the connection of a plain request whose answer has turned out to stream; None: its client is gone.

        connection: of the service that answers.
        """
        handed = self.wire.take_over(exchange)
        if handed is None:
            return None
        sent = self._recall(exchange, connection, handed)
        head = RequestHead(HEAD_PLAIN, handed.flags, b"", 0, 0)
        client = ClientSocket(handed.descriptor, handed.held, self.settings.write_s, self._secured(handed.connection))
        job = Job(exchange=sent, head=head, target=b"", fields=ForwardedFields(0, b""))
        return job, client, self._body(client, 0, 0), handed.closes

    def take_connection(self, exchange: int) -> tuple[ClientSocket, bool] | None:
        """Take the connection: its socket, and whether it closes after the answer."""
        handed = self.wire.hand_over(exchange)
        if handed is None:
            return None
        secured = self._secured(handed.connection)
        return ClientSocket(handed.descriptor, handed.held, self.settings.write_s, secured), handed.closes

    def remaining_ms(self, exchange: Exchange) -> int:
        """Return what is left of the deadline, counted from the request's first byte."""
        return max(0, exchange.deadline_ms - self.wire.age_ms(exchange.id))

    def open(self, job: Job, body: bytes, *, end: bool, body_length: int | None = None, how: int = 0) -> Answer | None:
        """Send the REQUEST to the instance that was chosen. Returns an answer where that was not possible.

        how: as the wire's ``send`` takes it, for what the wire carries on after `hand_in`.
        """
        exchange, offer = job.exchange, job.exchange.offer
        result = self.wire.open(
            exchange.id,
            offer.connection,
            exchange.route.index,
            offer.endpoint_id,
            self.remaining_ms(exchange),
            job.target,
            job.fields,
            body,
            end=end,
            gauge=offer.gauge,
            how=how,
            body_length=body_length,
            upgrade=job.upgrade,
            identity=NO_IDENTITY if exchange.caller is None else exchange.caller.wire,
        )
        return None if result == WireResult.OK else Answer(_NOT_OPENED.get(WireResult(result), INTERNAL))

    def give_back(self, exchange: int, how: HandBack, rest: bytes = b"", client: Client | None = None) -> None:
        """Give a client's connection back; the exchange is over. rest: what came behind the request."""
        self._ended(exchange)
        received = 0
        if client is not None:
            self.wire.record_bytes(exchange, client.sent_bytes)
            received = client.received_bytes
        self.wire.hand_back(exchange, how, rest, received)
        self.wire.flush_soon()

    def _ended(self, exchange: int) -> None:
        """Tell who wants to know that it ends here. What the wire carries on again ends there."""
        take = self.endings.pop(exchange, None)
        if take is not None:
            facts = self.wire.facts(exchange)
            take(Ended(answer=Answer(SERVICE_LOST), is_unstarted=facts is None or not facts.attempt))

    def abandon(self, exchange: int) -> None:
        """After a fault of ours: its service is told, and its client, if its connection was taken, gets a reset."""
        self._ended(exchange)
        self.cancel(exchange, CancelReason.SHUTDOWN)
        if self.wire.hand_back(exchange, HandBack.RESET) == WireResult.OK:
            self.counts.count(INTERNAL)

    def count_reason(self, exchange: int, reason: Reason) -> None:
        """Count why an exchange ends that is told nothing, or nothing more."""
        self.wire.record_reason(exchange, REASON_NUMBERS[reason.code])
        self.counts.count(reason, self.wire.record_route(exchange))

    def cancel(self, exchange: int, reason: int) -> int:
        """Take a sent exchange back from its service, with a CANCEL that leaves soon."""
        result = self.wire.cancel(exchange, reason)
        self.wire.flush_soon()
        return result

    def write_answer(self, exchange: int, answer: Answer | Reply, closes: bool) -> bytes:
        """Count an answer of our own, and return its bytes; for HEAD without its body (RFC 9110, section 9.3.2)."""
        if isinstance(answer, Reply):
            head = self.wire.answer_head(exchange, answer.status, answer.lines, len(answer.body), close=closes)
            return head if self.wire.is_head(exchange) else head + answer.body
        rendered = self._render(exchange, answer)
        self.counts.count(answer.reason, self.wire.record_route(exchange))
        head = self.wire.answer_head(exchange, rendered.status, rendered.lines, len(rendered.body), close=closes)
        return head if self.wire.is_head(exchange) else head + rendered.body

    def _wanted_upgrade(self, exchange: Exchange, flags: int) -> bytes:
        if not flags & HEAD_UPGRADE or _has_body(exchange, flags):
            return b""
        return self.wire.request_field(exchange.id, KnownName.UPGRADE) or b""


def _has_body(exchange: Exchange, flags: int) -> bool:
    """Its body belongs to the request; the other protocol would take it for its own beginning."""
    return bool(flags & HEAD_CHUNKED or exchange.content_length)


_NOT_OPENED = {
    WireResult.NO_CONNECTION: NO_INSTANCE,  # it was lost meanwhile
    WireResult.FULL: SERVICE_CONGESTED,
    WireResult.NO_ROOM: SERVICE_CONGESTED,  # with its head, the body is longer than a frame
}


def _exchange_of(what: tuple[object, ...]) -> Exchange | None:
    """The exchange that a task works on: what it was given is one, or something that carries one."""
    first = what[0] if what else None
    job = getattr(first, "job", None)
    exchange = job.exchange if isinstance(job, Job) else first
    return exchange if isinstance(exchange, Exchange) else None
