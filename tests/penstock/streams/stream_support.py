"""A wire that only writes down, with as much room as a test gives it, and a way to cancel at every checkpoint."""

from collections.abc import Awaitable, Callable

import trio

from frames.frame import FrameType
from penstock.port import WIRE_FULL
from penstock.rooms import Rooms
from penstock.stream import Stream

CONNECTION = 7
EXCHANGE = 1 << 63 | 5
NO_CONNECTION = -2

Frame = tuple[int, int, bytes]


class FakePort:
    """Takes frames while there is room; asks for a report when there is none, as the wire does."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.frames: list[Frame] = []
        self.room = room
        self.is_gone = False
        self.is_full = False
        self.reports_wanted = 0
        self.flushes = 0
        self.rooms = Rooms(self)

    def frame(
        self,
        connection: int,
        type: int,  # noqa: A002
        flags: int,
        exchange: int,
        payload: bytes | memoryview,
        /,
    ) -> int:
        assert (connection, exchange) == (CONNECTION, EXCHANGE)
        if self.is_gone:
            return NO_CONNECTION
        if self.is_full:
            return WIRE_FULL
        self.frames.append((type, flags, bytes(payload)))
        self.room -= len(payload)
        return 0

    def flush(self) -> None:
        self.flush_soon()

    def flush_soon(self) -> None:
        self.flushes += 1

    def want_room(self, connection: int, /) -> int:
        assert connection == CONNECTION
        if self.is_gone:
            return NO_CONNECTION
        if self.room > 0:
            return 1
        self.reports_wanted += 1
        return 0

    def give_room(self, room: int) -> None:
        """What was unsent went out: the report comes if it was asked for."""
        self.room = room
        if self.reports_wanted:
            self.reports_wanted = 0
            self.rooms.room(CONNECTION)

    def stream(self, send_credit: int = 1 << 20, receive_window: int = 1 << 18) -> Stream:
        return Stream(self, self.rooms, CONNECTION, EXCHANGE, send_credit=send_credit, receive_window=receive_window)

    def sent(self, kind: FrameType = FrameType.DATA) -> list[bytes]:
        return [payload for frame_type, _, payload in self.frames if frame_type == kind]

    @property
    def granted(self) -> int:
        return sum(int.from_bytes(payload) for payload in self.sent(FrameType.CREDIT))


class CancelAt(trio.abc.Instrument):
    """Cancels a scope when the task has come to its n-th wait."""

    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, number: int) -> None:
        self._task = task
        self._scope = scope
        self._left = number

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if not self._left:
                self._scope.cancel()


async def cancelled_at(number: int, work: Callable[[], Awaitable[None]]) -> bool:
    """Do the work, and cancel it at its n-th wait. False: it did not wait so often."""
    with trio.CancelScope() as scope:
        instrument = CancelAt(trio.lowlevel.current_task(), scope, number)
        trio.lowlevel.add_instrument(instrument)
        try:
            await work()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught
