"""Room on framed connections: who writes a long body waits here, so that the others on the connection are not held up.

A wire takes far more than a connection should hold at once. So a writer asks for room first, and waits while more than
the wire's bound is unsent. The wire reports when a connection has room again (`EventKind.FRAMED_ROOM`), to whom asked.

A few writers are woken for each report, and whoever was woken wakes the next when it has written: many streams on one
connection take turns, and none is woken to find that the room is gone.
"""

from collections import deque
from typing import Protocol

import trio

__all__ = ["RoomPort", "Rooms"]

WOKEN_AT_ONCE = 4
"""As many pieces of the largest size as the wire's bound on what is unsent has room for."""


class RoomPort(Protocol):
    """What is needed of the wire; `frames.wire.Wire` has it."""

    def want_room(self, connection: int, /) -> int:
        """1: there is room now; 0: a report will come; negative: the connection is gone."""
        ...


class Rooms:
    """The writers that wait for room, by connection, in the order in which they came.

    Whoever waits here must write or give up in the same step of its task, and then call `pass_on`.
    """

    def __init__(self, port: RoomPort) -> None:
        """Take what knows of room."""
        self._port = port
        self._queues: dict[int, deque[trio.lowlevel.Task]] = {}

    def has_room(self, connection: int) -> bool:
        """Whether to write now. False: `wait`. True also for a connection that is gone, as writing to it will show."""
        return connection not in self._queues and self._port.want_room(connection) != 0

    async def wait(self, connection: int) -> None:
        """Wait until it is this task's turn to write. Always a checkpoint, and cancelled without a trace."""
        await trio.lowlevel.checkpoint_if_cancelled()
        queue = self._queues.get(connection)
        if queue is None:
            if self._port.want_room(connection) != 0:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            queue = self._queues[connection] = deque()
        task = trio.lowlevel.current_task()
        queue.append(task)

        def leave(_: object) -> trio.lowlevel.Abort:
            queue.remove(task)
            if not queue and self._queues.get(connection) is queue:
                del self._queues[connection]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def room(self, connection: int) -> None:
        """The connection has room again: the event of the wire."""
        for _ in range(WOKEN_AT_ONCE):
            self._wake_next(connection)

    def pass_on(self, connection: int) -> None:
        """After a write, or after giving up: wake the next one if there is still room."""
        if connection in self._queues and self._port.want_room(connection) != 0:
            self._wake_next(connection)

    def drop(self, connection: int) -> None:
        """The connection is gone: all are woken, and find that out when they write."""
        for task in self._queues.pop(connection, ()):
            trio.lowlevel.reschedule(task)

    def _wake_next(self, connection: int) -> None:
        queue = self._queues.get(connection)
        if queue is not None:
            trio.lowlevel.reschedule(queue.popleft())
            if not queue:
                del self._queues[connection]
