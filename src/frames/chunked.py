"""Chunked bodies: the strict decoder of csrc/http1_body.c, fed with bytes as they come (RFC 9112, section 7.1).

    decoder = ChunkedDecoder()
    while True:
        chunks = decoder.feed(received)     # raises BodyError
        pass_on(chunks.pieces)
        if chunks.is_done: ...              # chunks.trailers came at the end; chunks.rest begins the next request

One ``feed`` is one call into C. A piece is copied once, out of the bytes it came in.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

from frames._native import ffi, lib

__all__ = ["BodyError", "BodyErrorCode", "ChunkedDecoder", "Chunks", "may_be_trailer"]

_PIECES_PER_CALL: Final = 128
_SLICED_PIECES_MAX: Final = 16  # more of one call are small, so that one more copy costs less than an object for each

Trailers = list[tuple[bytes, bytes]]


class BodyErrorCode(IntEnum):
    """What is wrong with a chunked body (``enum http1_body_error``)."""

    BAD_SIZE = lib.BODY_BAD_SIZE
    SIZE_TOO_LARGE = lib.BODY_SIZE_TOO_LARGE
    BAD_EXTENSION = lib.BODY_BAD_EXTENSION
    BAD_LINE_END = lib.BODY_BAD_LINE_END
    BAD_DATA_END = lib.BODY_BAD_DATA_END
    LINE_TOO_LONG = lib.BODY_LINE_TOO_LONG
    EXTENSIONS_TOO_LARGE = lib.BODY_EXTENSIONS_TOO_LARGE
    BAD_TRAILER_NAME = lib.BODY_BAD_TRAILER_NAME
    BAD_TRAILER_VALUE = lib.BODY_BAD_TRAILER_VALUE
    BAD_TRAILER_LINE = lib.BODY_BAD_TRAILER_LINE
    TRAILERS_TOO_LARGE = lib.BODY_TRAILERS_TOO_LARGE
    TOO_MANY_TRAILERS = lib.BODY_TOO_MANY_TRAILERS


class BodyError(ValueError):
    """The body is not chunked as it must be: where it ends is not known, and nothing behind it may be read.

    Attributes:
        code: what is wrong.
        is_trailer: it is wrong in the trailer section, behind the last chunk.

    """

    def __init__(self, code: BodyErrorCode) -> None:
        """Keep the code; its name in lower case is the text of the error."""
        super().__init__(code.name.lower())
        self.code = code
        self.is_trailer = code >= BodyErrorCode.BAD_TRAILER_NAME


class Chunks(NamedTuple):
    """What one ``feed`` came to."""

    pieces: list[bytes]
    """Body data in order; none is empty. How it was cut into chunks is not to be seen."""
    is_done: bool
    """The body ended."""
    rest: bytes
    """What came behind the end of the body; empty before."""
    trailers: Trailers
    """Lower-case name and value of each trailer field, at the end; without those that must not be trailers."""


def may_be_trailer(name: bytes) -> bool:
    """Return whether a name, in lower case, may be that of a trailer field (RFC 9110, section 6.5.1)."""
    return bool(lib.http1_may_be_trailer(name, len(name)))


class ChunkedDecoder:
    """One chunked body. Not for several threads at once."""

    __slots__ = ("_held", "_is_done", "_limits", "_pieces", "_result", "_state")

    def __init__(self, trailer_bytes_max: int = 16384, trailer_fields_max: int = 100) -> None:
        """trailer_bytes_max: of the whole trailer section; trailer_fields_max: at most HTTP1_FIELDS_MAX, 128."""
        self._state = ffi.new("http1_chunked *")
        self._limits = ffi.new("http1_limits *", (trailer_bytes_max, trailer_fields_max))
        self._pieces = ffi.new("http1_piece[]", _PIECES_PER_CALL)
        self._result = ffi.new("http1_chunks *")
        self._held = b""  # trailers that are not there whole
        self._is_done = False

    @property
    def body_bytes_min(self) -> int:
        """How many bytes the body has at least: what came, and what the chunk that is being read says it holds."""
        return int(self._state.data_bytes + self._state.chunk_left)

    def feed(self, data: bytes) -> Chunks:
        """Read on. Raises `BodyError`, then and in every call after it; what came before in the same call is lost."""
        if self._is_done:
            return Chunks([], True, data, [])
        if self._held:
            data = self._held + data
        pieces: list[bytes] = []
        result = self._result
        start = self._scan(data, 0, pieces)
        while result.piece_count == _PIECES_PER_CALL and not result.is_done:
            start += self._scan(data, start, pieces)
        if not result.is_done:
            self._held = data[start:]
            return Chunks(pieces, False, b"", [])
        self._is_done = True
        self._held = b""
        return Chunks(pieces, True, data[start:], self._trailers(data, start))

    def _scan(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        """Read data from start on, until it ends or the pieces are full; return how much was read."""
        given = ffi.from_buffer("uint8_t[]", data) + start if start else data
        result = self._result
        before = self._state.data_bytes
        error = lib.http1_chunked_scan(
            self._state, given, len(data) - start, self._limits, self._pieces, _PIECES_PER_CALL, result
        )
        if error:
            raise BodyError(BodyErrorCode(error))
        count = result.piece_count
        if count > _SLICED_PIECES_MAX:
            pieces.append(self._join(given, count, self._state.data_bytes - before))
        else:
            for piece in self._pieces[0:count]:
                at = start + piece.at
                pieces.append(data[at : at + piece.bytes])
        return int(result.consumed)

    def _join(self, given: Any, count: int, byte_count: int) -> bytes:
        out = bytearray(byte_count)
        lib.http1_chunked_join(given, self._pieces, count, ffi.from_buffer("uint8_t[]", out, require_writable=True))
        return bytes(out)

    def _trailers(self, data: bytes, end: int) -> Trailers:
        """Cut the trailer fields out of the data, which the last call read up to end."""
        start = end - self._result.consumed
        found: Trailers = []
        for field in self._result.fields[0 : self._result.field_count]:
            name = data[start + field.name : start + field.name + field.name_bytes].lower()
            if may_be_trailer(name):
                found.append((name, data[start + field.value : start + field.value + field.value_bytes]))
        return found
