"""The task lane: exchanges that must wait for their client, or whose bodies are too long to be held.

A request comes here from the batch, decided upon but not sent. Its connection is taken out of the wire's hands.

    its endpoint does not stream    `gather`: the body is gathered, and goes with the REQUEST; then the wire has the
                                    connection again and carries the rest, as if the request had been plain
    its endpoint streams            `streams`: a `Carriage` carries it to its end, then gives the connection back
    its head may be repaired        `mend`: in tolerant mode
    a stage must wait               `Gatherer.begin_waiting`: for keys, say; then as above

Nothing here decides where a request goes, or whether it may: the stages have done that.

Most gateways carry most requests without it. So what it is made of is loaded with the first request that comes here.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

import trio

from frames.wire import Wire
from frames.wire_values import Event, HandBack, Handed
from proxy.edge.respond import Rendered
from proxy.edge.task.settings import TaskSettings
from proxy.errors import Reason
from proxy.request.exchange import Exchange
from proxy.request.outcomes import Told, nobody_is_told
from proxy.request.reason_counts import ReasonCounts
from proxy.request.stage import Answer, Await, Stage

if TYPE_CHECKING:
    from proxy.edge.task.client import Secured
    from proxy.edge.task.gather import Budget, Found, Gatherer, Gathering
    from proxy.edge.task.handover import HandOver
    from proxy.edge.task.job import Job
    from proxy.edge.task.mend import Mender
    from proxy.edge.task.streams import Streams
    from proxy.request.ended import Endings


class TaskLane:
    """Carries what the express lane does not. ``run`` is the parent of its tasks; the other methods never wait."""

    def __init__(
        self,
        wire: Wire,
        settings: TaskSettings,
        counts: ReasonCounts,
        budget: "Budget",
        *,
        render: Callable[[int, Answer], Rendered],
        choose_again: "Callable[[Exchange], Found]",
        go_on: "Callable[[Exchange, Stage], Found]",
        send_credit: Callable[[int], int],
        recall: Callable[[int, int, Handed], Exchange],
        frame_bits: Callable[[int], int] = lambda _: 0,
        secured: "Callable[[int], Secured | None]" = lambda _: None,
        name_of: Callable[[int], str] = str,
    ) -> None:
        """Put the lane together.

        render: makes an answer of a reason; choose_again: runs the stages that choose an instance, for a request that
        has waited for its body; go_on: runs the stages from one on that has waited, up to the choice; send_credit:
        what the service on a connection grants on a new stream; recall: what was decided about a request that was sent,
        for one whose answer turns out to stream; secured: the TLS session of a client's connection; name_of: who is at
        the other end of a framed connection, for logs.
        """
        self._wire = wire
        self._settings = settings
        self._counts = counts
        self._render = render
        self._secured = secured
        self._recall = recall
        self._choose_again = choose_again
        self._go_on = go_on
        self._budget = budget
        self._send_credit = send_credit
        self._frame_bits = frame_bits
        self._name_of = name_of
        self._streams: Streams | None = None
        self._watching: trio.Nursery | None = None
        self._nursery: trio.Nursery | None = None
        self._is_draining = False
        self._told: Told = nobody_is_told
        self._endings: Endings = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be the parent of the lane's tasks until cancelled."""
        async with trio.open_nursery() as self._watching, trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    # ---- made when they are needed ----

    @cached_property
    def _hand_over(self) -> "HandOver":
        from proxy.edge.task.handover import HandOver

        if self._watching is None or self._nursery is None:
            raise RuntimeError("the task lane does not run: it is to be started before the first request comes")
        made = HandOver(
            self._wire,
            self._settings,
            self._counts,
            nursery=self._nursery,
            render=self._render,
            secured=self._secured,
            recall=self._recall,
        )
        self._watching.start_soon(made.departures.run)
        made.is_draining, made.tell_failure, made.endings = self._is_draining, self._told, self._endings
        return made

    @cached_property
    def _gatherer(self) -> "Gatherer":
        from proxy.edge.task.gather import Gatherer

        return Gatherer(self._hand_over, self._budget, self._choose_again, self._stream_gathered, self._stream_waited)

    @cached_property
    def _mender(self) -> "Mender":
        from proxy.edge.task.mend import Mender

        return Mender(self._hand_over)

    def open_streams(self) -> "Streams":
        """Make ready for exchanges that stream: to be called when a service has registered that does.

        What carries them is imported now, and costs memory from now on.
        """
        if self._streams is None:
            from proxy.edge.task.streams import Streams

            self._streams = Streams(
                self._hand_over,
                self._budget,
                send_credit=self._send_credit,
                frame_bits=self._frame_bits,
                name_of=self._name_of,
            )
        return self._streams

    def tell_ends(self, endings: "Endings") -> None:
        """Tell who is entered there, too, when an exchange ends in this lane. To be called before the first request."""
        self._endings = endings

    @property
    def in_progress(self) -> int:
        """How many exchanges stream, or wait for the rest of their bodies."""
        gathering = len(self._gatherer) if "_gatherer" in self.__dict__ else 0
        return gathering + (0 if self._streams is None else len(self._streams))

    def drain(self) -> None:
        """From now on, every answer closes its connection."""
        self._is_draining = True
        if "_hand_over" in self.__dict__:
            self._hand_over.is_draining = True

    def give_up_all(self) -> None:
        """End every one of them: the time to drain is over."""
        if self._streams is not None:
            self._streams.give_up_all()
        if "_gatherer" in self.__dict__:
            self._gatherer.give_up_all()

    def tell_failures(self, failed: Told) -> None:
        """Have this told of what fails here, by gauge, kind and microseconds. To be called before the first request."""
        self._told = failed

    # ---- from the batch ----

    def take(self, exchange: Exchange) -> Answer | None:
        """Carry on a request that the stages have decided upon. Returns an answer where it cannot be."""
        job = self._hand_over.job(exchange)
        if job is None:
            return None  # its client is gone, and an event says so
        job.allow_upgrade(self._settings.upgrades)
        try:
            if exchange.offer.streams:
                return self.open_streams().begin(job)
            self._gatherer.begin(job)
        except Exception:
            self._hand_over.abandon(job.id)
            raise
        return None

    def wait(self, exchange: Exchange, awaited: Await, stage: Stage) -> Answer | None:
        """Wait for what a stage asked for, then carry the request on from that stage. Returns as `take` does."""
        job = self._hand_over.job(exchange)
        if job is None:
            return None
        self._hand_over.hold_fields(job)
        # Until the stage that sets it has run:
        job.exchange.deadline_ms = awaited.deadline_ms or exchange.snapshot.limits.deadline_ms
        try:
            self._gatherer.begin_waiting(job, awaited, partial(self._resume, job, stage))
        except Exception:
            self._hand_over.abandon(job.id)
            raise
        return None

    def cut(self, exchange: int, reason: Reason) -> None:
        """Reset the connection of a request of this batch, unanswered."""
        if self._hand_over.take_connection(exchange) is not None:
            self._hand_over.count_reason(exchange, reason)
            self._hand_over.give_back(exchange, HandBack.RESET)

    def _resume(self, job: "Job", stage: Stage) -> "Found":
        """Go on with a request that has waited, from the stage on that has waited."""
        refused = self._go_on(job.exchange, stage)
        if refused is None:
            job.allow_upgrade(self._settings.upgrades)
        return refused

    def _stream_waited(self, gathering: "Gathering", first: bytes) -> Answer | None:
        return self.open_streams().go_on(
            gathering.job, gathering.client, gathering.body, first, closes=gathering.closes
        )

    def _stream_gathered(self, gathering: "Gathering") -> Answer | None:
        whole = gathering.whole()
        gathering.forget()
        streams, client = self.open_streams(), gathering.client
        return streams.take_on(gathering.job, client, gathering.body, whole, closes=gathering.closes)

    def mend(self, exchange: int, verdict: int) -> bool:
        """Take on a refused request whose head may be repaired. False: it is to be answered as it is."""
        return self._settings.is_tolerant and self._mender.begin(exchange, verdict)

    def stream(self, event: Event) -> None:
        """A frame of an exchange that streams: EVENT_STREAM."""
        if self._streams is not None:
            self._streams.take(event)
        self._wire.tasks_are_lively()

    def lost(self, exchange: int) -> bool:
        """The connection that carried it is lost: EVENT_LOST. False: it is none of this lane's."""
        carriage = self._streams.maybe_carriage(exchange) if self._streams is not None else None
        if carriage is not None:
            carriage.lost()
        return carriage is not None

    def refused(self, exchange: int, reason: int, retry_after_ms: int) -> bool:
        """The service has not started it: EVENT_REFUSED. False: it is none of this lane's."""
        carriage = self._streams.maybe_carriage(exchange) if self._streams is not None else None
        if carriage is not None:
            carriage.refused(reason, retry_after_ms)
        return carriage is not None

    def room(self, connection: int) -> None:
        """A framed connection has room again: EVENT_FRAMED_ROOM."""
        if self._streams is not None:
            self._streams.rooms.room(connection)
        self._wire.tasks_are_lively()

    def dropped(self, connection: int) -> None:
        """A framed connection is gone: EVENT_FRAMED_CLOSED."""
        if self._streams is not None:
            self._streams.rooms.drop(connection)
