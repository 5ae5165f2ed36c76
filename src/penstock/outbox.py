"""The way out for answers, and what happens to those that a connection has no room for at the moment.

The wire bounds what waits on a connection, and a burst of large answers may pass that bound although the gateway reads
as fast as it can. Such answers are kept here and tried again. Calls over that connection are refused meanwhile, so
what is kept is bounded by what the gateway had in flight.
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

RETRY_S = 0.005
"""In 5 ms a good network takes half a MiB, and one more timer every 5 ms costs next to nothing."""

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
        self._is_needed = trio.Event()

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
        self._write(connection, (RESPONSE, END, exchange, payload))

    def refuse(self, connection: int, exchange: int, reason: RefusedReason) -> None:
        """Say that a call was not started and may be sent elsewhere."""
        self._write(connection, (REFUSED, 0, exchange, _REFUSALS[reason]))

    def drop(self, connection: int) -> None:
        """Forget what waits for a connection, which is lost: its gateway has answered for us."""
        self.kept.pop(connection, None)

    async def run(self) -> None:
        """Try again for as long as anything is kept."""
        while True:
            await self._is_needed.wait()
            while self.kept:
                await trio.sleep(RETRY_S)
                for connection in list(self.kept):
                    self._retry(connection)
                self._wire.flush_soon()
            self._is_needed = trio.Event()

    async def wait_empty(self) -> None:
        """Wait until nothing is kept."""
        while self.kept:  # noqa: ASYNC110 - only at the end of a drain
            await trio.sleep(RETRY_S)

    def _write(self, connection: int, frame: Frame) -> None:
        # Any other failure means that the connection is gone.
        if self._wire.frame(connection, *frame) == WIRE_FULL:
            self.kept.setdefault(connection, deque()).append(frame)
            self._is_needed.set()

    def _retry(self, connection: int) -> None:
        frames = self.kept[connection]
        while frames:
            if self._wire.frame(connection, *frames[0]) == WIRE_FULL:
                return
            frames.popleft()
        del self.kept[connection]
