"""One HTTP request of an ASGI application: what its `receive` returns, and what becomes of what it sends.

The head of an answer is kept until a part of the body comes: most answers are whole then, and go out in one frame
without a stream. So a failure in between is still answered with 500. A head that declares no length is sent at once,
since what follows may take its time: events, say.

    start ── body, more_body ── ... ── body
      │            └ all that was declared has come: one frame, and the end
      └ no content-length: sent now
"""

from typing import Protocol

from penstock.asgi.messages import BODILESS, AsgiError, ClientDisconnected, Message, make_head, read_status

__all__ = ["HttpExchange", "HttpPort"]

_WHOLE_BYTES_MAX = 262_144
"""A longer body goes out in pieces, so that others on the connection have their turn."""


class HttpPort(Protocol):
    """The exchange with the gateway, as it is reached from where the application runs.

    What waits raises `StreamGone` when nobody waits for the answer any more.
    """

    @property
    def is_gone(self) -> bool:
        """Nobody waits for the answer any more."""
        ...

    def answer(self, payload: bytes, /) -> None:
        """Send an answer that is whole."""
        ...

    async def begin(self, head: bytes, length: int | None, end: bool, /) -> None:
        """Send an answer's head; `end`: there is no body."""
        ...

    async def send(self, data: bytes, end: bool, /) -> None:
        """Send a part of the body; `end`: the last one."""
        ...

    async def receive(self) -> bytes | None:
        """Return the next part of the request's body, None at its end."""
        ...

    async def wait_over(self) -> None:
        """Wait until nobody waits for the answer any more, or it was sent."""
        ...


class StreamGone(Exception):  # noqa: N818 - it says what is the case
    """Nobody waits for the answer any more."""


class HttpExchange:
    """`receive` and `send` of one request."""

    __slots__ = (
        "_body",
        "_has_read",
        "_head",
        "_is_complete",
        "_is_head_request",
        "_length",
        "_port",
        "_sent",
        "_status",
        "has_begun",
        "is_over",
    )

    def __init__(self, port: HttpPort, body: bytes | None, *, is_head_request: bool) -> None:
        """body: the whole body, or None when it is to be read from the port."""
        self._port = port
        self._body = body
        self._has_read = False
        self._is_complete = False  # the application has said that nothing more follows
        self._is_head_request = is_head_request
        self._status = 0
        self._head = b""
        self._length: int | None = None
        self._sent = 0
        self.has_begun = False
        """The head is out, or whatever replaces the answer would come too late."""
        self.is_over = False
        """The answer is out."""

    @property
    def has_started(self) -> bool:
        """The application has said how its answer begins."""
        return bool(self._status)

    # ---- the request ----

    async def receive(self) -> Message:
        """Return the body, then `http.disconnect` once the answer is out or nobody waits for it."""
        if self.is_over or self._port.is_gone:
            return {"type": "http.disconnect"}
        if self._has_read:
            await self._port.wait_over()
            return {"type": "http.disconnect"}
        if self._body is not None:
            self._has_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        try:
            part = await self._port.receive()
        except StreamGone:
            return {"type": "http.disconnect"}
        if part is None:
            self._has_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": part, "more_body": True}

    # ---- the answer ----

    async def send(self, message: Message) -> None:
        """Take what the application sends.

        Raises:
            AsgiError: a message of a wrong type or form, at a wrong moment, or beyond what was declared.
            ClientDisconnected: nobody waits for the answer any more.
        """
        kind = message["type"]
        if kind == "http.response.body" and self._status:
            if self.is_over:
                self._take_after(message)
            elif not self.has_begun:
                await self._send_first(message)
            else:
                await self._send_more(message)
        elif kind == "http.response.start" and not self._status:
            await self._start(message)
        else:
            raise AsgiError(self._misplaced(str(kind)))

    async def _start(self, message: Message) -> None:
        status = read_status(message)
        self._head, self._length = make_head(status, message.get("headers", ()))
        self._status = status
        if self._length is None and not self._has_no_body:
            await self._begin(end=False)

    @property
    def _has_no_body(self) -> bool:
        return self._is_head_request or self._status in BODILESS

    async def _send_first(self, message: Message) -> None:
        body = _body_of(message)
        more = message.get("more_body", False)
        if self._has_no_body:
            if body and not self._is_head_request:
                raise AsgiError(f"an answer with status {self._status} has no body")
            if not more:
                self._is_complete = True
                length = None if self._status == 204 else self._length
                if length is None and self._is_head_request and body:
                    length = len(body)
                await self._finish_bodiless(length)
            return
        self._count(body, more)
        length = self._length
        if (not more or self._sent == length) and len(body) <= _WHOLE_BYTES_MAX:
            self._check_gone()
            self.has_begun = self.is_over = True
            self._is_complete = not more
            self._port.answer(self._head + body)
            return
        await self._begin(end=False)
        await self._pass_on(body, end=not more)

    async def _finish_bodiless(self, length: int | None) -> None:
        self._check_gone()
        self.has_begun = True
        if length is None:
            self.is_over = True
            self._port.answer(self._head)
            return
        self._length = length
        await self._begin(end=True)
        self.is_over = True

    async def _send_more(self, message: Message) -> None:
        body = _body_of(message)
        more = message.get("more_body", False)
        self._count(body, more)
        if body or not more:
            await self._pass_on(body, end=not more)

    async def _begin(self, *, end: bool) -> None:
        self._check_gone()
        self.has_begun = True
        try:
            await self._port.begin(self._head, self._length, end)
        except StreamGone:
            raise ClientDisconnected("the client is gone") from None

    async def _pass_on(self, body: bytes, *, end: bool) -> None:
        try:
            await self._port.send(body, end)
        except StreamGone:
            raise ClientDisconnected("the client is gone") from None
        self.is_over = self._is_complete = end

    def _count(self, body: bytes, more: bool) -> None:
        """Hold the body to what was declared."""
        self._sent += len(body)
        length = self._length
        if length is not None and (self._sent > length or (self._sent < length and not more)):
            what = "longer" if self._sent > length else "shorter"
            sent, self._sent = self._sent, self._sent - len(body)
            raise AsgiError(f"the body is {what} than its content-length: {sent:,} bytes of {length:,}")

    def _check_gone(self) -> None:
        if self._port.is_gone:
            raise ClientDisconnected("the client is gone")

    def _take_after(self, message: Message) -> None:
        """The answer is out: with its last declared byte, when the word that nothing more follows is yet to come."""
        if self._is_complete:
            raise AsgiError(self._misplaced("http.response.body"))
        more = message.get("more_body", False)
        self._count(_body_of(message), more)
        self._is_complete = not more

    def _misplaced(self, kind: str) -> str:
        if self.is_over:
            return f"{kind!r} was sent after the end of the answer"
        expected = "http.response.body" if self._status else "http.response.start"
        return f"{kind!r} was sent where {expected!r} is expected"


def _body_of(message: Message) -> bytes:
    body = message.get("body", b"")
    if type(body) is bytes:
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise AsgiError(f"http.response.body: the body is {type(body).__name__}; it must be bytes")
