"""One OTLP request after the other to a collector, which is somebody else's process, and may be anything.

Of an answer only the status is wanted: at most 64 KiB of its body are read, and not beyond the time of the request;
redirects are not followed, since the request may carry keys. A batch is sent again while that makes sense and time is
left, as the protocol says (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response). To be called in a thread.
"""

import http.client
import ssl
import threading
import time
import zlib
from typing import Final
from urllib.parse import urlsplit

from penstock.tracing.environment import CollectorPlace

BODY_BYTES_MAX: Final = 65_536
AGAIN_S: Final = 1.0
"""Before a batch is sent again; twice that before the next time, and so on."""
_PIECE_BYTES: Final = 8_192
_GOOD: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_LATER: Final = (429, 502, 503, 504)
_GZIP_WINDOW: Final = 31


class _LostError(Exception):
    """There was no answer; the text says why. is_late: since there was no time left."""

    def __init__(self, why: str, *, is_late: bool) -> None:
        super().__init__(why)
        self.is_late = is_late


class Sender:
    """Sends to one collector, over one connection."""

    def __init__(self, place: CollectorPlace) -> None:
        """Connect with the first request.

        Raises:
            OSError: a file of certificates or keys cannot be used (`ssl.SSLError` is one).
        """
        parts = urlsplit(place.url)
        self._place = place
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path or "/"
        self._context = _tls(place) if parts.scheme == "https" else None
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": "penstock", **place.headers}
        if place.compression != "none":
            self._headers["Content-Encoding"] = place.compression
        self._connection: http.client.HTTPConnection | None = None
        self._is_over = threading.Event()

    def export(self, data: bytes) -> str | None:
        """Send a batch. None: it was taken; else why not."""
        body = _compressed(data, self._place.compression)
        ends_at = time.monotonic() + self._place.timeout_s
        pause_s = AGAIN_S
        while True:
            trouble, after_s = self._once(body, ends_at)
            if after_s is None:
                return trouble
            pause_s, wait_s = pause_s * 2, max(pause_s, after_s)
            if time.monotonic() + wait_s >= ends_at or self._is_over.wait(wait_s):
                return trouble

    def close(self) -> None:
        """Send nothing again, and let go of the connection. May be called by another thread."""
        self._is_over.set()
        self._hang_up()

    def _once(self, body: bytes, ends_at: float) -> tuple[str | None, float | None]:
        """Send it once. Returns why it was not taken (None: it was), and after how long it may be sent again."""
        is_fresh = self._connection is None
        try:
            try:
                response = self._ask(body, ends_at)
            except _LostError as lost:
                if is_fresh or lost.is_late:
                    raise
                response = self._ask(body, ends_at)  # the connection had been idle, and was closed meanwhile
        except _LostError as lost:
            return str(lost), 0.0
        if response.status in _GOOD:
            return None, None
        if response.status in _REDIRECTS:
            return f"it answered {response.status}, and redirects are not followed", None
        after_s = _seconds(response.headers.get("Retry-After", "")) if response.status in _LATER else None
        return f"it answered {response.status}", after_s

    def _ask(self, body: bytes, ends_at: float) -> http.client.HTTPResponse:
        """Send it, and return the answer, whose body was read. Raises `_LostError`."""
        timeout_s = max(0.001, ends_at - time.monotonic())
        try:
            connection = self._connected(timeout_s)
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            is_whole = _read_to_end(response, ends_at)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._hang_up()
            is_late = isinstance(error, TimeoutError)
            raise _LostError(_words(error, self._place.timeout_s), is_late=is_late) from None
        if not is_whole:
            self._hang_up()
        return response

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._context is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
            else:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=timeout_s, context=self._context
                )
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _tls(place: CollectorPlace) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=place.certificate or None)
    if place.client_certificate:
        context.load_cert_chain(place.client_certificate, place.client_key or None)
    return context


def _compressed(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        packer = zlib.compressobj(wbits=_GZIP_WINDOW)
        return packer.compress(data) + packer.flush()
    return zlib.compress(data) if compression == "deflate" else data


def _read_to_end(response: http.client.HTTPResponse, ends_at: float) -> bool:
    """Read the body as far as that is worth it; whether that was all, so that the connection can be used again."""
    left = BODY_BYTES_MAX
    while left > 0 and time.monotonic() < ends_at:
        piece = response.read1(min(_PIECE_BYTES, left))
        if not piece:
            response.close()
            return not response.will_close
        left -= len(piece)
    return False


def _seconds(text: str) -> float:
    """What Retry-After says where it says seconds; else 0."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0.0


def _words(error: Exception, timeout_s: float) -> str:
    """Say what went wrong, without what the collector has said."""
    if isinstance(error, ssl.SSLError):
        return "its certificate or its TLS is not what it should be"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, OSError):
        return "no connection, or it was lost"
    return "what it answers is no HTTP"
