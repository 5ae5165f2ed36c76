"""Running an application in an asyncio loop of its own, for those that use libraries of asyncio's.

A request that is whole, with an answer that is whole, crosses to the loop's thread once and back once. Each part of a
body that streams crosses by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from frames.fields import Field
from penstock.asgi.http import HttpExchange
from penstock.asgi.lifespan import Lifespan, LifespanUse
from penstock.asgi.messages import Application
from penstock.asgi.port import TrioPort
from penstock.asgi.runner import end_failed, end_socket, end_unfinished
from penstock.asgi.scope import make_scope
from penstock.asgi.sockets import SocketExchange, TrioSocketPort
from penstock.asgi.thread import LoopThread
from penstock.streaming import StreamCall

__all__ = ["AsyncioRunner"]

T = TypeVar("T")


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
        error = await _Run(self._thread, self._app, scope, exchange.receive, exchange.send).wait()
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
        error = await _Run(self._thread, self._app, scope, exchange.receive, exchange.send).wait()
        await end_socket(call, exchange, port, error)


def _keep(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    """Run an async function as a task; the loop keeps tasks by weak references alone."""
    task = loop.create_task(function())
    _running.add(task)
    task.add_done_callback(_running.discard)


_running: set["asyncio.Task[None]"] = set()


class _Run:
    """One call of the application in the loop, awaited by a task of Trio's."""

    __slots__ = ("_args", "_error", "_is_done", "_runner", "_task", "_thread")

    def __init__(self, thread: LoopThread, *args: Any) -> None:
        self._thread = thread
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
        self._task = self._thread.loop.create_task(self._call())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _call(self) -> None:
        app, *args = self._args
        try:
            await app(*args)
        except Exception as error:
            self._error = error
        finally:
            self._thread.to_trio(self._finish)


class _Operations:
    """What the application asks of its call in Trio, one operation after the other in each direction.

    A cancelled application leaves its operation going on: what it brings is not lost, the next one takes it.
    """

    __slots__ = ("_over", "_receiving", "_sending", "_thread")

    def __init__(self, thread: LoopThread, call: StreamCall) -> None:
        self._thread = thread
        self._receiving: asyncio.Future[Any] | None = None
        self._sending: asyncio.Future[Any] | None = None
        self._over: asyncio.Event | None = None
        call.on_gone = self._gone

    async def _receive(self, function: Callable[[], Awaitable[T]]) -> T:
        if self._receiving is None:
            self._receiving = self._thread.in_trio(function)
        result: T = await asyncio.shield(self._receiving)
        self._receiving = None
        return result

    async def _send(self, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        while self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])
        self._sending = self._thread.in_trio(function, *args)
        await asyncio.shield(self._sending)

    async def _wait_over(self, is_over: bool) -> None:
        if self._over is None:
            self._over = asyncio.Event()
        if not is_over:
            await self._over.wait()

    def _gone(self) -> None:
        self._thread.to_loop(self._say_over)

    def _say_over(self) -> None:
        if self._over is not None:
            self._over.set()


class ThreadPort(_Operations):
    """One call, as `penstock.asgi.http.HttpPort` wants it, from the loop's thread."""

    __slots__ = ("_call", "_port")

    def __init__(self, thread: LoopThread, call: StreamCall) -> None:
        """Take the thread and the call."""
        super().__init__(thread, call)
        self._call = call
        self._port = TrioPort(call)

    @property
    def is_gone(self) -> bool:
        """Nobody waits for the answer any more."""
        return self._call.is_gone

    def answer(self, payload: bytes) -> None:
        """Send an answer that is whole."""
        self._thread.to_trio(self._call.answer, payload)
        self._say_over()

    async def begin(self, head: bytes, length: int | None, end: bool) -> None:
        """Send an answer's head. Raises `StreamGone`."""
        await self._send(self._port.begin, head, length, end)
        if end:
            self._say_over()

    async def send(self, data: bytes, end: bool) -> None:
        """Send a part of the body. Raises `StreamGone`."""
        await self._send(self._port.send, data, end)
        if end:
            self._say_over()

    async def receive(self) -> bytes | None:
        """Return the next part of the request's body. Raises `StreamGone`."""
        return await self._receive(self._port.receive)

    async def wait_over(self) -> None:
        """Wait until nobody waits for the answer any more, or it was sent."""
        await self._wait_over(self._call.is_gone)


class ThreadSocketPort(_Operations):
    """The socket, as `penstock.asgi.sockets.SocketPort` wants it, from the loop's thread."""

    __slots__ = ("_call", "_port")

    def __init__(self, thread: LoopThread, call: StreamCall, port: TrioSocketPort) -> None:
        """Take the thread, the call, and the socket in Trio."""
        super().__init__(thread, call)
        self._call = call
        self._port = port

    @property
    def close_code(self) -> int | None:
        """How the socket was closed."""
        return self._port.close_code

    @property
    def close_reason(self) -> str:
        """What was said when it was closed."""
        return self._port.close_reason

    async def accept(self, subprotocol: str | None, fields: list[Field]) -> None:
        """Accept the handshake. Raises `StreamGone`."""
        await self._send(self._port.accept, subprotocol, fields)
        self._say_over()

    async def receive(self) -> str | bytes | None:
        """Return the next message."""
        return await self._receive(self._port.receive)

    async def send(self, message: str | bytes) -> None:
        """Send a message. Raises `StreamGone`."""
        await self._send(self._port.send, message)

    async def close(self, code: int, reason: str) -> None:
        """Close the socket."""
        await self._send(self._port.close, code, reason)

    def answer(self, payload: bytes) -> None:
        """Answer the handshake, in place of accepting it."""
        self._thread.to_trio(self._port.answer, payload)
        self._say_over()

    async def wait_over(self) -> None:
        """Wait until the client is gone, or the handshake was answered."""
        await self._wait_over(self._call.is_gone)
