"""A long page of text, written beside the traffic: in steps so small that nobody notices, and compressed meanwhile.

It is not written in a thread. Every call of the wire lets go of the interpreter and wants it back, so while a thread
writes, each of them would wait for a switch interval; and there are some of them in each request.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

SLICE_S: Final = 0.0001
"""Of writing, between two looks at what others want: a turn of the loop under load takes longer."""

_FLUSH_CHARACTERS: Final = 8_192


class PageText:
    """The bytes of a page, while it is written."""

    def __init__(self, *, compresses: bool) -> None:
        """compresses: by gzip."""
        self._pieces: list[str] = []
        self._count = 0
        self._chunks: list[bytes] = []
        self._packer = None
        if compresses:
            import zlib

            self._packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)

    def take(self, piece: str) -> None:
        """Write one piece."""
        self._pieces.append(piece)
        self._count += len(piece)
        if self._count >= _FLUSH_CHARACTERS:
            self._flush()

    def end(self) -> bytes:
        """Return the page."""
        self._flush()
        if self._packer is not None:
            self._chunks.append(self._packer.flush())
        return b"".join(self._chunks)

    def _flush(self) -> None:
        chunk = "".join(self._pieces).encode("utf-8", "replace")
        self._pieces.clear()
        self._count = 0
        self._chunks.append(chunk if self._packer is None else self._packer.compress(chunk))


async def write(pieces: Iterable[str], give_way: Callable[[], Awaitable[None]], *, compresses: bool) -> bytes:
    """Return what the pieces make, written in small steps. give_way: lets others have their turn."""
    text, clock = PageText(compresses=compresses), time.perf_counter
    yields_at = clock() + SLICE_S
    for piece in pieces:
        text.take(piece)
        if clock() >= yields_at:
            await give_way()
            yields_at = clock() + SLICE_S
    return text.end()
