"""The way out for answers, and what happens to those that a connection has no room for at the moment.

The wire bounds what waits on a connection, and a burst of large answers may pass that bound although the gateway reads
as fast as it can. Such answers are kept here and written when the wire reports room. Calls over that connection are
refused meanwhile, so what is kept is bounded by what the gateway had in flight.
"""

from collections import deque

import trio

from frames.fixed import encode_refused
from frames.frame import END, FrameType, RefusedReason
from frames.limits import PAYLOAD_BYTES_MAX
from penstock.call import Call
from penstock.port import WIRE_FULL, WirePort
from penstock.turn import answer_too_large

__all__ = ["Outbox"]

RESPONSE = int(FrameType.RESPONSE)
REFUSED = int(FrameType.REFUSED)

_REFUSALS = {reason: encode_refused(reason) for reason in RefusedReason}

Frame = tuple[int, int, int, bytes]


class Outbox:
    """Writes answers to the wire; keeps those for which there is no room, by connection."""

    def __init__(self, wire: WirePort) -> None:
        """Take the wire to write to."""
        self._wire = wire
        self.kept: dict[int, deque[Frame]] = {}
        """By connection: answers that wait for room. Never empty deques."""
        self._on_empty: trio.Event | None = None

    def answer(self, call: Call, payload: bytes) -> None:
        """Write the answer to a call; it leaves with the next flush, or at the end of the batch."""
        connection, exchange = call.key
        if self._wire.frame(connection, RESPONSE, END, exchange, payload):
            self.answer_again(call, payload)

    def flush(self) -> None:
        """Send what was written, now."""
        self._wire.flush()

    def flush_soon(self) -> None:
        """Send what was written, together with what the tasks that are about to run will write."""
        self._wire.flush_soon()

    def answer_again(self, call: Call, payload: bytes) -> None:
        """After the wire did not take an answer: see to it that the call is answered all the same."""
        if len(payload) > PAYLOAD_BYTES_MAX:
            payload = answer_too_large(call, len(payload), PAYLOAD_BYTES_MAX)
        connection, exchange = call.key
        self.write(connection, RESPONSE, END, exchange, payload)

    def refuse(self, connection: int, exchange: int, reason: RefusedReason) -> None:
        """Say that a call was not started and may be sent elsewhere."""
        self.write(connection, REFUSED, 0, exchange, _REFUSALS[reason])

    def write(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes) -> None:
        """Write a frame that must not be lost, and that no later frame of its exchange follows."""
        frame = (frame_type, flags, exchange, payload)
        # Any other failure means that the connection is gone.
        if connection in self.kept or self._wire.frame(connection, *frame) == WIRE_FULL:
            self.kept.setdefault(connection, deque()).append(frame)
            self._retry(connection)

    def room(self, connection: int) -> None:
        """The connection has room again: the event of the wire."""
        if connection in self.kept:
            self._retry(connection)

    def drop(self, connection: int) -> None:
        """Forget what waits for a connection, which is lost: its gateway has answered for us."""
        if self.kept.pop(connection, None) is not None:
            self._say_empty()

    async def wait_empty(self) -> None:
        """Wait until nothing is kept."""
        while self.kept:
            if self._on_empty is None:
                self._on_empty = trio.Event()
            await self._on_empty.wait()

    def _retry(self, connection: int) -> None:
        """Write what is kept as far as there is room. The wire is asked last: it may have room for less than all."""
        frames = self.kept[connection]
        while self._wire.want_room(connection) != 0:
            if self._wire.frame(connection, *frames[0]) == WIRE_FULL:
                return  # a bound of the wire's below one frame: the next frame tries again
            frames.popleft()
            if not frames:
                del self.kept[connection]
                self._say_empty()
                return

    def _say_empty(self) -> None:
        if not self.kept and self._on_empty is not None:
            self._on_empty.set()
            self._on_empty = None
