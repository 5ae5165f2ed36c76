"""An asyncio loop in a thread of its own, and the ways between it and Trio.

Both ways are queues that are emptied in one go: under load, one wake-up carries many requests or answers.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import trio

from penstock.asgi.http import StreamGone
from penstock.asgi.messages import StartupError

__all__ = ["LoopThread"]

log = logging.getLogger("penstock.asgi")

T = TypeVar("T")

END_S = 5.0
"""How long what the application left running in its loop may take to end when it is cancelled."""

_Work = tuple[Callable[..., object], tuple[Any, ...]]


class LoopThread:
    """The thread, from its start to its end."""

    def __init__(self, nursery: trio.Nursery, *, is_uvloop: bool) -> None:
        """Make the loop, and start its thread. Raises `StartupError`. nursery: for what the loop wants of Trio."""
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self.loop = _make_loop(is_uvloop)
        self._for_loop = _Queue(self.loop.call_soon_threadsafe)
        self._for_trio = _Queue(self._token.run_sync_soon)
        self.to_loop = self._for_loop.put
        """`to_loop(function, *args)` has this called in the loop."""
        self.to_trio = self._for_trio.put
        """`to_trio(function, *args)` has this called in Trio's thread."""
        self._thread = threading.Thread(target=self._run, name="asyncio", daemon=True)
        self._thread.start()

    def in_trio(self, function: Callable[..., Awaitable[T]], *args: Any) -> "asyncio.Future[T]":
        """Have an async function run in a task of Trio's; the future is that of its result."""
        future: asyncio.Future[T] = self.loop.create_future()
        self.to_trio(self._nursery.start_soon, self._carry_out, future, function, args)
        return future

    async def in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run an async function in the loop, from Trio; a cancellation of the caller does not reach it."""
        done = trio.Event()
        future = asyncio.run_coroutine_threadsafe(function(), self.loop)
        future.add_done_callback(lambda _: self.to_trio(done.set))
        await done.wait()
        return future.result()

    async def stop(self) -> None:
        """Cancel what still runs in the loop, and wait for the end of the thread."""
        self.to_loop(self.loop.stop)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join, END_S)
        if self._thread.is_alive():
            log.error("the application's loop does not end within %.0f s; it is left behind", END_S)

    async def _carry_out(
        self, future: "asyncio.Future[T]", function: Callable[..., Awaitable[T]], args: tuple[Any, ...]
    ) -> None:
        try:
            result = await function(*args)
        except Exception as error:
            self.to_loop(_set_exception, future, error)
        except BaseException:  # cancelled: nobody will bring a result any more
            self.to_loop(_set_exception, future, StreamGone())
            raise
        else:
            self.to_loop(_set_result, future, result)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            _cancel_all(self.loop)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()


def _make_loop(is_uvloop: bool) -> asyncio.AbstractEventLoop:
    if not is_uvloop:
        return asyncio.new_event_loop()
    try:
        import uvloop
    except ImportError:
        raise StartupError("uvloop is not installed; pip install uvloop, or take --loop asyncio") from None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class _Queue:
    """What is to be called in another thread, in order."""

    __slots__ = ("_is_woken", "_wake", "_work")

    def __init__(self, wake: Callable[[Callable[[], None]], object]) -> None:
        """wake: has a function called over there."""
        self._wake = wake
        self._work: deque[_Work] = deque()
        self._is_woken = False

    def put(self, function: Callable[..., object], *args: Any) -> None:
        """Have this called over there. After the end of the other thread, nothing."""
        self._work.append((function, args))  # before the flag is read: see `_empty`
        if not self._is_woken:
            self._is_woken = True
            try:
                self._wake(self._empty)
            except RuntimeError:  # trio.RunFinishedError is one, and what a closed loop raises
                return

    def _empty(self) -> None:
        """Do what is there. What one of them raises must not keep the others from being done."""
        self._is_woken = False  # first: what is appended from here on is either seen below, or wakes again
        work = self._work
        while work:
            function, args = work.popleft()
            try:
                function(*args)
            except Exception:
                log.exception("a step between the loops failed: %r", function)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _set_result(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[T]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
