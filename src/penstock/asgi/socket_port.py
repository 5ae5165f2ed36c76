"""The WebSocket of an application that runs on Trio: straight to the call's stream."""

from typing import TYPE_CHECKING, Any

import trio

from frames.fields import Field
from frames.frame import FieldId
from penstock.answer import encode_answer, header_fields, problem_answer
from penstock.asgi.http import StreamGone
from penstock.asgi.messages import AsgiError
from penstock.errors import SocketClosed, StreamBroken
from penstock.handshake import Accepted, Offer, accept

if TYPE_CHECKING:
    from penstock.streaming import StreamCall
    from penstock.websocket import WebSocket

__all__ = ["TrioSocketPort"]

MESSAGE_BYTES_MAX = 16_777_216
"""A longer message closes the socket with 1009; as other servers have it."""
_OFFER = Offer((), MESSAGE_BYTES_MAX, compression=True)


class TrioSocketPort:
    """The socket of an application that runs on Trio."""

    def __init__(self, call: "StreamCall") -> None:
        """Take the call."""
        self._call = call
        self._socket: WebSocket | None = None
        self._agreed: Accepted | None = None
        self._over = trio.Event()
        call.on_gone = self._over.set

    def agree(self) -> bool:
        """See whether the handshake is in order; where not, it is answered."""
        agreed = accept(self._call, self._call.upgrade, _OFFER)
        if not isinstance(agreed, Accepted):
            self._call.answer(encode_answer(agreed))
            return False
        self._agreed = agreed
        return True

    @property
    def close_code(self) -> int | None:
        """How the socket was closed."""
        return self._socket.close_code if self._socket else None

    @property
    def close_reason(self) -> str:
        """What was said when it was closed."""
        return self._socket.close_reason if self._socket else ""

    async def accept(self, subprotocol: str | None, fields: list[Field]) -> None:
        """Accept the handshake. Raises `StreamGone`."""
        from wsproto.connection import Connection, ConnectionType

        from penstock.websocket import WebSocket

        agreed, call = self._agreed, self._call
        if agreed is None:
            raise AsgiError("the handshake was answered already")
        mine = header_fields(agreed.headers)
        if subprotocol is not None:
            mine.append((FieldId.NAMED, b"sec-websocket-protocol", subprotocol.encode()))
        try:
            await call.begin(101, mine + fields)
        except StreamBroken as broken:
            raise StreamGone from broken
        call.flow.is_upgraded = True
        extensions: list[Any] = [agreed.deflate] if agreed.deflate else []
        self._socket = WebSocket(
            call.flow,
            Connection(ConnectionType.SERVER, extensions),
            message_bytes_max=MESSAGE_BYTES_MAX,
            call=call,
            subprotocol=subprotocol,
        )
        call.when_draining(self._socket.go_away)
        self._over.set()

    async def receive(self) -> str | bytes | None:
        """Return the next message."""
        return await self._opened.receive()

    async def send(self, message: str | bytes) -> None:
        """Send a message. Raises `StreamGone`."""
        try:
            await self._opened.send(message)
        except SocketClosed as closed:
            raise StreamGone from closed

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, if it is open."""
        if self._socket is not None:
            await self._socket.close(code, reason)

    def answer(self, payload: bytes) -> None:
        """Answer the handshake, in place of accepting it."""
        self._call.answer(payload)
        self._over.set()

    def fail(self) -> None:
        """Answer the handshake with 500."""
        self.answer(problem_answer(self._call, 500, "handler_error"))

    async def wait_over(self) -> None:
        """Wait until the client is gone, or the handshake was answered."""
        await self._over.wait()

    @property
    def _opened(self) -> "WebSocket":
        if self._socket is None:
            raise AsgiError("the WebSocket was not accepted")
        return self._socket
