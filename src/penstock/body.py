"""The body of a request as a handler reads it: piece by piece, or all of it up to a bound."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from frames.fields import Field
from frames.frame import FieldId
from penstock.errors import Problem
from penstock.fields import Headers

__all__ = ["BodySource", "RequestBody"]


class BodySource(Protocol):
    """Where the pieces come from; `penstock.stream.Stream` is one."""

    @property
    def trailers(self) -> list[Field]:
        """The fields behind the body."""
        ...

    async def receive(self) -> bytes | None:
        """The next piece, or None at the end."""
        ...


class RequestBody:
    """What `call.stream()` returns: an async iterator of bytes.

    The client sends no faster than the pieces are read. Reading raises `StreamBroken` when the rest will not come.
    """

    __slots__ = ("_before_first", "_source", "length")

    def __init__(
        self, source: BodySource, length: int | None, before_first: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Take where the pieces come from, how many bytes they have together, and what is done before the first."""
        self._source = source
        self._before_first = before_first
        self.length = length
        """How many bytes the whole body has; None when the client did not say."""

    @classmethod
    def whole(cls, body: bytes) -> "RequestBody":
        """A body that has come already."""
        return cls(_Whole(body), len(body))

    @property
    def trailers(self) -> Headers:
        """The fields that the client sent behind the body: there when it was read to its end."""
        return Headers((name, value) for field, name, value in self._source.trailers if field == FieldId.NAMED)

    async def receive(self) -> bytes | None:
        """Return the next piece, or None at the end."""
        if self._before_first is not None:
            before_first, self._before_first = self._before_first, None
            await before_first()
        return await self._source.receive()

    async def read(self, byte_count_max: int) -> bytes:
        """Return what is left of the body. Raises `Problem` (413 `body_too_large`) when it is more than this."""
        pieces: list[bytes] = []
        byte_count = 0
        async for piece in self:
            byte_count += len(piece)
            if byte_count > byte_count_max:
                raise Problem(413, "body_too_large", f"the body has more than {byte_count_max:,} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, in order."""
        return self

    async def __anext__(self) -> bytes:
        """The next piece."""
        piece = await self.receive()
        if piece is None:
            raise StopAsyncIteration
        return piece


class _Whole:
    """One piece, or none."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.trailers: list[Field] = []

    async def receive(self) -> bytes | None:
        body, self._body = self._body, None
        return body or None
