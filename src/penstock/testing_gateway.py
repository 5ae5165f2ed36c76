"""The gateway's side of one exchange, for `penstock.testing`: both sides are the real ones, but no socket is between.

What the service writes to its wire comes to the gateway's stream at once, and the other way round.
"""

import trio

from frames.fields import Field, decode_fields
from frames.fixed import decode_refused
from frames.frame import END, FieldId, FrameType, RefusedReason
from frames.limits import FIELD_ENTRY_BYTES, PAYLOAD_BYTES_MAX, RESPONSE_FIXED_BYTES
from penstock.answer import body_offset
from penstock.errors import StreamCause
from penstock.fields import Headers
from penstock.port import STREAM_WINDOW_BYTES, WIRE_FULL
from penstock.rooms import Rooms
from penstock.stream import Stream
from penstock.streaming import Streams

__all__ = ["CONNECTION", "EXCHANGE", "FakeGateway", "named"]

CONNECTION = 1
EXCHANGE = 1


class FakeGateway:
    """Stands in for the service's wire. The arena is one REQUEST; what is written is taken as a gateway takes it."""

    def __init__(self, arena: bytes) -> None:
        """arena: the payload of the REQUEST."""
        self.arena = arena
        self.streams: Streams | None = None
        """The service's streaming calls, to which our frames go."""
        self.interim: list[tuple[int, Headers]] = []
        self.status = 0
        self.headers = Headers(())
        self.answered = trio.Event()
        """The head of the final answer, or a refusal, has come."""
        self.invited = trio.Event()
        """A client that waits for a word may send its body, or needs not."""
        self.refused: RefusedReason | None = None
        self.stream = Stream(
            _ToService(self),
            Rooms(self),
            CONNECTION,
            EXCHANGE,
            send_credit=STREAM_WINDOW_BYTES,
            receive_window=STREAM_WINDOW_BYTES,
        )

    def frame(
        self, _connection: int, frame_type: int, flags: int, _exchange: int, payload: bytes | memoryview, /
    ) -> int:
        """Take a frame of the service's, and a copy of its payload, as the wire does."""
        payload = bytes(payload)
        if len(payload) > PAYLOAD_BYTES_MAX:
            return WIRE_FULL
        if frame_type == FrameType.RESPONSE:
            self._take_response(flags, payload)
        elif frame_type == FrameType.REFUSED:
            self.refused = RefusedReason(decode_refused(payload).reason)
            self.answered.set()
        elif frame_type == FrameType.CANCEL:
            self.stream.close(StreamCause.ABORTED)
        else:
            self.stream.take_frame(frame_type, flags, payload)
        if self.stream.has_received_end and not self.stream.is_upgraded:  # then END closes one direction only
            self.stream.stop_sending()
        return 0

    def want_room(self, _connection: int, /) -> int:
        """There is always room."""
        return 1

    def flush(self) -> None:
        """Nothing waits here."""

    def flush_soon(self) -> None:
        """Nothing waits here."""

    def _take_response(self, flags: int, payload: bytes) -> None:
        status, count = int.from_bytes(payload[:2]), int.from_bytes(payload[2:4])
        fields = decode_fields(payload, RESPONSE_FIXED_BYTES, count, RESPONSE_FIXED_BYTES + FIELD_ENTRY_BYTES * count)
        if status == 100 or status >= 200:
            self.invited.set()
        if status < 200 and status != 101:
            self.interim.append((status, named(fields)))
            return
        self.status, self.headers = status, named(fields)
        length = next((int(value) for field, _, value in fields if field == FieldId.BODY_LENGTH), None)
        if length is not None and not flags & END:
            self.stream.declare_receive_length(length)
        self.stream.is_upgraded = status == 101
        self.stream.take_first(payload[body_offset(payload) :], flags)
        self.answered.set()


class _ToService:
    """Our wire: what we write comes to the service's streams."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    def frame(self, connection: int, frame_type: int, flags: int, exchange: int, payload: bytes | memoryview, /) -> int:
        if self._gateway.streams is not None:
            self._gateway.streams.take(connection, exchange, frame_type, flags, bytes(payload))
        return 0

    def flush(self) -> None:
        """Nothing waits here."""

    def flush_soon(self) -> None:
        """Nothing waits here."""


def named(fields: list[Field]) -> Headers:
    """The named fields, as headers."""
    return Headers((name, value) for field, name, value in fields if field == FieldId.NAMED)
