"""A stream: the body of one exchange in both directions, under credit (docs/protocol.md, sections 6.5 and 7).

The service and the gateway use the same one. The batch puts in what comes (`take_frame` and the like: they never wait,
and what a peer does wrong breaks the stream instead of raising). One task reads, and one, or the same, writes:

    async for chunk in stream:
        await stream.send(chunk)
    await stream.end()

1. *Credit.* No byte is sent that the peer has not granted. What was read is granted again in steps of half a window,
   and never after the peer's END.
2. *Length.* Where the length of a direction is declared, more and less are errors: the peer's break the stream, our own
   raise `StreamMisuse`.
3. *Breaking.* A broken stream holds no data. Whoever waits gets `StreamBroken`, and whoever comes later, too. A body
   that has come whole can still be read after the exchange was given up or the connection is gone.
4. *Cancellation.* A cancelled `receive` has taken nothing; a cancelled `send` has written whole pieces or none, and
   `sent_bytes` says how many bytes that were.
5. *Fairness.* Where nothing must be waited for, others get their turn after a millisecond of own work.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from frames.fields import Field, decode_trailers
from frames.fixed import decode_credit
from frames.frame import FrameType
from penstock.errors import StreamCause
from penstock.inflow import Inflow
from penstock.outflow import Outflow
from penstock.port import StreamPort
from penstock.rooms import Rooms
from penstock.window import Window

__all__ = ["Stream", "StreamPort"]

DATA = int(FrameType.DATA)
TRAILERS = int(FrameType.TRAILERS)
CREDIT = int(FrameType.CREDIT)


class Stream:
    """Both directions of one exchange's body.

    `receive`, `receive_nowait`, `open`, `send`, `end` and `wait_credit` are those of `Inflow` and `Outflow`.
    """

    __slots__ = (
        "_in",
        "_on_fault",
        "_out",
        "done",
        "end",
        "is_upgraded",
        "open",
        "receive",
        "receive_nowait",
        "send",
        "wait_credit",
    )

    def __init__(
        self,
        port: StreamPort,
        rooms: Rooms,
        connection: int,
        exchange: int,
        *,
        send_credit: int,
        receive_window: int | Window,
        grants_late: bool = False,
        on_fault: Callable[[StreamCause], None] | None = None,
    ) -> None:
        """Make the stream of an exchange, by its connection's handle and its id as it stands in frames.

        send_credit: bytes that the peer's greeting granted; receive_window: bytes that ours granted, at least 1.
        grants_late: what was received is granted again by `done`, and not as it is received.
        on_fault: called in the batch after the peer broke a rule and so the stream; its owner gives the exchange up.
        """
        window = receive_window if isinstance(receive_window, Window) else Window(receive_window)
        incoming = self._in = Inflow(port, connection, exchange, window, grants_late=grants_late)
        outgoing = self._out = Outflow(port, rooms, connection, exchange, send_credit)
        self._on_fault = on_fault
        self.is_upgraded = False
        """Whether the exchange goes on with another protocol (field 11), which has no trailers."""
        # Bound once: a call through this object would be a coroutine more for each piece.
        self.receive = incoming.receive
        self.receive_nowait = incoming.receive_nowait
        self.done = incoming.done
        self.open = outgoing.open
        self.send = outgoing.send
        self.end = outgoing.end
        self.wait_credit = outgoing.wait_credit

    def __repr__(self) -> str:
        """What was moved, and how each direction stands, on one line."""
        received, sent = (each.cause or ("ended" if each.has_ended else "open") for each in (self._in, self._out))
        return (
            f"<Stream {self._in._exchange:#x} received={self.received_bytes} ({received})"
            f" sent={self.sent_bytes} ({sent}) credit={self.credit}>"
        )

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The parts of the peer's body, until its end."""
        return self._in

    # ---- how it stands ----

    @property
    def cause(self) -> StreamCause | None:
        """Why the stream is broken, or None. That a body is not wanted any more breaks nothing."""
        causes = (self._in.cause, self._out.cause)
        return next((cause for cause in causes if cause not in (None, StreamCause.NOT_WANTED)), None)

    @property
    def is_over(self) -> bool:
        """Both directions have ended, well or not."""
        return all(each.has_ended or each.cause is not None for each in (self._in, self._out))

    @property
    def has_received_end(self) -> bool:
        """The peer's body has come whole, read or not."""
        return self._in.has_ended

    @property
    def has_sent_end(self) -> bool:
        """Our body was written whole."""
        return self._out.has_ended

    @property
    def received_bytes(self) -> int:
        """How much of the peer's body has come, with what was in its first frame."""
        return self._in.byte_count

    @property
    def sent_bytes(self) -> int:
        """How much of our body was written, with what was in our first frame."""
        return self._out.byte_count

    @property
    def trailers(self) -> list[Field]:
        """The fields that came behind the peer's body; empty until its end, and where there were none."""
        return self._in.trailers

    @property
    def credit(self) -> int:
        """Bytes that may be sent now."""
        return self._out.credit

    def declare_receive_length(self, byte_count: int) -> None:
        """The peer's body will have this many bytes, those in its first frame included (field 10)."""
        self._in.length = byte_count

    def declare_send_length(self, byte_count: int) -> None:
        """Our body will have this many bytes, those in our first frame included."""
        self._out.length = byte_count

    def began(self, body_bytes: int = 0, *, end: bool = False) -> None:
        """Our first frame was written, and this much of the body was in it; `end`: it was all of it."""
        self._out.byte_count += body_bytes
        self._out.has_ended = end

    # ---- from the batch ----

    def take_frame(self, frame_type: int, flags: int, payload: bytes) -> None:
        """Take DATA, TRAILERS or CREDIT of this exchange; other types are not a stream's, and are ignored."""
        if frame_type == DATA:
            self.take_data(payload, flags)
        elif frame_type == CREDIT:
            self.take_credit(decode_credit(payload))
        elif frame_type == TRAILERS:
            self.take_trailers(decode_trailers(payload))

    def take_data(self, data: bytes, flags: int = 0) -> None:
        """Take a DATA frame."""
        fault = self._in.take_data(data, flags)
        if fault is not None:
            self._break(fault)

    def take_first(self, data: bytes, flags: int = 0) -> None:
        """Take the part of the body that came in the REQUEST or RESPONSE itself; it needs no credit."""
        fault = self._in.take_first(data, flags)
        if fault is not None:
            self._break(fault)

    def take_trailers(self, fields: Sequence[Field]) -> None:
        """Take a TRAILERS frame, which ends the peer's direction."""
        fault = StreamCause.TRAILERS_MISPLACED if self.is_upgraded else self._in.take_trailers(fields)
        if fault is not None:
            self._break(fault)

    def take_credit(self, byte_count: int) -> None:
        """Take a CREDIT frame."""
        fault = self._out.take_credit(byte_count)
        if fault is not None:
            self._break(fault)

    def close(self, cause: StreamCause) -> None:
        """End both directions now, except that a body which has come whole can still be read. Once is enough."""
        if not self._in.has_ended:
            self._in.stop(cause)
        self._out.stop(cause)

    def stop_receiving(self, cause: StreamCause = StreamCause.NOT_WANTED) -> None:
        """Drop what has come and what still comes; nothing more is granted."""
        self._in.stop(cause)

    def stop_sending(self, cause: StreamCause = StreamCause.NOT_WANTED) -> None:
        """Send nothing more: because the peer has answered in full, say."""
        self._out.stop(cause)

    def _break(self, fault: StreamCause) -> None:
        """The peer broke a rule: nothing that it sent is to be trusted."""
        if self._in.cause is not None and self._out.cause is not None:
            return
        self._in.stop(fault)
        self._out.stop(fault)
        if self._on_fault is not None:
            self._on_fault(fault)
