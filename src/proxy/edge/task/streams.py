"""Streams: the exchanges with endpoints that stream, each a `Carriage`, from their beginning to their end."""

import logging
from collections.abc import Callable
from typing import Final

from frames.frame import CancelReason
from frames.wire_values import Event, HandBack
from penstock.rooms import Rooms
from penstock.stream import Stream
from penstock.telemetry.occasional import Occasional
from penstock.window import ElasticWindow, WindowPool
from proxy.edge.task.answering import Answering, fault_of
from proxy.edge.task.body import Refusal, RequestBody
from proxy.edge.task.carriage import Carriage, Ways
from proxy.edge.task.client import ClientSocket
from proxy.edge.task.gather import Budget
from proxy.edge.task.handover import HandOver
from proxy.edge.task.job import Job
from proxy.errors import BAD_RESPONSE, BYTES_IN_FLIGHT_FULL, DRAINING, INTERNAL
from proxy.request.exchange import ANSWER_SPOILED
from proxy.request.log_fields import request_fields
from proxy.request.stage import Answer

_log = logging.getLogger("penstock.edge")

READ_BYTES: Final = 65_536
"""Of a stream, beside what its service was granted: what was read of its client and waits to be sent on."""
GROWTH_BYTES: Final = 16_777_216
"""By which the windows of all streams may grow: sixteen fast ones at their most, or more that are less so."""


class Streams:
    """All exchanges that stream."""

    def __init__(
        self,
        hand_over: HandOver,
        budget: Budget,
        *,
        send_credit: Callable[[int], int],
        frame_bits: Callable[[int], int],
        name_of: Callable[[int], str],
    ) -> None:
        """send_credit: what the service on a connection grants on a new stream; name_of: who it is, for logs.

        frame_bits: what is added to the ids of our exchanges in the frames of a connection (protocol, section 2).
        """
        self._hand_over = hand_over
        self._wire = hand_over.wire
        self._budget = budget
        self.rooms = Rooms(hand_over.wire)
        self._send_credit = send_credit
        self._frame_bits = frame_bits
        self._name_of = name_of
        self._window_bytes = hand_over.settings.window_bytes
        self._held_bytes = self._window_bytes + READ_BYTES
        self._growth = WindowPool(GROWTH_BYTES)
        self._ways = Ways(
            hand_over.cancel,
            hand_over.write_answer,
            hand_over.count_reason,
            hand_over.settings.idle_s,
            hand_over.wire.tasks_are_lively,
            hand_over.departures,
            lambda: hand_over.is_draining,
            lambda gauge, kind, latency_us: hand_over.tell_failure(gauge, kind, latency_us),
        )
        self._carriages: dict[int, Carriage] = {}
        self._bad_responses = Occasional()

    def __len__(self) -> int:
        """How many exchanges stream."""
        return len(self._carriages)

    def maybe_carriage(self, exchange: int) -> Carriage | None:
        """Return what carries an exchange, if it is one that streams."""
        return self._carriages.get(exchange)

    def take(self, event: Event) -> None:
        """Take a frame of an exchange: EVENT_STREAM."""
        carriage = self._carriages.get(event[0]) or self._take_over(event)
        if carriage is None:
            return
        try:
            carriage.take(event, self._wire.arena)
        except Exception as error:
            self._hand_over.failed(carriage, error, carriage.job.exchange)
            carriage.end(Answer(INTERNAL))

    def _take_over(self, event: Event) -> Carriage | None:
        """The answer to a plain request has turned out to stream: from now on it needs a task, and its connection."""
        taken = self._hand_over.take_over(event[0], event[1])
        if taken is None:
            return None
        job, client, body, closes = taken
        carriage = Carriage(self._ways, job, client, body, closes=closes, age_s=self._wire.age_ms(job.id) / 1000)
        try:
            self._attach(carriage)
            carriage.began(0, end=True)
            self._carriages[job.id] = carriage
            if self._budget.reserve(self._held_bytes):
                carriage.reserved_bytes = self._held_bytes
            else:
                carriage.end(Answer(BYTES_IN_FLIGHT_FULL))
            self._hand_over.spawn(self._carry, carriage)
        except BaseException:
            self._carriages.pop(job.id, None)
            self._budget.release(carriage.reserved_bytes)
            self._hand_over.abandon(job.id)
            raise
        return carriage

    def give_up_all(self) -> None:
        """End every one: the time to drain is over."""
        for carriage in tuple(self._carriages.values()):
            carriage.end(Answer(DRAINING))

    def begin(self, job: Job) -> Answer | None:
        """Send a request of this batch as far as it has come. Returns an answer where it cannot be carried."""
        return self._start(job, lambda: self._begin(job))

    def take_on(
        self, job: Job, client: ClientSocket, body: RequestBody, whole: bytes, *, closes: bool
    ) -> Answer | None:
        """Send a request whose body was gathered, because who was to have it then did not stream. As `begin`."""
        return self._start(job, lambda: self._make(job, client, body, lambda _: whole, closes=closes))

    def go_on(self, job: Job, client: ClientSocket, body: RequestBody, first: bytes, *, closes: bool) -> Answer | None:
        """Send a request whose connection was taken before. first: what its body begins with. As `begin`."""
        take: Callable[[Carriage], bytes] = lambda carriage: first or self._received(carriage)  # noqa: E731
        return self._start(job, lambda: self._make(job, client, body, take, closes=closes))

    def _start(self, job: Job, make: Callable[[], Carriage | None]) -> Answer | None:
        if not self._budget.reserve(self._held_bytes):
            return Answer(BYTES_IN_FLIGHT_FULL)
        try:
            carriage = make()
        except BaseException:
            self._carriages.pop(job.id, None)
            self._budget.release(self._held_bytes)
            raise
        if carriage is None:
            self._budget.release(self._held_bytes)
        else:
            carriage.reserved_bytes = self._held_bytes
            self._hand_over.spawn(self._carry, carriage)
        return None

    def _begin(self, job: Job) -> Carriage | None:
        first = b"" if job.head.verdict else self._wire.request_body(job.id)
        taken = self._hand_over.take(job, self._hand_over.settings.call_bytes)
        if taken is None:
            return None  # its client is gone, and an event says so
        client, body, closes = taken
        return self._make(job, client, body, lambda carriage: first or self._received(carriage), closes=closes)

    def _make(
        self, job: Job, client: ClientSocket, body: RequestBody, take: Callable[[Carriage], bytes], *, closes: bool
    ) -> Carriage:
        """Make a carriage and send its request. take: returns what has come of the body; may raise `Refusal`."""
        age_s = self._wire.age_ms(job.id) / 1000
        carriage = Carriage(self._ways, job, client, body, closes=closes, age_s=age_s)
        self._attach(carriage)
        if job.exchange.flags & ANSWER_SPOILED:
            carriage.spoil(job.exchange.drawn.bytes_per_second, job.exchange.drawn.cut_bytes)
        try:
            self._open(carriage, take(carriage))
        except Refusal as refusal:
            carriage.end(refusal.answer)
        return carriage

    @staticmethod
    def _received(carriage: Carriage) -> bytes:
        """Return what has come of the body with its head: it goes with the REQUEST. Raises `Refusal`."""
        return b"" if carriage.job.upgrade else b"".join(carriage.body.receive_nowait())

    def _attach(self, carriage: Carriage) -> None:
        """Make what stands for the service."""
        job = carriage.job
        connection = job.exchange.offer.connection

        def on_fault(what: str) -> None:
            self._report(job, what)
            carriage.end(Answer(BAD_RESPONSE))

        window = ElasticWindow(self._window_bytes, self._growth)
        stream = Stream(
            self._wire,
            self.rooms,
            connection,
            job.id | self._frame_bits(connection),
            send_credit=self._send_credit(connection),
            receive_window=window,
            grants_late=True,
            on_fault=lambda cause: on_fault(fault_of(cause)),
        )
        answering = Answering(self._wire, job, stream, closes=carriage.says_close, on_fault=on_fault)
        carriage.attach(stream, answering, window)

    def _open(self, carriage: Carriage, first: bytes) -> None:
        """Send the REQUEST, with as much of the body as has come."""
        job, body = carriage.job, carriage.body
        end = body.is_whole and not body.trailers and not job.upgrade
        refused = self._hand_over.open(job, first, end=end, body_length=None if end else body.length or None)
        if refused is None:
            carriage.began(len(first), end=end)
            self._carriages[job.id] = carriage
        else:
            carriage.end(refused)

    async def _carry(self, carriage: Carriage) -> None:
        exchange = carriage.job.id
        how = HandBack.RESET
        try:
            how = await carriage.run()
        except BaseException:  # cancelled, mostly
            self._hand_over.cancel(exchange, CancelReason.SHUTDOWN)
            raise
        finally:
            self._carriages.pop(exchange, None)
            self._hand_over.give_back(exchange, how, carriage.rest(), carriage.client)
            self._budget.release(carriage.reserved_bytes)
            carriage.window.close()

    def _report(self, job: Job, what: str) -> None:
        connection = job.exchange.offer.connection
        held_back = self._bad_responses.held_back((connection, what))
        if held_back is not None:
            text, name = "%s: its response was refused: %s (%d more)", self._name_of(connection)
            _log.warning(text, name, what, held_back, extra=request_fields(self._wire, job.exchange))
