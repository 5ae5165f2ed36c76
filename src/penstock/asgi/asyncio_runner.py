"""Running an application in an asyncio loop of its own, for those that use libraries of asyncio's.

A request that is whole, with an answer that is whole, crosses to the loop's thread once and back once. Each part of a
body that streams crosses by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from penstock.asgi.http import HttpExchange
from penstock.asgi.lifespan import Lifespan, LifespanUse
from penstock.asgi.messages import Application
from penstock.asgi.runner import end_failed, end_socket, end_unfinished
from penstock.asgi.scope import make_scope
from penstock.asgi.socket_port import TrioSocketPort
from penstock.asgi.sockets import SocketExchange
from penstock.asgi.thread import LoopThread
from penstock.asgi.thread_ports import ThreadPort, ThreadSocketPort
from penstock.asking import current_call
from penstock.streaming import StreamCall

__all__ = ["AsyncioRunner"]


class AsyncioRunner:
    """Runs an application in a loop of asyncio's, or of uvloop's, in a thread of its own."""

    def __init__(self, app: Application, *, root_path: str, lifespan: LifespanUse, is_uvloop: bool) -> None:
        """Take the application."""
        self._app = app
        self._root_path = root_path
        self._lifespan = lifespan
        self._is_uvloop = is_uvloop
        self._state: Mapping[str, Any] = {}
        self._maybe_thread: LoopThread | None = None

    @property
    def _thread(self) -> LoopThread:
        if self._maybe_thread is None:
            raise RuntimeError("the application's loop does not run: call it within `async with service.running()`")
        return self._maybe_thread

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the loop and the application, and end both after the block. Raises `StartupError`."""
        raised: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._maybe_thread = thread = LoopThread(nursery, is_uvloop=self._is_uvloop)
            try:
                async with self._living(thread):
                    yield
            except Exception as error:  # it goes on alone, and not in the nursery's group
                raised = error
            finally:
                self._maybe_thread = None
                await thread.stop()  # noqa: ASYNC102 - it is shielded
            nursery.cancel_scope.cancel()
        if raised is not None:
            raise raised

    @asynccontextmanager
    async def _living(self, thread: LoopThread) -> AsyncIterator[None]:
        if self._lifespan == "off":
            yield
            return
        lifespan = Lifespan(self._app, self._lifespan, asyncio.Event)
        self._state = lifespan.state
        thread.to_loop(_keep, thread.loop, lifespan.run)
        await thread.in_loop(lifespan.wait_started)
        try:
            yield
        finally:
            await thread.in_loop(lifespan.stop)  # noqa: ASYNC102 - cancelled, the loop is stopped without it

    async def handle(self, call: StreamCall) -> None:
        """Answer a call."""
        if not call.is_whole and call.upgrade == "websocket":
            return await self._handle_socket(call)
        body = call.body if call.is_whole else None
        port = ThreadPort(self._thread, call)
        exchange = HttpExchange(port, body, is_head_request=call.method == "HEAD")
        scope = make_scope(call, self._root_path, self._state)
        error = await _Run(self._thread, call, self._app, scope, exchange.receive, exchange.send).wait()
        if error is not None:
            end_failed(call, exchange, error)
        elif not exchange.is_over:
            end_unfinished(call, exchange)
        return None

    async def _handle_socket(self, call: StreamCall) -> None:
        port = TrioSocketPort(call)
        if not port.agree():
            return
        exchange = SocketExchange(ThreadSocketPort(self._thread, call, port))
        scope = make_scope(call, self._root_path, self._state, is_socket=True)
        error = await _Run(self._thread, call, self._app, scope, exchange.receive, exchange.send).wait()
        await end_socket(call, exchange, port, error)


def _keep(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    """Run an async function as a task; the loop keeps tasks by weak references alone."""
    task = loop.create_task(function())
    _running.add(task)
    task.add_done_callback(_running.discard)


_running: set["asyncio.Task[None]"] = set()


class _Run:
    """One call of the application in the loop, awaited by a task of Trio's."""

    __slots__ = ("_args", "_call", "_error", "_is_done", "_runner", "_task", "_thread")

    def __init__(self, thread: LoopThread, call: StreamCall, *args: Any) -> None:
        self._thread = thread
        self._call = call
        self._args = args
        self._runner: trio.lowlevel.Task | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._is_done = False

    async def wait(self) -> Exception | None:
        """Run the application, and return what it raised. When the caller is cancelled, so is the application."""
        self._runner = trio.lowlevel.current_task()
        self._thread.to_loop(self._start)
        await trio.lowlevel.wait_task_rescheduled(self._give_up)
        return self._error

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._runner = None
        self._thread.to_loop(self._cancel)
        return trio.lowlevel.Abort.SUCCEEDED

    def _finish(self) -> None:
        if self._runner is not None:
            trio.lowlevel.reschedule(self._runner)
            self._runner = None

    # ---- in the loop ----

    def _start(self) -> None:
        self._task = self._thread.loop.create_task(self._answer())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _answer(self) -> None:
        current_call.set(self._call)  # in the context of this task, for lines of the log
        app, *args = self._args
        try:
            await app(*args)
        except Exception as error:
            self._error = error
        finally:
            self._thread.to_trio(self._finish)
