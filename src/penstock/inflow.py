"""The direction of a stream that comes in: kept until it is read, granted again when it was (`stream.py`)."""

import time
from collections import deque
from collections.abc import AsyncIterator, Sequence

import trio

from frames.fields import Field
from frames.fixed import encode_credit
from frames.frame import END, FrameType
from penstock.errors import StreamBroken, StreamCause
from penstock.port import WIRE_FULL, StreamPort
from penstock.window import Window

__all__ = ["FULL_RETRY_S", "YIELD_S", "Inflow"]

CREDIT = int(FrameType.CREDIT)

YIELD_S = 0.001
"""Own work between two looks at what other tasks want; as in `frames.wire`."""
JOINED_BYTES_MAX = 4_096
"""Pieces that come are joined up to this size: a peer that sends single bytes must not cost an object for each."""
FULL_RETRY_S = 0.005
"""After a frame for which the wire had no place at all, although room is asked for before a body is written."""

clock = time.monotonic


class Inflow:
    """The peer's body. The `take` methods return what the peer did wrong, or None; whoever calls them then stops it."""

    __slots__ = (
        "_chunks",
        "_connection",
        "_exchange",
        "_grants_late",
        "_port",
        "_reader",
        "_window",
        "_yielded_at",
        "byte_count",
        "cause",
        "has_ended",
        "length",
        "trailers",
    )

    def __init__(
        self, port: StreamPort, connection: int, exchange: int, window: Window, *, grants_late: bool = False
    ) -> None:
        """window: what the peer may send before anything is read; grants_late: what is read is granted by `done`."""
        self._port = port
        self._connection = connection
        self._exchange = exchange
        self._window = window
        self._grants_late = grants_late
        self._chunks: deque[bytes] = deque()
        self._reader: trio.lowlevel.Task | None = None
        self._yielded_at = clock()
        self.cause: StreamCause | None = None
        self.has_ended = False
        self.length: int | None = None
        self.byte_count = 0
        self.trailers: list[Field] = []

    # ---- from the batch ----

    def take_data(self, data: bytes, flags: int) -> StreamCause | None:
        """Take a DATA frame: within what was granted, and before the end."""
        if self.cause is not None:
            return None
        if self.has_ended:
            return StreamCause.AFTER_END
        if len(data) > self._window.open:
            return StreamCause.CREDIT_EXCEEDED
        self._window.open -= len(data)
        return self.take_first(data, flags)

    def take_first(self, data: bytes, flags: int) -> StreamCause | None:
        """Take a part of the body that needs no credit."""
        if self.cause is not None:
            return None
        if self.has_ended:
            return StreamCause.AFTER_END
        self.byte_count += len(data)
        if self.length is not None:
            if self.byte_count > self.length:
                return StreamCause.LENGTH_EXCEEDED
            if flags & END and self.byte_count < self.length:
                return StreamCause.LENGTH_SHORT
        self.has_ended = bool(flags & END)
        self._keep(data)
        self._wake()
        return None

    def take_trailers(self, fields: Sequence[Field]) -> StreamCause | None:
        """Take the fields behind the body, which end it."""
        fault = self.take_first(b"", END)
        if fault is None and self.cause is None:
            self.trailers = list(fields)
        return fault

    def stop(self, cause: StreamCause) -> None:
        """Drop what has come and what still comes; nothing more is granted. The first cause stays."""
        if self.cause is None:
            self.cause = cause
            self._chunks.clear()
            self._wake()

    # ---- from the reader ----

    async def receive(self) -> bytes | None:
        """Return the next part of the peer's body, or None at its end. Raises `StreamBroken`."""
        if clock() - self._yielded_at > YIELD_S:
            await trio.lowlevel.checkpoint()
            self._yielded_at = clock()
        while not self._chunks:
            if self.cause is not None:
                await trio.lowlevel.checkpoint_if_cancelled()  # who is cancelled is to know that, and not its cause
                raise StreamBroken(self.cause)
            if self.has_ended:
                return None
            await self._wait()
        return self._take_chunk()

    def receive_nowait(self) -> bytes | None:
        """Return what has come, or None when there is nothing now, which may be the end. Raises `StreamBroken`."""
        if self._chunks:
            return self._take_chunk()
        if self.cause is not None:
            raise StreamBroken(self.cause)
        return None

    def done(self, byte_count: int, *, keeps_up: bool = True) -> None:
        """These bytes are needed no more: grant as many. keeps_up: the reader has not kept them waiting."""
        if self.has_ended or self.cause is not None:
            return
        self._window.read(byte_count, keeps_up=keeps_up and not self._chunks)
        if self._window.is_due:
            self._give_back()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The parts of the peer's body, until its end."""
        return self

    async def __anext__(self) -> bytes:
        """The next part."""
        chunk = await self.receive()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    # ---- within ----

    def _keep(self, data: bytes) -> None:
        chunks = self._chunks
        if chunks and len(chunks[-1]) + len(data) <= JOINED_BYTES_MAX:
            chunks[-1] += data
        elif data:
            chunks.append(data)

    def _take_chunk(self) -> bytes:
        chunk = self._chunks.popleft()
        if not self._grants_late:
            self.done(len(chunk))
        return chunk

    def _give_back(self) -> None:
        """Grant once more what was read; what the wire cannot take is granted later."""
        window = self._window
        if self._port.frame(self._connection, CREDIT, 0, self._exchange, encode_credit(window.owed)) != WIRE_FULL:
            window.granted()
            self._port.flush_soon()

    async def _wait(self) -> None:
        if self._window.is_due:  # not granted for want of room: the peer may be waiting for it
            self._give_back()
            if self._window.owed:
                await trio.sleep(FULL_RETRY_S)
                return
        if self._reader is not None:
            raise trio.BusyResourceError("another task is reading from this stream")
        self._reader = trio.lowlevel.current_task()

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)
        self._yielded_at = clock()

    def _wake(self) -> None:
        if self._reader is not None:
            trio.lowlevel.reschedule(self._reader)
            self._reader = None
