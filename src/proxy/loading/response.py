"""Where an HTTP/1.1 answer ends (RFC 9112, section 6.3). No I/O.

Load is made for servers that are one's own: this reads what answers look like, quickly, and judges none.
"""

from typing import Final, NamedTuple

from frames.chunked import BodyError, ChunkedDecoder

HEAD_BYTES_MAX: Final = 65_536
LENGTH_DIGITS_MAX: Final = 16
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_ENCODING: Final = b"\r\ntransfer-encoding:"
_CONNECTION: Final = b"\r\nconnection:"
_BODILESS: Final = (204, 304)


class ResponseError(Exception):
    """It is no answer of HTTP/1.1. Its text is one line."""


class Ended(NamedTuple):
    """A whole answer."""

    status: int
    body_bytes: int
    keeps: bool
    """Whether another request may be sent over the connection."""


class ResponseReader:
    """The answers on one connection, one after the other: it is asked again when one has come."""

    def __init__(self, *, is_head: bool = False) -> None:
        """is_head: the requests are HEAD, whose answers have no body."""
        self._is_head = is_head
        self._held = b""
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._keeps = True
        self._body_bytes = 0
        self._left: int | None = None
        """Bytes of the body that are to come; None where only the end of the connection ends it."""
        self._chunks: ChunkedDecoder | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._held or self._status)

    def feed(self, data: bytes) -> Ended | None:
        """Take bytes that came, and return the answer where it is whole. Raises `ResponseError`."""
        if not self._status:
            data = self._read_head(self._held + data if self._held else data)
            if not self._status:
                return None
        return self._read_body(data)

    def end(self) -> Ended | None:
        """Say that the connection has ended, and return the answer where that made it whole."""
        if not self._status or self._left is not None or self._chunks is not None:
            return None
        return self._ended(keeps=False)

    def _read_head(self, data: bytes) -> bytes:
        """Read up to the final head; return what came behind it."""
        while True:
            at = data.find(_HEAD_END)
            if at < 0:
                if len(data) > HEAD_BYTES_MAX:
                    raise ResponseError(f"its head has more than {HEAD_BYTES_MAX:,} bytes")
                self._held = data
                return b""
            status, head, data = _status_of(data), data[:at].lower(), data[at + 4 :]
            if status >= 200:
                break
        self._held, self._status = b"", status
        self._keeps = _value(head, _CONNECTION) != b"close" and not head.startswith(b"http/1.0")
        self._find_length(head)
        return data

    def _find_length(self, head: bytes) -> None:
        length = _value(head, _LENGTH)
        if self._is_head or self._status in _BODILESS:
            self._left = 0
        elif _value(head, _ENCODING).endswith(b"chunked"):
            self._chunks = ChunkedDecoder()
        elif length:
            if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX:
                raise ResponseError("its Content-Length is no number")
            self._left = int(length)

    def _read_body(self, data: bytes) -> Ended | None:
        if self._chunks is not None:
            return self._read_chunks(self._chunks, data)
        self._body_bytes += len(data)
        if self._left is None:
            return None
        self._left -= len(data)
        if self._left < 0:
            raise ResponseError("it has more bytes than its Content-Length says")
        return self._ended(keeps=self._keeps) if not self._left else None

    def _read_chunks(self, decoder: ChunkedDecoder, data: bytes) -> Ended | None:
        if not data:
            return None
        try:
            chunks = decoder.feed(data)
        except BodyError as error:
            raise ResponseError(f"its body is not chunked as it must be: {error}") from None
        self._body_bytes += sum(map(len, chunks.pieces))
        return self._ended(keeps=self._keeps) if chunks.is_done else None

    def _ended(self, *, keeps: bool) -> Ended:
        ended = Ended(self._status, self._body_bytes, keeps)
        self._begin()
        return ended


def _status_of(data: bytes) -> int:
    if not data.startswith(b"HTTP/1.") or not data[9:12].isdigit():
        raise ResponseError("it does not begin like an answer of HTTP/1.1")
    return int(data[9:12])


def _value(head: bytes, name: bytes) -> bytes:
    """Return the value of a field, whose name has the end of the line before it and its colon; empty for none."""
    at = head.find(name)
    if at < 0:
        return b""
    begin = at + len(name)
    end = head.find(b"\r\n", begin)
    return (head[begin:] if end < 0 else head[begin:end]).strip()
