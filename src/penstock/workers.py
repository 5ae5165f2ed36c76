"""The tasks that run `async def` handlers.

Starting a task and a cancel scope for each request costs 19 µs, more than four times what is needed, so the tasks are
kept: a worker takes one call after the other, and parks when there is none. Each has one long-lived cancel scope, whose
deadline is moved to that of the call at hand; after it was cancelled, a fresh one takes its place.

One worker is woken for all the calls of a batch, since many handlers end without waiting for anything. The first
handler that does wait wakes a worker for each call that is still to be started, so that none waits behind it.

Each call runs in a copy of its worker's `contextvars` context, so nothing that a handler sets is seen by the next.
"""

import math
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Protocol

import trio

from penstock.asking import current_call
from penstock.call import Call
from penstock.turn import ANSWERED, answer_error, answer_expired, answer_value

__all__ = ["Outlet", "Workers"]

Key = tuple[int, int]
"""Connection and exchange."""

DEADLINE_STEPS_PER_SECOND = 100
"""A scope's deadline is rounded up to 10 ms. At the exact moment the gateway's CANCEL comes; ours is for when it does
not. Calls that follow each other closely then share a deadline, which saves moving it (1.9 µs)."""


class Outlet(Protocol):
    """The way out for answers: `penstock.outbox.Outbox`."""

    def answer(self, call: Call, payload: bytes, /) -> None:
        """Write an answer."""
        ...

    def flush(self) -> None:
        """Send what was written, now."""
        ...

    def flush_soon(self) -> None:
        """Send what was written, together with what the tasks that are about to run will write."""
        ...


class Workers:
    """A pool of tasks for async handlers: at most `concurrency` calls at once."""

    def __init__(self, nursery: trio.Nursery, concurrency: int, outlet: Outlet) -> None:
        """Take the nursery for the tasks, the bound, and the way out for answers (none for a cancelled call)."""
        self.concurrency = concurrency
        self.waiting: deque[tuple[Key, Call]] = deque()
        self._nursery = nursery
        self.outlet = outlet
        # Every call that was taken and not answered; the scope once its handler runs.
        self._calls: dict[Key, trio.CancelScope | _Leave | None] = {}
        self._parked: list[trio.lowlevel.Task] = []
        self._woken = 0
        self._on_idle: trio.Event | None = None

    @property
    def in_flight(self) -> int:
        """How many calls were taken and not yet answered."""
        return len(self._calls)

    def in_flight_over(self, connection: int) -> int:
        """How many of them came over a connection."""
        return sum(key[0] == connection for key in self._calls)

    def take(self, call: Call) -> bool:
        """Take a call on, to be started by the next `wake`. False: all are busy, nothing was done."""
        if len(self._calls) >= self.concurrency:
            return False
        key = call.key
        self._calls[key] = None
        self.waiting.append((key, call))
        return True

    def is_running(self, call: Call) -> bool:
        """Whether the call was taken and not yet answered or cancelled."""
        return call.key in self._calls

    def wake(self, count: int) -> None:
        """See to it that at least this many workers will start calls."""
        for _ in range(count - self._woken):
            self._woken += 1
            if self._parked:
                trio.lowlevel.reschedule(self._parked.pop())
            else:
                self._nursery.start_soon(_Worker(self).run)

    def cancel(self, connection: int, exchange: int) -> None:
        """Give a call up: stop its handler, at once or when its grace is over; send nothing. No such call: nothing."""
        scope = self._calls.pop((connection, exchange), None)
        if scope is not None:
            scope.cancel()
        if not self._calls:
            self._say_idle()

    def cancel_connection(self, connection: int) -> None:
        """Give up every call that came over a connection, which is lost."""
        for key in [key for key in self._calls if key[0] == connection]:
            self.cancel(*key)

    def expire_all(self) -> None:
        """End every call now as if its deadline had passed; each is answered."""
        while self.waiting:
            call = self.waiting.popleft()[1]
            self.finished(call, answer_expired(call))
        for scope in self._calls.values():
            if scope is not None:
                (scope.scope if isinstance(scope, _Leave) else scope).cancel()

    async def wait_idle(self) -> None:
        """Wait until no call is in flight."""
        while self._calls:
            if self._on_idle is None:
                self._on_idle = trio.Event()
            await self._on_idle.wait()

    def started(self, key: Key, call: Call, scope: trio.CancelScope) -> bool:
        """Note whose scope the call has now. False: it was cancelled before it began."""
        if key not in self._calls:
            return False
        grace_s = getattr(call.endpoint.handler, "grace_s", None)
        self._calls[key] = scope if grace_s is None else _Leave(scope, grace_s)
        return True

    def finished(self, call: Call, answer: bytes | None) -> None:
        """Send the answer, unless the call was cancelled. None: it was sent by the handler itself, or given up."""
        if self._calls.pop(call.key, self) is not self:
            if answer is not None:
                self.outlet.answer(call, answer)
            if not self._calls:
                self._say_idle()

    def suspended(self) -> None:
        """A handler begins to wait: the others must not wait behind it."""
        if self.waiting:
            self.wake(len(self.waiting))

    async def park(self) -> None:
        """Sleep until `wake`. Cancelled when the worker's scope is."""
        task = trio.lowlevel.current_task()
        self._parked.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def woke(self) -> None:
        """A worker that `wake` asked for has begun."""
        self._woken -= 1

    def _say_idle(self) -> None:
        if self._on_idle is not None:
            self._on_idle.set()
            self._on_idle = None


class _Leave:
    """The scope of a handler with an attribute `grace_s`: it learns by other ways that its call was given up, and has
    that many seconds to end by itself.
    """

    __slots__ = ("_grace_s", "scope")

    def __init__(self, scope: trio.CancelScope, grace_s: float) -> None:
        self.scope = scope
        self._grace_s = grace_s

    def cancel(self) -> None:
        """Stop the handler when its time is over."""
        self.scope.deadline = trio.current_time() + self._grace_s


class _Worker:
    """One task of the pool."""

    __slots__ = ("_call", "_has_waited", "_has_written", "_pool")

    def __init__(self, pool: Workers) -> None:
        self._pool = pool
        self._call: Call | None = None
        self._has_waited = False
        self._has_written = False

    async def run(self) -> None:
        """Take calls until the pool's nursery is cancelled. Nothing that a handler raises ends it."""
        self._pool.woke()
        while True:
            try:
                with trio.CancelScope() as scope:
                    await self._take_calls(scope)
            except Exception as error:
                # A group that held Cancelled beside errors: Trio took the Cancelled out at the scope's end.
                if self._call is not None:
                    self._finish(self._call, answer_error(self._call, error) if _is_owed(self._call) else None)
            else:
                if self._call is not None:
                    self._finish(self._call, answer_expired(self._call) if _is_owed(self._call) else None)

    async def _take_calls(self, scope: trio.CancelScope) -> None:
        """Carry out calls, one after the other, until the scope is cancelled (only while this task waits can it be)."""
        pool = self._pool
        waiting = pool.waiting
        while not (self._has_waited and scope.cancel_called):
            self._has_waited = False
            if not waiting:
                await self._park()
                continue
            key, call = waiting.popleft()
            if not pool.started(key, call, scope):
                continue
            self._call = call
            if call.endpoint.streams:  # the gateway keeps its time
                deadline = math.inf
            else:
                deadline = math.ceil(call.deadline * DEADLINE_STEPS_PER_SECOND) / DEADLINE_STEPS_PER_SECOND
            if scope.deadline != deadline:
                scope.deadline = deadline
            current_call.set(call)
            try:
                value = await _drive(call.endpoint.invoke(call), copy_context(), self._wait)
            except Exception as error:
                self._finish(call, answer_error(call, error))
            else:
                self._finish(call, None if value is ANSWERED else answer_value(call, value))

    async def _park(self) -> None:
        current_call.set(None)  # else an idle worker would hold its last request
        self._flush()
        self._has_waited = True
        await self._pool.park()
        self._pool.woke()

    def _wait(self) -> None:
        """The handler waits for something: let others begin the calls behind it."""
        self._flush()
        self._has_waited = True
        self._pool.suspended()

    def _finish(self, call: Call, answer: bytes | None) -> None:
        """Answer. After a wait, other tasks are likely to answer in the same pass of Trio's: one flush for all."""
        self._call = None
        self._pool.finished(call, answer)
        if self._has_waited:
            self._pool.outlet.flush_soon()
        else:
            self._has_written = True

    def _flush(self) -> None:
        """Send the answers of handlers that did not wait, before this task does: no other will see to it."""
        if self._has_written:
            self._has_written = False
            self._pool.outlet.flush()


def _is_owed(call: Call) -> bool:
    """Whether an answer is still to be sent: a streaming handler may have begun one."""
    return not getattr(call, "has_begun", False)


@types.coroutine
def _drive(
    handler: Coroutine[Any, Any, Any], context: Context, on_wait: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """Await the handler in a context of its own; `on_wait` is called when it first waits for anything.

    What `await` does, spelled out: whatever the handler yields goes to Trio, whatever Trio says goes to the handler.
    """
    try:
        wish = context.run(handler.send, None)
    except StopIteration as end:
        return end.value
    on_wait()
    while True:
        try:
            said = yield wish
        except BaseException as error:  # noqa: ASYNC103 - goes on to the handler
            step: Callable[[Any], Any] = handler.throw
            said = error
        else:
            step = handler.send
        try:
            wish = context.run(step, said)
        except StopIteration as end:
            return end.value
