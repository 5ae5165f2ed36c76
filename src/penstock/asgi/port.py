"""The port of an application that runs on Trio: straight to the call."""

from typing import TYPE_CHECKING

import trio

from penstock.asgi.http import StreamGone
from penstock.errors import StreamBroken

if TYPE_CHECKING:
    from penstock.streaming import StreamCall

__all__ = ["TrioPort"]


class TrioPort:
    """One call, as `penstock.asgi.http.HttpPort` wants it."""

    __slots__ = ("_call", "_over")

    def __init__(self, call: "StreamCall") -> None:
        """Take the call."""
        self._call = call
        self._over: trio.Event | None = None

    @property
    def is_gone(self) -> bool:
        """Nobody waits for the answer any more."""
        return self._call.is_gone

    def answer(self, payload: bytes) -> None:
        """Send an answer that is whole."""
        self._call.answer(payload)
        self._say_over()

    async def begin(self, head: bytes, length: int | None, end: bool) -> None:
        """Send an answer's head. Raises `StreamGone`."""
        try:
            if length is None:
                await self._call.begin_with(head, end=end)
            else:
                await self._call.begin_again(head, length, end=end)
        except StreamBroken as broken:
            raise StreamGone from broken
        if end:
            self._say_over()

    async def send(self, data: bytes, end: bool) -> None:
        """Send a part of the body. Raises `StreamGone`."""
        try:
            await self._call.flow.send(data, end=end)
        except StreamBroken as broken:
            raise StreamGone from broken
        if end:
            self._say_over()

    async def receive(self) -> bytes | None:
        """Return the next part of the request's body. Raises `StreamGone`."""
        try:
            return await self._call.stream().receive()
        except StreamBroken as broken:
            raise StreamGone from broken

    async def wait_over(self) -> None:
        """Wait until nobody waits for the answer any more, or it was sent."""
        if self._over is None:
            self._over = trio.Event()
            self._call.on_gone = self._over.set
            if self._call.is_gone:
                self._over.set()
        await self._over.wait()

    def _say_over(self) -> None:
        if self._over is not None:
            self._over.set()
