"""Calls: what is done with a request when its event comes out of the batch. The hot path of a service.

`def` handlers run here, inside of the batch; `async def` handlers are handed to the workers. What is not carried out is
refused: the gateway may then send it elsewhere.
"""

from collections.abc import Callable, Mapping

from frames.frame import END, FrameType, RefusedReason
from penstock.call import Call
from penstock.handler import Endpoint
from penstock.outbox import Outbox
from penstock.port import WireEvent, WirePort
from penstock.streaming import Streams
from penstock.turn import answer_expired, answer_nowait

__all__ = ["Calls"]

RESPONSE = int(FrameType.RESPONSE)
FRAME_END = END << 16
"""The frame's own flags stand above method and attempt in the event's flags."""


class Calls:
    """Carries out the calls of one process."""

    def __init__(
        self,
        endpoints: Mapping[int, Endpoint],
        wire: WirePort,
        outbox: Outbox,
        take: Callable[[Call], bool],
        streams: Streams,
        clock: Callable[[], float],
    ) -> None:
        """Take the endpoints by id, the wire and the way out, what takes a call for an async handler (False: all
        are busy), the streaming calls, and the clock (seconds).
        """
        self.draining = False
        self._endpoints = endpoints
        self._outbox = outbox
        self._take = take
        self._streams = streams
        self._clock = clock
        self._kept = outbox.kept
        self._arena = wire.arena
        self._frame = wire.frame

    def offer(self, endpoints: Mapping[int, Endpoint]) -> None:
        """Carry out calls of these endpoints from now on."""
        self._endpoints = endpoints

    def begin(self, event: WireEvent, now: float) -> None:
        """Carry out the call of an event CALL, or hand it to a worker, or refuse it. now: when the batch came."""
        endpoint = self._endpoints.get(event[3])
        if endpoint is None or self.draining or not event[4] & FRAME_END or event[1] in self._kept:
            reason = self._why_refused(event)
            if reason is not None or endpoint is None:
                return self._outbox.refuse(event[1], event[0], reason or RefusedReason.UNKNOWN_ENDPOINT)
        at = event[5]
        arena = self._arena
        if endpoint.streams and event[7]:
            return self._begin_stream(event, arena[at : at + event[6]], endpoint, now)
        call = Call(event, arena[at : at + event[6]], endpoint, now, self._clock)
        if not event[7]:
            return self._outbox.answer(call, answer_expired(call))
        if endpoint.is_async:
            if not self._take(call):
                self._outbox.refuse(event[1], event[0], RefusedReason.OVERLOADED)
            return None
        payload = answer_nowait(call)
        if self._frame(event[1], RESPONSE, END, event[0], payload):
            self._outbox.answer_again(call, payload)
        return None

    def _begin_stream(self, event: WireEvent, payload: bytes, endpoint: Endpoint, now: float) -> None:
        stream_call = self._streams.open(event, payload, endpoint, now, self._clock)
        if stream_call is None:
            self._outbox.refuse(event[1], event[0], RefusedReason.UNSUPPORTED_FEATURE)
        elif not self._take(stream_call):
            self._outbox.refuse(event[1], event[0], RefusedReason.OVERLOADED)
        else:
            self._streams.add(stream_call)

    def _why_refused(self, event: WireEvent) -> RefusedReason | None:
        """Why not to begin a call; None: its body is to follow in DATA frames, and the endpoint takes them."""
        if self.draining:
            return RefusedReason.DRAINING
        endpoint = self._endpoints.get(event[3])
        if endpoint is None:
            return RefusedReason.UNKNOWN_ENDPOINT
        if event[1] in self._kept:
            return RefusedReason.OVERLOADED
        return None if endpoint.streams else RefusedReason.UNSUPPORTED_FEATURE
