"""Whole messages over a stream: a head frame, and as many DATA frames as its body needs.

A message is a REQUEST, a RESPONSE or a CANCEL of docs/protocol.md. Nobody greets and nobody grants credit: both ends
are one program, on one machine. What is sent is queued and written by one task, so that whoever is cancelled while
sending leaves no half of a frame behind.
"""

from typing import Final, NamedTuple

import trio

from frames.codec import FrameView, Scan, encode_cancel, encode_frame, encode_request, encode_response, scan
from frames.frame import END, CancelReason, FrameType, Method
from frames.limits import DATA_BYTES_MAX

RECEIVE_BYTES: Final = 256 * 1024

BODY_BYTES_MAX: Final = 256 << 20
"""Of one message: figures of ten thousand routes take some 10 MB; this is against an end that has lost its way."""

QUEUED_BYTES_MAX: Final = 64 << 20
"""Of what is not written yet, before a question is put behind it. An end that does not read is as good as gone."""


class ChannelBroken(Exception):  # noqa: N818 - it is a state
    """Nothing more can be sent or received. The text says why."""


class Message(NamedTuple):
    """A whole message. target: of a REQUEST; status: of a RESPONSE; within_ms: what a REQUEST leaves for its answer."""

    kind: FrameType
    exchange: int
    body: bytes = b""
    target: str = ""
    status: int = 0
    within_ms: int = 0


class Channel:
    """One end. `run_writer` has to run for anything to be sent; `receive` is for one task."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        """Take the stream; whoever made it closes it."""
        self._stream = stream
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._is_broken = False
        self._is_wanted = trio.Event()
        self._is_written = trio.Event()
        self._rest = b""
        self._unfinished: dict[int, tuple[Message, bytearray]] = {}

    @property
    def is_between_frames(self) -> bool:
        """Whether all that was queued is written, and no part of a frame was received."""
        return not self._queued_bytes and not self._rest

    # ---- out ----

    def send(self, message: Message) -> None:
        """Queue a message. `ChannelBroken` when the other end has gone, or does not read questions.

        Raises:
            FrameError: the target is too long.
        """
        if self._is_broken:
            raise ChannelBroken("the other end has closed")
        if message.kind is FrameType.REQUEST and self._queued_bytes > QUEUED_BYTES_MAX:
            raise ChannelBroken(f"{self._queued_bytes:,} bytes wait to be read at the other end")
        for frame in _frames(message):
            self._queue.append(frame)
            self._queued_bytes += len(frame)
        self._is_wanted.set()

    async def run_writer(self) -> None:
        """Write what is queued until cancelled; `ChannelBroken` when the other end has gone."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted = trio.Event()
            queue, self._queue = self._queue, []
            try:
                for frame in queue:
                    await self._stream.send_all(frame)
                    self._queued_bytes -= len(frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._is_broken = True
                self._is_written.set()
                raise ChannelBroken("the other end has closed") from None
            if not self._queue:
                self._is_written.set()
                self._is_written = trio.Event()

    async def flushed(self) -> None:
        """Wait until all that was queued is written, or never can be."""
        while self._queued_bytes and not self._is_broken:
            await self._is_written.wait()

    # ---- in ----

    async def receive(self) -> list[Message]:
        """Return the messages that have come whole, at least one; none where the other end has closed.

        Raises:
            ChannelBroken: the stream broke, or what came are no such frames.
        """
        whole: list[Message] = []
        while not whole:
            try:
                received = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ChannelBroken(f"the other end broke off: {error}") from None
            if not received:
                return []
            self._rest += received
            whole = self._whole()
        return whole

    def _whole(self) -> list[Message]:
        """Take the whole messages out of what was received."""
        messages: list[Message] = []
        while True:
            found = scan(self._rest)
            for frame in found.frames:
                message = self._took(found, frame)
                if message is not None:
                    messages.append(message)
            self._rest = self._rest[found.consumed :]
            if found.error:
                raise ChannelBroken(f"what came is no frame: {found.error.name.lower()}")
            if found.needed or not found.consumed:
                return messages

    def _took(self, found: Scan, frame: FrameView) -> Message | None:
        """Take one frame; return the message that it makes whole."""
        if frame.type == FrameType.DATA:
            if frame.exchange not in self._unfinished:
                return None  # of what was cancelled meanwhile
        else:
            head = _head(found, frame)
            if head.kind is FrameType.CANCEL:
                self._unfinished.pop(frame.exchange, None)
                return head
            self._unfinished[frame.exchange] = (head, bytearray())
        head, body = self._unfinished[frame.exchange]
        body += found.body(frame)
        if len(body) > BODY_BYTES_MAX:
            raise ChannelBroken(f"a message is longer than {BODY_BYTES_MAX:,} bytes")
        if not frame.flags & END:
            return None
        del self._unfinished[frame.exchange]
        return head._replace(body=bytes(body))

    def forget(self, exchange: int) -> None:
        """Drop what has come of an exchange that nobody waits for; what still comes of it is dropped, too."""
        self._unfinished.pop(exchange, None)


def _head(found: Scan, frame: FrameView) -> Message:
    if frame.type not in (FrameType.REQUEST, FrameType.RESPONSE, FrameType.CANCEL):
        raise ChannelBroken(f"a frame of type {frame.type} has no place here")
    target = found.target(frame).decode("utf-8", "replace")
    return Message(FrameType(frame.type), frame.exchange, b"", target, frame.status, frame.remaining_ms)


def _frames(message: Message) -> list[bytes]:
    """Return the frames of a message: bodies that are short go with the head."""
    kind, exchange = message.kind, message.exchange
    if kind is FrameType.CANCEL:
        return [encode_frame(kind, 0, exchange, encode_cancel(CancelReason.CLIENT_GONE))]
    pieces = [message.body[at : at + DATA_BYTES_MAX] for at in range(0, len(message.body), DATA_BYTES_MAX)] or [b""]
    if kind is FrameType.REQUEST:
        payload = encode_request(message.within_ms, 0, Method.POST, message.target.encode(), body=pieces[0])
    else:
        payload = encode_response(message.status, body=pieces[0])
    last = len(pieces) - 1
    frames = [encode_frame(kind, 0 if last else END, exchange, payload)]
    frames += [
        encode_frame(FrameType.DATA, END if at == last else 0, exchange, piece) for at, piece in enumerate(pieces) if at
    ]
    return frames
