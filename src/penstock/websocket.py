"""WebSockets: messages both ways over an upgraded exchange (RFC 6455). The frames are wsproto's business.

    @service.websocket("/rooms/{room}")
    async def chat(socket, room: str):
        async for message in socket:
            await socket.send(message)

The iteration ends when the client closes, or is gone; pings are answered by whoever reads. When the handler returns,
the socket is closed with 1000; when it raises, with 1011; when the service drains, with 1001, and then its handler has
the time to drain to return. Needs `penstock[websocket]`.
"""

import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

import trio

from frames.frame import FieldId
from penstock.answer import Response, header_fields
from penstock.errors import RegistrationError, SocketClosed, StreamBroken
from penstock.handshake import Offer, accept
from penstock.options import AnyOptions, SocketOptions

if TYPE_CHECKING:
    from wsproto.connection import Connection
    from wsproto.events import Event

    from penstock.call import Call
    from penstock.stream import Stream
    from penstock.streaming import StreamCall

__all__ = ["Offer", "SocketHandler", "WebSocket", "make_socket_handler", "split_options"]

SocketHandler = Callable[..., Coroutine[Any, Any, None]]

NORMAL = 1000
GOING_AWAY = 1001
ABNORMAL = 1006
TOO_BIG = 1009
FAILED = 1011

MESSAGE_BYTES_MAX = 1_048_576
"""What a message may have where its endpoint says nothing."""
CLOSE_S = 5.0
"""How long the client may take to answer our close."""
_PARSED_BYTES_MAX = 4_096
"""Parsed at once: compressed a thousandfold, it is 4 MiB, and no more, before a message's size is looked at."""


class WebSocket:
    """One client. One task reads; any number of tasks send.

    Attributes:
        call: the request that opened it: headers, query, tenant, ids; None on the client's side.
        subprotocol: what was agreed upon, or None.
        close_code, close_reason: how it was closed; None while it is open. 1006: the client went without a word.

    """

    def __init__(
        self,
        flow: "Stream",
        connection: "Connection",
        *,
        message_bytes_max: int,
        call: "Call | None" = None,
        subprotocol: str | None = None,
    ) -> None:
        """Take the upgraded exchange's stream, and the protocol's state."""
        self.call = call
        self.subprotocol = subprotocol
        self.close_code: int | None = None
        self.close_reason = ""
        self._flow = flow
        self._connection = connection
        self._message_bytes_max = message_bytes_max
        self._messages: deque[str | bytes] = deque()
        self._parts: list[str | bytes] = []
        self._part_bytes = 0
        self._unparsed = memoryview(b"")
        self._replies: deque[bytes] = deque()
        self._is_torn = False
        self._is_reading = False
        self._lock = trio.Lock()

    async def receive(self) -> str | bytes | None:
        """Return the next message, text or binary, or None when the socket is closed."""
        while not self._messages:
            await self._send_replies()
            if self.close_code is not None:
                return None
            if not self._unparsed:
                await self._read()
            self._parse()
        return self._messages.popleft()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages, until the socket is closed."""
        return self

    async def __anext__(self) -> str | bytes:
        """The next message."""
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message: text for `str`, binary for `bytes`. Raises `SocketClosed`.

        Cancelled before anything of it was written, it goes out whole in front of the next one; in the midst of it, the
        socket is of no more use, since half a frame is out.
        """
        from wsproto.events import BytesMessage, TextMessage

        await self._send(TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message))

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping, of at most 125 bytes, to keep what lies between from closing the connection."""
        from wsproto.events import Ping

        await self._send(Ping(payload=payload))

    async def go_away(self) -> None:
        """Close the socket since the service drains."""
        await self.close(GOING_AWAY, "the service is shutting down")

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the socket; unless another task reads, wait a moment for the client to agree. Once is enough."""
        from wsproto.events import CloseConnection

        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._reply(CloseConnection(code=code, reason=reason))
            with trio.move_on_after(CLOSE_S):
                await self._wait_agreed()
        try:
            await self._send_replies()
        except SocketClosed:
            return

    # ---- reading ----

    async def _read(self) -> None:
        self._is_reading = True
        try:
            data = await self._flow.receive()
        except StreamBroken:
            data = None
        finally:
            self._is_reading = False
        if data is None:
            self._note_close(ABNORMAL, "the client is gone")
        else:
            self._unparsed = memoryview(data)

    def _parse(self) -> None:
        """Parse a part of what came; messages and replies are kept, so that nothing is lost by a cancellation."""
        part, self._unparsed = self._unparsed[:_PARSED_BYTES_MAX], self._unparsed[_PARSED_BYTES_MAX:]
        if not part or self.close_code is not None:
            return
        self._connection.receive_data(bytes(part))
        for event in self._connection.events():
            self._take(event)
            if self.close_code is not None:
                return

    def _take(self, event: "Event") -> None:
        from wsproto.events import CloseConnection, Message, Ping

        if isinstance(event, Message):
            self._take_part(event)
        elif isinstance(event, Ping):
            self._reply(event.response())
        elif isinstance(event, CloseConnection):
            self._note_close(int(event.code), event.reason or "")
            self._reply(event.response())

    def _take_part(self, event: Any) -> None:
        from wsproto.events import CloseConnection

        data: str | bytes = event.data if isinstance(event.data, str) else bytes(event.data)
        self._part_bytes += len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
        if self._part_bytes > self._message_bytes_max:
            reason = f"a message may have {self._message_bytes_max} bytes"
            self._note_close(TOO_BIG, reason)
            self._reply(CloseConnection(code=TOO_BIG, reason=reason))
            return
        self._parts.append(data)
        if event.message_finished:
            empty: Any = data[:0]
            self._messages.append(empty.join(self._parts))
            self._parts, self._part_bytes = [], 0

    def _note_close(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason

    async def _wait_agreed(self) -> None:
        """Read on until the client has closed, too; what it says meanwhile is lost."""
        from wsproto.connection import ConnectionState

        try:
            await self._send_bytes()
            if self._is_reading:  # it is told now that the socket is closed
                self._flow.stop_receiving()
                return
            while self._connection.state is ConnectionState.LOCAL_CLOSING:
                data = await self._flow.receive()
                if data is None:
                    return
                for at in range(0, len(data), _PARSED_BYTES_MAX):
                    self._connection.receive_data(data[at : at + _PARSED_BYTES_MAX])
                    for _ in self._connection.events():
                        pass
                    if self._connection.state is not ConnectionState.LOCAL_CLOSING:
                        return
        except StreamBroken:
            return

    # ---- writing ----

    def _reply(self, event: "Event") -> None:
        """Keep an answer to what came until there is time to send it."""
        from wsproto.utilities import LocalProtocolError

        try:
            self._replies.append(self._connection.send(event))
        except LocalProtocolError:  # after our own close: nothing more is said
            return

    async def _send(self, event: "Event") -> None:
        if self.close_code is not None:
            raise SocketClosed(self.close_code, self.close_reason)
        # The lock orders what is compressed as it is sent. Free, it costs no pass through the scheduler.
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()
        try:
            if self.close_code is not None:
                raise SocketClosed(self.close_code, self.close_reason)
            self._replies.append(self._connection.send(event))
            await self._drain()
        finally:
            self._lock.release()

    async def _send_replies(self) -> None:
        """Send what is owed; after the close, end our direction."""
        if self._replies:
            try:
                await self._send_bytes()
            except StreamBroken:
                self._note_close(ABNORMAL, "the client is gone")
        if self.close_code is not None and not self._flow.has_sent_end and self._flow.cause is None:
            try:
                await self._flow.end()
            except (StreamBroken, trio.BusyResourceError):
                return

    async def _send_bytes(self) -> None:
        async with self._lock:
            await self._drain()

    async def _drain(self) -> None:
        """Write what is owed, in order. Holds the lock."""
        while self._replies:
            if self._is_torn or self._flow.has_sent_end:
                self._replies.clear()
                raise SocketClosed(self.close_code or ABNORMAL, self.close_reason)
            data, before = self._replies[0], self._flow.sent_bytes
            try:
                await self._flow.send(data)
            except StreamBroken:
                self._note_close(ABNORMAL, "the client is gone")
                self._replies.clear()
                raise SocketClosed(self.close_code or ABNORMAL, self.close_reason) from None
            except trio.Cancelled:
                self._is_torn = self._flow.sent_bytes != before  # a part of a frame is out: nothing can follow it
                raise
            self._replies.popleft()


def split_options(options: SocketOptions) -> tuple[Offer, AnyOptions]:
    """Return what a WebSocket endpoint speaks, and what is left of its options."""
    rest = options.copy()
    subprotocols = rest.pop("subprotocols", ())
    message_bytes_max = rest.pop("message_bytes_max", MESSAGE_BYTES_MAX)
    compression = rest.pop("compression", True)
    return Offer(tuple(subprotocols), message_bytes_max, compression), rest


def make_socket_handler(where: str, handler: SocketHandler, offer: Offer) -> Callable[..., Any]:
    """Return the endpoint's handler for the author's one. Raises `RegistrationError`."""
    import inspect

    if not inspect.iscoroutinefunction(handler):
        raise RegistrationError(f"{where}: the handler must be written with async def, and must not yield")
    try:
        import wsproto  # noqa: F401
    except ImportError as error:
        raise RegistrationError(
            f"{where}: WebSockets need wsproto, which is not installed; pip install 'penstock[websocket]'"
        ) from error

    @functools.wraps(handler)
    async def run(call: "Call", *args: Any, **kwargs: Any) -> Response | None:
        upgrade = call._context(FieldId.UPGRADE)
        accepted = accept(call, upgrade, offer)
        if isinstance(accepted, Response):
            return accepted
        stream_call = cast("StreamCall", call)
        await stream_call.begin(101, header_fields(accepted.headers))
        stream_call.flow.is_upgraded = True
        from wsproto.connection import Connection, ConnectionType

        socket = WebSocket(
            stream_call.flow,
            Connection(ConnectionType.SERVER, [accepted.deflate] if accepted.deflate else []),
            message_bytes_max=offer.message_bytes_max,
            call=call,
            subprotocol=accepted.subprotocol,
        )
        stream_call.when_draining(socket.go_away)
        await _serve(socket, handler, args, kwargs)
        return None

    return run


async def _serve(socket: WebSocket, handler: SocketHandler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the handler, then close; that the client is gone is no failure."""
    try:
        await handler(socket, *args, **kwargs)
    except StreamBroken:
        pass
    except Exception:
        await socket.close(FAILED)  # noqa: ASYNC120 - then the client is gone, and the log says why soon enough
        raise
    await socket.close()
