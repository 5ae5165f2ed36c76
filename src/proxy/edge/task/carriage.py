"""A carriage: one exchange with an endpoint that streams, from its REQUEST to the last byte for its client.

One task writes what the service answers. Where the request's body is still to come, or another protocol, a second one
reads the client; where not, nobody does, and `departures` tells when it has gone. Whatever ends the exchange, the
service is told, and nothing is left.

    before the head     what goes wrong becomes an answer with a reason
    after the head      it ends in a reset: a body that was cut must not look whole
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import trio

from frames.frame import CancelReason, FieldId, FrameType
from frames.wire_values import Event, Framing, HandBack
from penstock.errors import StreamBroken, StreamCause
from penstock.stream import Stream
from penstock.window import Window
from proxy.edge.task.answering import SWITCHING, Answering, Arena, Head
from proxy.edge.task.body import Refusal, RequestBody
from proxy.edge.task.client import Client, ClientGone, ClientTooSlow
from proxy.edge.task.departures import Departures
from proxy.edge.task.job import Job
from proxy.errors import (
    BAD_CHUNK,
    BAD_RESPONSE,
    BAD_TRAILER,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    CLIENT_GONE,
    CLIENT_TOO_SLOW,
    DEADLINE,
    FAULT_CUT,
    RESPONSE_ABORTED,
    SERVICE_LOST,
    STREAM_IDLE,
    Reason,
    reason_of_refusal,
)
from proxy.request.outcomes import OutcomeKind, Told, kind_of_status, nobody_is_told
from proxy.request.stage import Answer

BURST_BYTES: Final = 1_048_576
"""Of a body, what is written to the client in one go."""
LAST_CHUNK: Final = b"0\r\n"

_CANCELS: Final = {
    BAD_CHUNK: CancelReason.CLIENT_GONE,
    BAD_TRAILER: CancelReason.CLIENT_GONE,
    BODY_TIMEOUT: CancelReason.CLIENT_GONE,
    BODY_TOO_LARGE: CancelReason.PAYLOAD_TOO_LARGE,
    CLIENT_GONE: CancelReason.CLIENT_GONE,
    CLIENT_TOO_SLOW: CancelReason.CLIENT_GONE,
    BAD_RESPONSE: CancelReason.BAD_RESPONSE,
    DEADLINE: CancelReason.DEADLINE,
    FAULT_CUT: CancelReason.CLIENT_GONE,
    STREAM_IDLE: CancelReason.DEADLINE,
}
_FAILURES: Final = {DEADLINE: OutcomeKind.EXPIRED, BAD_RESPONSE: OutcomeKind.BAD_RESPONSE}


class Ways(NamedTuple):
    """What a carriage needs of its lane."""

    cancel: Callable[[int, int], int]
    """Take a sent exchange back, with a CANCEL for the reason."""
    write_answer: Callable[[int, Answer, bool], bytes]
    """(exchange, answer, closes) -> the bytes of an answer of our own."""
    count_reason: Callable[[int, Reason], None]
    """(exchange, reason): count why an exchange ends that is told nothing."""
    idle_s: float
    """How long nothing may move in either direction."""
    moved: Callable[[], None]
    """Told that something has moved, and that more is likely to."""
    departures: Departures
    """Tells of clients that leave while nobody reads them."""
    is_draining: Callable[[], bool]
    """Whether answers are to say that the connection closes."""
    failed: Told = nobody_is_told
    """(gauge, kind, microseconds) is told what failed."""


class Carriage:
    """One exchange that streams. ``run`` is its task; `take`, `refused`, `lost` and `end` never wait."""

    def __init__(
        self, ways: Ways, job: Job, client: Client, body: RequestBody, *, closes: bool, age_s: float = 0.0
    ) -> None:
        """closes: the connection ends with this answer, whatever it is; age_s: since the request's first byte."""
        self.job = job
        self.body = body
        self.client: Client = client
        self._ways = ways
        self._closes = closes
        self._spent_s = age_s if body.is_whole else 0.0  # of the deadline, which begins when the request is whole
        self._idle_s = job.stream_idle_ms / 1000 or ways.idle_s
        self._scope = trio.CancelScope()
        self._switched = trio.Event()
        self._ending: Answer | None = None
        self._has_answered = False  # the final head is on its way to the client
        self._is_done = False  # the whole answer was written
        self.reserved_bytes = 0
        """Of the memory for all bodies, what is held for it."""

    def attach(self, stream: Stream, answering: Answering, window: Window) -> None:
        """Take what stands for the service, before the first frame can come."""
        self._stream = stream
        self._answering = answering
        self.window = window

    def began(self, body_bytes: int, *, end: bool) -> None:
        """The REQUEST was written, with this much of the body."""
        self._stream.began(body_bytes, end=end)
        if self.body.length and not end:
            self._stream.declare_send_length(self.body.length)

    def __repr__(self) -> str:
        """Identity and state on one line."""
        return f"<Carriage {self.job.id:#x} {self._stream!r}>"

    # ---- from the batch ----

    def take(self, event: Event, arena: Arena) -> None:
        """Take a frame of the exchange: EVENT_STREAM."""
        if event[3] == FrameType.CANCEL:
            self._stream.close(StreamCause.ABORTED)
            self.end(Answer(SERVICE_LOST))
        elif self._ending is None:
            self._answering.take(event, arena)
            if self._stream.has_received_end:
                self._stream.stop_sending()  # who has answered in full wants no more of the request

    def refused(self, reason: int, retry_after_ms: int) -> None:
        """The service has not started it: EVENT_REFUSED."""
        retry_after_s = -(-retry_after_ms // 1000) if retry_after_ms else None
        self.end(Answer(reason_of_refusal(reason), retry_after_s=retry_after_s))

    def lost(self) -> None:
        """The connection that carries it is lost: EVENT_LOST."""
        self._stream.close(StreamCause.LOST)
        self.end(Answer(SERVICE_LOST))

    def end(self, answer: Answer) -> None:
        """Give the exchange up. The first cause counts."""
        if self._ending is None and not self._is_done:
            self._ending = answer
            self._scope.cancel()

    def spoil(self, bytes_per_second: int | None, cut_bytes: int | None) -> None:
        """Have the answer written slowly, or only so far, on purpose. Before ``run``."""
        from proxy.edge.task.spoiled import SpoiledSocket  # what a gateway without faults on purpose does not load

        self.client = SpoiledSocket(
            self.client, bytes_per_second=bytes_per_second, cut_bytes=cut_bytes, moved=self._arm
        )

    def says_close(self, wanted: bool) -> bool:
        """Whether the head says that the connection closes; a request that is not read to its end must end with it."""
        self._closes |= wanted or not self.body.is_whole or self._ways.is_draining()
        return self._closes

    # ---- the task ----

    async def run(self) -> HandBack:
        """Carry the exchange to its end, and return how the connection is to be given back."""
        self._arm()
        with self._scope:
            if self._stream.has_sent_end:  # there is nothing to read
                with self._ways.departures.calling(self.client.descriptor, self._client_left):
                    await self._answer()
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen)
                    await self._answer()
                    nursery.cancel_scope.cancel()
        if self._scope.cancelled_caught and self._ending is None and not self._is_done:
            self._ending = Answer(DEADLINE if self._waits_for_head else STREAM_IDLE)
        return await self._finish() if self._ending is None else await self._give_up(self._ending)

    def rest(self) -> bytes:
        """Return what came behind the request: the beginning of the next one."""
        return self.body.rest

    async def _answer(self) -> None:
        """Write what the service answers."""
        try:
            head = await self._answering.next_head()
            while not head.is_final:
                await self.client.send(head.text)
                head = await self._answering.next_head()
            self._has_answered = True
            self._tell(kind_of_status(head.status))
            self._arm()
            if head.status == SWITCHING:
                self._switched.set()
            await self._write(head)
            self._is_done = self._ending is None
        except ClientGone as gone:
            self.end(Answer(gone.reason))
        except ClientTooSlow:
            self.end(Answer(CLIENT_TOO_SLOW))
        except StreamBroken:
            self.end(Answer(BAD_RESPONSE))  # unless the cause of the breaking has ended it already

    async def _write(self, head: Head) -> None:
        """Write the final head, and the body as it comes."""
        send, stream = self.client.send, self._stream
        if not head.framing.has_body:
            await send(head.text)
            return
        is_chunked = head.framing.framing is Framing.CHUNKED
        parts = self._take_parts(stream.receive_nowait())
        keeps_up = await send(head.text, *_pieces(parts, is_chunked))
        stream.done(sum(map(len, parts)), keeps_up=keeps_up)
        while (part := await stream.receive()) is not None:
            parts = self._take_parts(part)
            keeps_up = await send(*_pieces(parts, is_chunked))
            stream.done(sum(map(len, parts)), keeps_up=keeps_up)
            self._arm()
        if is_chunked:
            await send(LAST_CHUNK, self._answering.trailers)

    def _take_parts(self, part: bytes | None) -> list[bytes]:
        """Return this part of the body and those that have come with it."""
        parts: list[bytes] = []
        byte_count = 0
        while part is not None:
            parts.append(part)
            byte_count += len(part)
            part = self._stream.receive_nowait() if byte_count < BURST_BYTES else None
        return parts

    async def _listen(self) -> None:
        """Read the client: its request's body, or, after an upgrade, what belongs to the other protocol."""
        departures, descriptor = self._ways.departures, self.client.descriptor
        try:
            with departures.calling(descriptor, self._client_left):
                if not self.job.upgrade:
                    await self._send_body()
                await self._switched.wait()  # or until all is over
            with departures.calling(descriptor, self._client_left, may_end=True):
                await self._send_tunnelled()
                await trio.sleep_forever()  # until the service has ended, or the client is gone
        except Refusal as refusal:
            self.end(refusal.answer)
        except ClientGone:
            self.end(Answer(CLIENT_GONE))
        except StreamBroken:
            pass  # the service wants no more of it, or its end says what is the matter

    async def _send_body(self) -> None:
        body, stream = self.body, self._stream
        parts = body.receive_nowait() or await body.receive()
        while parts:
            for part in parts:
                await stream.send(part)
            self._arm()
            parts = await body.receive()
        await stream.end([(FieldId.NAMED, name, value) for name, value in body.trailers])
        self._arm()

    def _client_left(self) -> None:
        self.end(Answer(CLIENT_GONE))

    async def _send_tunnelled(self) -> None:
        data = self.rest()
        self.body.rest = b""
        while data or (data := await self.client.receive()):
            await self._stream.send(data)
            self._arm()
            data = b""
        await self._stream.end()

    # ---- time ----

    @property
    def _waits_for_head(self) -> bool:
        return not self._has_answered and self.body.is_whole

    def _arm(self) -> None:
        """Something has moved; or the deadline begins, which does not count while the request's body is coming."""
        self._ways.moved()
        deadline_s = self.job.deadline_ms / 1000 - self._spent_s
        within_s = deadline_s if self._waits_for_head else self._idle_s
        self._scope.deadline = trio.current_time() + within_s

    # ---- the end ----

    async def _finish(self) -> HandBack:
        if not self._stream.has_received_end:  # HEAD, answered by an endpoint that answers GET
            self._ways.cancel(self.job.id, CancelReason.CLIENT_GONE)
        if self._stream.is_upgraded or self._closes or not self.body.is_whole:
            return await self._say_goodbye()
        return HandBack.KEEP

    async def _give_up(self, ending: Answer) -> HandBack:
        """Tell the service, and the client if it can be told."""
        self._ways.cancel(self.job.id, _CANCELS.get(ending.reason, CancelReason.SHUTDOWN))
        self._stream.close(StreamCause.GIVEN_UP)
        if not self._has_answered:
            self._tell(_FAILURES.get(ending.reason, OutcomeKind.OTHER))
        if self._has_answered or ending.reason in (CLIENT_GONE, CLIENT_TOO_SLOW):
            is_cut = ending.reason in (BAD_RESPONSE, SERVICE_LOST)
            self._ways.count_reason(self.job.id, RESPONSE_ABORTED if is_cut else ending.reason)
            return HandBack.RESET
        closes = self.says_close(ending.reason.closes)
        try:
            await self.client.send(self._ways.write_answer(self.job.id, ending, closes))
        except (ClientGone, ClientTooSlow):
            return HandBack.RESET
        return await self._say_goodbye() if closes else HandBack.KEEP

    def _tell(self, kind: OutcomeKind) -> None:
        """Tell what has become of it, as far as its service is to blame for it."""
        if kind is not OutcomeKind.OTHER:
            self._ways.failed(self.job.exchange.offer.gauge, kind, self.job.deadline_ms * 1000)

    async def _say_goodbye(self) -> HandBack:
        try:
            await self.client.send_close_notify()
        except (ClientGone, ClientTooSlow):
            return HandBack.RESET
        return HandBack.LINGER


def _pieces(parts: list[bytes], is_chunked: bool) -> list[bytes]:
    """Return the bytes of these parts of a body on the wire, one chunk for all of them (RFC 9112, section 7.1)."""
    if not is_chunked or not parts:
        return parts
    return [b"%x\r\n" % sum(map(len, parts)), *parts, b"\r\n"]
