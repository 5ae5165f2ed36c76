"""One WebSocket of an ASGI application: the handshake is answered as it says, messages go both ways.

connect ── accept ── receive, send ... ── close, or disconnect
         └ close: 403 (ASGI, "Close - send event"); or an answer of its own (extension `websocket.http.response`)
"""

from typing import Protocol

from frames.fields import Field
from penstock.asgi.http import StreamGone
from penstock.asgi.messages import AsgiError, ClientDisconnected, Message, make_head, read_headers, read_status

__all__ = ["SocketExchange", "SocketPort"]

GONE = 1006
"""The client went without a word."""
FORBIDDEN = 403


class SocketPort(Protocol):
    """The socket, as it is reached from where the application runs. What waits raises `StreamGone` after its end."""

    @property
    def close_code(self) -> int | None:
        """How the socket was closed; None while it is open."""
        ...

    @property
    def close_reason(self) -> str:
        """What was said when it was closed."""
        ...

    async def accept(self, subprotocol: str | None, fields: list[Field], /) -> None:
        """Accept the handshake."""
        ...

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the socket is closed."""
        ...

    async def send(self, message: str | bytes, /) -> None:
        """Send a message."""
        ...

    async def close(self, code: int, reason: str, /) -> None:
        """Close the socket."""
        ...

    def answer(self, payload: bytes, /) -> None:
        """Answer the handshake with a whole answer, in place of accepting it."""
        ...

    async def wait_over(self) -> None:
        """Wait until the client is gone, or the handshake was answered."""
        ...


class SocketExchange:
    """`receive` and `send` of one WebSocket."""

    def __init__(self, port: SocketPort) -> None:
        """Take the socket, whose handshake is in order."""
        self._port = port
        self._is_told = False
        self._is_accepted = False
        self._denial: tuple[bytes, list[bytes]] | None = None
        self._is_denying = False
        self.is_over = False
        """The application has closed the socket, or refused it, or was told that it is closed."""

    @property
    def is_accepted(self) -> bool:
        """Whether the socket was open at any time."""
        return self._is_accepted

    async def receive(self) -> Message:
        """Return `websocket.connect`, then the messages, then `websocket.disconnect`."""
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        if not self._is_accepted:
            await self._port.wait_over()
            if not self._is_accepted:
                return self._disconnect()
        try:
            message = await self._port.receive()
        except StreamGone:
            message = None
        if message is None:
            return self._disconnect()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    def _disconnect(self) -> Message:
        self.is_over = True
        code = self._port.close_code
        return {
            "type": "websocket.disconnect",
            "code": GONE if code is None else code,
            "reason": self._port.close_reason,
        }

    async def send(self, message: Message) -> None:
        """Take what the application sends.

        Raises:
            AsgiError: a message of a wrong type or form, or at a wrong moment.
            ClientDisconnected: the socket is closed.
        """
        kind = str(message["type"])
        try:
            if self._is_accepted:
                await self._send_open(kind, message)
            elif self._is_denying:
                self._continue_denial(kind, message)
            elif self.is_over:
                raise AsgiError(f"{kind!r} was sent after the end of the WebSocket")
            else:
                await self._send_first(kind, message)
        except StreamGone:
            raise ClientDisconnected("the client is gone") from None

    async def _send_first(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            subprotocol = message.get("subprotocol")
            if subprotocol is not None and not isinstance(subprotocol, str):
                raise AsgiError(f"websocket.accept: the subprotocol is {type(subprotocol).__name__}; it must be text")
            fields = read_headers(message.get("headers") or ())
            if any(name == b"sec-websocket-protocol" for _, name, _ in fields):
                raise AsgiError("websocket.accept: name the subprotocol as such, not among the headers")
            await self._port.accept(subprotocol, fields)
            self._is_accepted = True
        elif kind == "websocket.close":
            self._refuse(make_head(FORBIDDEN, ())[0], b"")
        elif kind == "websocket.http.response.start":
            self._is_denying = True
            self._denial = make_head(read_status(message), message.get("headers", ()))[0], []
        else:
            raise AsgiError(f"{kind!r} was sent where 'websocket.accept' or 'websocket.close' is expected")

    async def _send_open(self, kind: str, message: Message) -> None:
        if kind not in ("websocket.send", "websocket.close"):
            raise AsgiError(f"{kind!r} was sent where 'websocket.send' or 'websocket.close' is expected")
        if self.is_over:
            if kind == "websocket.close":
                raise AsgiError(f"{kind!r} was sent after the end of the WebSocket")
            raise ClientDisconnected("the WebSocket is closed")
        if kind == "websocket.close":
            code = _code(message)
            self.is_over = True
            await self._port.close(code, message.get("reason") or "")
            return
        await self._port.send(_data(message))

    def _continue_denial(self, kind: str, message: Message) -> None:
        if kind != "websocket.http.response.body" or self._denial is None:
            raise AsgiError(f"{kind!r} was sent where 'websocket.http.response.body' is expected")
        head, parts = self._denial
        parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            self._denial = None
            self._refuse(head, b"".join(parts))

    def _refuse(self, head: bytes, body: bytes) -> None:
        self.is_over = True
        self._port.answer(head + body)


def _code(message: Message) -> int:
    code = message.get("code", 1000)
    if not isinstance(code, int) or not (1000 <= code < 5000) or code in (1005, 1006, 1015):
        raise AsgiError(
            f"websocket.close: the code is {code!r}; it is a number that RFC 6455, section 7.4, lets be sent"
        )
    return code


def _data(message: Message) -> str | bytes:
    text, data = message.get("text"), message.get("bytes")
    if isinstance(text, str) and data is None:
        return text
    if text is None and isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise AsgiError("websocket.send: it has text, which is str, or bytes, and not both")
