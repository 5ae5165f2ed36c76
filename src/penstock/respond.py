"""Answers that are sent piece by piece: what `call.respond(...)` returns, and how a handler's iterator is sent."""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from penstock.answer import BODILESS, BYTES, TEXT, Fields, Response, body_offset, header_fields
from penstock.errors import AnswerError, StreamMisuse
from penstock.turn import answer_value

if TYPE_CHECKING:
    from penstock.streaming import StreamCall

__all__ = ["StreamedResponse", "answer_streaming"]

_SENT_IN_ONE_BYTES_MAX = 262_144
"""A larger body of a streaming endpoint goes out in pieces, so that others on the connection have their turn."""


class StreamedResponse:
    """An answer on its way. Its head is sent when the block is entered, its body's end when the block is left.

    A HEAD request, and a status 204 or 304, have no body: `length` then says what it would have had, and what is sent
    is dropped for HEAD, and a mistake otherwise.
    """

    def __init__(self, call: "StreamCall", status: int, headers: Fields, length: int | None) -> None:
        """Made by `call.respond`."""
        self._call = call
        self._headers = headers
        self._length = length
        self._is_bodiless = call.method == "HEAD" or status in BODILESS
        self.status = status
        self.trailers: dict[str, str] = {}
        """Fields to be sent behind the body; for clients that take them."""

    async def send(self, data: bytes | bytearray | memoryview | str) -> None:
        """Send a piece of the body; waits while the client, or the connection, takes no more.

        Raises:
            StreamMisuse: more than was declared, or after the end.
            StreamBroken: the caller is gone.
        """
        if isinstance(data, str):
            data = data.encode()
        elif isinstance(data, bytearray):
            data = bytes(data)
        if not self._is_bodiless:
            await self._call.flow.send(data)
        elif data and self._call.method != "HEAD":
            raise StreamMisuse(f"an answer with status {self.status} has no body")

    async def __aenter__(self) -> "StreamedResponse":
        """Send the head."""
        if not 200 <= self.status <= 599:
            raise AnswerError(f"the status is {self.status!r}; it must be from 200 to 599")
        await self._call.begin(self.status, header_fields(self._headers), length=self._length, end=self._is_bodiless)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send the end; after an error, say instead that the body was cut off."""
        if kind is not None:
            self._call.abort()
        elif not self._is_bodiless:
            await self._call.flow.end(header_fields(self.trailers))  # noqa: ASYNC102 - cancelled, it is cut off


async def answer_streaming(call: "StreamCall", value: object) -> None:
    """Send what the handler of a streaming endpoint returned, iterators piece by piece."""
    if call.has_begun:
        if value is not None:
            raise StreamMisuse(f"the handler has answered by respond(), and then returned {type(value).__name__}")
        if not call.is_answered:
            raise StreamMisuse("the handler returned, and its answer has not ended: use `async with call.respond()`")
        return
    status, body, headers = _parts(value)
    if isinstance(body, (AsyncIterator, Iterator)):
        await _answer_iterator(call, body, 200 if status is None else status, headers)
        return
    payload = answer_value(call, value)
    if len(payload) <= _SENT_IN_ONE_BYTES_MAX:
        call.answer(payload)
    else:
        await _answer_large(call, payload)


def _parts(value: object) -> tuple[int | None, object, Fields]:
    """Status, body and headers of what was returned. What has a wrong form is no iterator either."""
    if isinstance(value, Response):
        return value.status, value.value, value.headers
    if type(value) is tuple and len(value) in (2, 3):
        return value[0], value[1], value[2] if len(value) == 3 else ()
    return None, value, ()


async def _answer_large(call: "StreamCall", payload: bytes) -> None:
    """Send an answer that is whole already, in pieces."""
    at = body_offset(payload)
    length = len(payload) - at
    is_bodiless = call.method == "HEAD"
    await call.begin_again(payload[:at], length, end=is_bodiless)
    if not is_bodiless:
        await call.flow.send(memoryview(payload)[at:], end=True)


async def _answer_iterator(
    call: "StreamCall", pieces: AsyncIterator[Any] | Iterator[Any], status: int, headers: Fields
) -> None:
    """Send the pieces. Without a content type, the first one is awaited: it says whether they are text."""
    try:
        fields = [(name.decode(), value.decode("latin-1")) for _, name, value in header_fields(headers)]
        first: list[Any] = []
        if call.method != "HEAD" and not any(name == "content-type" for name, _ in fields):
            async for piece in _each(pieces):
                first.append(piece)
                fields.append(("content-type", TEXT if isinstance(piece, str) else BYTES))
                break
        async with call.respond(status, fields) as response:
            if call.method == "HEAD":
                return
            for piece in first:
                await response.send(_checked(piece))
            async for piece in _each(pieces):
                await response.send(_checked(piece))
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()  # noqa: ASYNC102 - what the generator waits for in its end is its own business


async def _next(pieces: AsyncIterator[Any] | Iterator[Any]) -> Any:
    """The next piece, or `_each` at the end, which no iterator yields."""
    try:
        return next(pieces) if isinstance(pieces, Iterator) else await anext(pieces)
    except (StopIteration, StopAsyncIteration):
        return _each


class _each:  # noqa: N801 - used as a function
    """Asynchronous iteration over any iterator, which goes on where the one before stopped."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterator[Any] | Iterator[Any]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> "_each":
        return self

    async def __anext__(self) -> Any:
        piece = await _next(self._pieces)
        if piece is _each:
            raise StopAsyncIteration
        return piece


def _checked(piece: Any) -> Any:
    if not isinstance(piece, (bytes, bytearray, memoryview, str)):
        raise AnswerError(f"the iterator yields {type(piece).__name__}; yield bytes or text")
    return piece
