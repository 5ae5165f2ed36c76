"""Where a JWK set is read: a file, or a URL.

Both read in a worker thread. A URL is read with limits on everything: the time for all of it, its size, and where it
may lead: a redirect to another host would let that host say whose tokens are taken.
"""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

if TYPE_CHECKING:
    import ssl

DOCUMENT_BYTES_MAX: Final = 262_144
_PIECE_BYTES: Final = 16_384
_THREADS_MAX: Final = 2
"""Of one URL: a thread that was given up goes on until its server lets it go."""


class SourceError(Exception):
    """A source cannot be read now. Its text says why, in one line."""


class KeySource(Protocol):
    """Where a JWK set is read."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    async def read(self, timeout_s: float) -> bytes | None:
        """Return the document; None where it is known to be the same as the last time.

        Raises:
            SourceError: it cannot be read.
        """
        ...

    def forget(self) -> None:
        """Forget what was read the last time, so that the next `read` returns a document."""
        ...


class FileSource:
    """A file. It is read again only when it was replaced or written to."""

    def __init__(self, path: Path) -> None:
        """Take a path."""
        self._path = path
        self._seen: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    async def read(self, timeout_s: float) -> bytes | None:  # noqa: ASYNC109 - files have none
        """Read the file, if it has changed."""
        return await trio.to_thread.run_sync(self.read_now)

    def read_now(self) -> bytes | None:
        """As `read`, at once."""
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return None
            with self._path.open("rb") as stream:
                document = stream.read(DOCUMENT_BYTES_MAX + 1)
        except OSError as error:
            raise SourceError(f"it cannot be read: {error.strerror}") from None
        if len(document) > DOCUMENT_BYTES_MAX:
            raise SourceError(_TOO_LARGE)
        self._seen = seen
        return document

    def forget(self) -> None:
        """Read it the next time, changed or not."""
        self._seen = ()


class UrlSource:
    """A URL: https, or http on this machine."""

    def __init__(self, url: str, authorities: Path | None) -> None:
        """authorities: a file of those that the server's certificate is held against; None: the system's."""
        self._url = url
        self._authorities = authorities
        self._threads = trio.CapacityLimiter(_THREADS_MAX)

    @property
    def name(self) -> str:
        """The URL, without its query: that may hold a key."""
        return self._url.partition("?")[0]

    async def read(self, timeout_s: float) -> bytes:  # noqa: ASYNC109 - the thread has to know it, too
        """Fetch the document."""
        fetch = partial(self._fetch, timeout_s)
        with trio.move_on_after(timeout_s):
            return await trio.to_thread.run_sync(fetch, abandon_on_cancel=True, limiter=self._threads)
        raise SourceError(f"it took longer than {timeout_s:g} s")

    def forget(self) -> None:
        """Nothing is remembered."""

    def _fetch(self, timeout_s: float) -> bytes:
        """Fetch the document, in a thread. urllib and ssl are imported by the first."""
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        ends_at = time.monotonic() + timeout_s
        headers = {"accept": "application/jwk-set+json, application/json", "user-agent": "penstock"}
        try:
            request = Request(self._url, headers=headers)  # noqa: S310 - its scheme was checked with the setting
            with self._opener().open(request, timeout=timeout_s) as response:
                if response.status != 200:
                    raise SourceError(f"it answers {response.status}")
                return _read_within(response, ends_at)
        except HTTPError as error:
            error.close()
            raise SourceError(f"it answers {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise SourceError(f"it cannot be fetched: {type(reason).__name__}: {str(reason).strip()[:200]}") from None

    def _opener(self) -> Any:
        from urllib.request import HTTPSHandler, ProxyHandler, build_opener

        from .redirects import SameHost

        handlers: list[Any] = [SameHost()]
        if self._url.startswith("https:"):
            handlers.append(HTTPSHandler(context=self._context()))
        else:
            handlers.append(ProxyHandler({}))  # this machine is not behind a proxy
        return build_opener(*handlers)

    def _context(self) -> "ssl.SSLContext":
        import ssl

        return ssl.create_default_context(cafile=str(self._authorities) if self._authorities else None)


_TOO_LARGE: Final = f"it is longer than {DOCUMENT_BYTES_MAX} bytes"


def _read_within(response: Any, ends_at: float) -> bytes:
    document = b""
    while piece := response.read1(_PIECE_BYTES):
        document += piece
        if len(document) > DOCUMENT_BYTES_MAX:
            raise SourceError(_TOO_LARGE)
        if time.monotonic() > ends_at:
            raise SourceError("it comes too slowly")
    if response.length:  # what it said to have, less what came
        raise SourceError("it was cut off")
    return document
