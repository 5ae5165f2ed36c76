"""The direction of a stream that goes out: as fast as the peer grants and the connection has room (`stream.py`)."""

from collections.abc import Sequence
from typing import NoReturn

import trio

from frames.fields import Field, encode_trailers
from frames.frame import END, FrameType
from frames.limits import CREDIT_SUM_MAX, DATA_BYTES_MAX
from penstock.errors import StreamBroken, StreamCause, StreamMisuse
from penstock.inflow import FULL_RETRY_S, YIELD_S, clock
from penstock.port import WIRE_FULL, StreamPort
from penstock.rooms import Rooms

__all__ = ["Outflow"]

DATA = int(FrameType.DATA)
TRAILERS = int(FrameType.TRAILERS)


class Outflow:
    """Our body. One task sends at a time."""

    __slots__ = (
        "_connection",
        "_exchange",
        "_is_busy",
        "_port",
        "_rooms",
        "_writer",
        "_yielded_at",
        "byte_count",
        "cause",
        "credit",
        "has_ended",
        "length",
    )

    def __init__(self, port: StreamPort, rooms: Rooms, connection: int, exchange: int, credit: int) -> None:
        """credit: bytes that the peer has granted so far."""
        self._port = port
        self._rooms = rooms
        self._connection = connection
        self._exchange = exchange
        self._is_busy = False
        self._writer: trio.lowlevel.Task | None = None
        self._yielded_at = clock()
        self.credit = credit
        self.cause: StreamCause | None = None
        self.has_ended = False
        self.length: int | None = None
        self.byte_count = 0

    # ---- from the batch ----

    def take_credit(self, byte_count: int) -> StreamCause | None:
        """Take a CREDIT frame; return what is wrong with it, or None."""
        if self.cause is not None or self.has_ended:
            return None
        if self.credit + byte_count > CREDIT_SUM_MAX:
            return StreamCause.CREDIT_OVERFLOW
        self.credit += byte_count
        self._wake()
        return None

    def stop(self, cause: StreamCause) -> None:
        """Send nothing more. The first cause stays; after the end there is nothing to stop."""
        if self.cause is None and not self.has_ended:
            self.cause = cause
            self._wake()

    # ---- from the writer ----

    async def open(self, frame_type: int, payload: bytes, body_bytes: int = 0, *, end: bool = False) -> None:
        """Write a REQUEST or RESPONSE, in which this much of the body stands, when there is room. Raises as `send`."""
        await self._begin(body_bytes, end=False)
        try:
            await self._write(frame_type, END if end else 0, payload)
            self.byte_count += body_bytes
        finally:
            self._is_busy = False

    async def send(self, data: bytes | memoryview, *, end: bool = False) -> None:
        """Send bytes as credit and the connection's room allow; `end`: they are the last.

        Raises:
            StreamBroken: nothing more can be sent.
            StreamMisuse: after the end, or not as declared; nothing was sent, and nothing can be sent any more.
        """
        await self._begin(len(data), end)
        try:
            if clock() - self._yielded_at > YIELD_S:
                await trio.lowlevel.checkpoint()
                self._yielded_at = clock()
            await self._send(data, end)
        finally:
            self._is_busy = False

    async def end(self, trailers: Sequence[Field] = ()) -> None:
        """End our direction, with trailers if there are any. After the end, without any, nothing. Raises as `send`."""
        if self.has_ended and not trailers:
            return
        payload = encode_trailers(trailers) if trailers else b""
        await self._begin(0, end=True)
        try:
            await self._write(TRAILERS if trailers else DATA, END, payload)
        finally:
            self._is_busy = False

    async def wait_credit(self) -> int:
        """Wait until bytes may be sent, and return how many. Raises `StreamBroken`. A checkpoint only if it waits."""
        while not self.credit and self.cause is None:
            await self._wait()
        if self.cause is not None:
            await self._fail(self.cause)
        return self.credit

    # ---- within ----

    async def _fail(self, cause: StreamCause) -> NoReturn:
        await trio.lowlevel.checkpoint_if_cancelled()  # who is cancelled is to know that, and not its cause
        raise StreamBroken(cause)

    async def _begin(self, byte_count: int, end: bool) -> None:
        if self._is_busy:
            raise trio.BusyResourceError("another task is writing to this stream")
        if self.has_ended:
            raise StreamMisuse("the body has ended already")
        if self.cause is not None:
            await self._fail(self.cause)
        total = self.byte_count + byte_count
        if self.length is not None and (total > self.length or (end and total < self.length)):
            self.stop(StreamCause.GIVEN_UP)
            so_far = "" if end else " so far"
            raise StreamMisuse(f"the body has {total:,} bytes{so_far}, and {self.length:,} were declared")
        self._is_busy = True

    async def _send(self, data: bytes | memoryview, end: bool) -> None:
        at, byte_count = 0, len(data)
        view = data if byte_count <= DATA_BYTES_MAX else memoryview(data)
        while at < byte_count:
            size = min(byte_count - at, DATA_BYTES_MAX, self.credit or await self.wait_credit())
            piece = data if size == byte_count else view[at : at + size]
            at += size
            await self._write(DATA, END if end and at == byte_count else 0, piece)
        if end and not byte_count:
            await self._write(DATA, END, b"")

    async def _write(self, frame_type: int, flags: int, payload: bytes | memoryview) -> None:
        """Write one frame when there is room for it. What follows the last wait is done in one step."""
        connection = self._connection
        if not self._rooms.has_room(connection):
            self._port.flush()  # often all that is needed
            if not self._rooms.has_room(connection):
                await self._wait_for_room()
        while (result := self._try_to_write(frame_type, flags, payload)) == WIRE_FULL:
            if self.cause is not None:
                await self._fail(self.cause)
            await trio.sleep(FULL_RETRY_S)  # no event would come: room was asked for, and was there
        if result:
            self.stop(StreamCause.LOST)
            await self._fail(StreamCause.LOST)
        if frame_type == DATA:
            self.credit -= len(payload)
            self.byte_count += len(payload)
        self.has_ended = bool(flags & END)
        self._port.flush_soon()

    def _try_to_write(self, frame_type: int, flags: int, payload: bytes | memoryview) -> int:
        result = WIRE_FULL
        if self.cause is None:
            result = self._port.frame(self._connection, frame_type, flags, self._exchange, payload)
        self._rooms.pass_on(self._connection)
        return result

    async def _wait_for_room(self) -> None:
        await self._rooms.wait(self._connection)
        self._yielded_at = clock()

    async def _wait(self) -> None:
        if self._writer is not None:
            raise trio.BusyResourceError("another task is writing to this stream")
        self._writer = trio.lowlevel.current_task()

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._writer = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)
        self._yielded_at = clock()

    def _wake(self) -> None:
        if self._writer is not None:
            trio.lowlevel.reschedule(self._writer)
            self._writer = None
