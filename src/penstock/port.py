"""What the SDK needs of the wire while calls are carried out: `frames.wire.Wire` has it, and so has the stand-in of
`penstock.testing`.
"""

from typing import Protocol

__all__ = ["WIRE_FULL", "Arena", "StreamPort", "WireEvent", "WirePort"]

WireEvent = tuple[int, int, int, int, int, int, int, int, int, int, int]
"""exchange, connection, kind, detail, flags, at, bytes, a, b, c, d: `wire_event` of csrc/wire_values.h."""


class Arena(Protocol):
    """The bytes that events point at; valid inside of the batch."""

    def __getitem__(self, part: slice, /) -> bytes:
        """A copy of these bytes."""
        ...


class StreamPort(Protocol):
    """The way out for frames."""

    def frame(
        self,
        connection: int,
        type: int,  # noqa: A002
        flags: int,
        exchange: int,
        payload: bytes | memoryview,
        /,
    ) -> int:
        """Write a frame: 0, or a negative `frames.wire.WireResult`, and then nothing was done."""
        ...

    def flush(self) -> None:
        """Send what was written outside of a batch."""
        ...

    def flush_soon(self) -> None:
        """See to it that what was written outside of a batch is sent within this pass of Trio's scheduler."""
        ...


class WirePort(StreamPort, Protocol):
    """What calls come in by, and their answers go out by."""

    @property
    def arena(self) -> Arena:
        """What came in with this batch."""
        ...

    def want_room(self, connection: int, /) -> int:
        """1: there is room on the connection now; 0: the wire will report it; negative: the connection is gone."""
        ...


STREAM_WINDOW_BYTES = 262_144
"""What a gateway may send on a stream before the first CREDIT, and so what one unread body may hold here. At 10 ms to
the gateway and back, enough for 25 MB/s on one stream."""

WIRE_FULL = -3
"""`WireResult.FULL`: no room on the connection, or a frame over its limit."""
