"""The ports of an application that runs in a loop of asyncio's: each step crosses to Trio's thread, and back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from frames.fields import Field
from penstock.asgi.port import TrioPort
from penstock.asgi.socket_port import TrioSocketPort
from penstock.asgi.thread import LoopThread
from penstock.streaming import StreamCall

__all__ = ["ThreadPort", "ThreadSocketPort"]

T = TypeVar("T")


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
