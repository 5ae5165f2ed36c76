"""The request's body as it comes from the client: delimited, bounded, and not too slow (RFC 9112, section 6).

The decoder of chunks is the strict one of csrc/http1_body.c. What is wrong ends the reading with a `Refusal`.
"""

from typing import Final

import trio

from frames.chunked import BodyError, ChunkedDecoder
from proxy.edge.task.client import ClientGone, ClientSocket
from proxy.errors import BAD_CHUNK, BAD_TRAILER, BODY_TIMEOUT, BODY_TOO_LARGE, Reason
from proxy.request.stage import Answer

Field = tuple[bytes, bytes]

PAUSE_S: Final = 60.0
"""As long as a client may pause in a body of which it has sent enough."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Refusal(Exception):  # noqa: N818 - it says what is the case
    """The request goes no further: `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason.code)
        self.answer = answer


class Pace:
    """How slowly a body may come: at a least rate, after a grace, counted while somebody waits for the client.

    What came faster may be made up for by a pause, but by none that is longer than `PAUSE_S`: who has sent much at
    once may not go on for hours byte by byte.
    """

    __slots__ = ("_left_s", "_most_s", "_rate")

    def __init__(self, bytes_per_second: int, grace_s: float) -> None:
        self._rate = bytes_per_second
        self._left_s = grace_s
        self._most_s = max(grace_s, PAUSE_S)

    async def receive(self, client: ClientSocket) -> bytes:
        """Receive from the client. Raises `Refusal` when it is too slow, `ClientGone`."""
        began = trio.current_time()
        with trio.move_on_at(began + self._left_s) as scope:
            data = await client.receive()
        if scope.cancelled_caught:
            raise Refusal(Answer(BODY_TIMEOUT))
        left_s = self._left_s - (trio.current_time() - began) + len(data) / self._rate
        self._left_s = min(left_s, self._most_s)
        return data


class RequestBody:
    """The body of one request. Nothing is read before it is asked for."""

    def __init__(
        self,
        client: ClientSocket,
        *,
        length: int | None,
        byte_count_max: int,
        pace: Pace,
        trailer_bytes: int,
        trailer_fields: int,
    ) -> None:
        """length: None for a chunked body; byte_count_max: more is `BODY_TOO_LARGE`; trailer_...: of the section."""
        self._client = client
        self._byte_count_max = byte_count_max
        self._pace = pace
        self._decoder = ChunkedDecoder(trailer_bytes, trailer_fields) if length is None else None
        self._left = length or 0
        self.length = length
        """How many bytes it will have, where that is known."""
        self.byte_count = 0
        self.has_begun = False
        """Something of it has come, so that its client does not wait for 100 (Continue)."""
        self.is_whole = not self._decoder and not self._left
        """All of it was read."""
        self.rest = client.take_held() if self.is_whole else b""
        """What came behind it."""
        self.trailers: list[Field] = []

    def bound(self, byte_count_max: int) -> None:
        """Take no more than this, where that is less than what was said first."""
        self._byte_count_max = min(self._byte_count_max, byte_count_max)

    def receive_nowait(self) -> list[bytes]:
        """Return the parts of the body that were received before. Raises `Refusal`."""
        held = self._client.take_held()
        return self._take(held) if held else []

    async def receive(self) -> list[bytes]:
        """Return the next parts of the body; none at its end. Raises `Refusal`, `ClientGone`."""
        while not self.is_whole:
            data = await self._pace.receive(self._client)
            if not data:
                raise ClientGone
            parts = self._take(data)
            if parts:
                return parts
        return []

    def _take(self, data: bytes) -> list[bytes]:
        self.has_begun = True
        parts = self._take_chunked(self._decoder, data) if self._decoder else self._take_counted(data)
        self.byte_count += sum(map(len, parts))
        if self.byte_count > self._byte_count_max:
            raise Refusal(Answer(BODY_TOO_LARGE))
        return parts

    def _take_counted(self, data: bytes) -> list[bytes]:
        left = self._left
        self._left = left - min(left, len(data))
        if self._left:
            return [data]
        self.is_whole = True
        self.rest = data[left:]
        return [data[:left]] if self.rest else [data]

    def _take_chunked(self, decoder: ChunkedDecoder, data: bytes) -> list[bytes]:
        try:
            chunks = decoder.feed(data)
        except BodyError as error:
            raise Refusal(Answer(_reason_of(error))) from None
        if chunks.is_done:
            self.is_whole = True
            self.rest = chunks.rest
            self.trailers = chunks.trailers
        return chunks.pieces


def _reason_of(error: BodyError) -> Reason:
    return BAD_TRAILER if error.is_trailer else BAD_CHUNK
