"""The HTTP session to a collector: it is somebody else's process, and may be slow, broken, or not what it seems.

Of an answer only the status is wanted. Of its body at most 64 KiB are read, undecoded, and not beyond the time of the
request; redirects are not followed, since the request may carry keys.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import requests

BODY_BYTES_MAX: Final = 65_536
_PIECE_BYTES: Final = 8_192
_TIMEOUT_S: Final = 10.0
_REDIRECT, _CLIENT_ERROR = 300, 400


class CollectorSession(requests.Session):
    """A session for one exporter. trouble: why the last request did not succeed, empty where it did."""

    def __init__(self, before_sending: Callable[[], None]) -> None:
        """before_sending: called when a request is made whole, and only the network is waited for."""
        super().__init__()
        self.trouble = ""
        self._before_sending = before_sending

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Send a request, and return its answer without a body."""
        self._before_sending()
        options.setdefault("verify", self.verify)  # else REQUESTS_CA_BUNDLE would count for more than our own variable
        timeout_s = options.get("timeout") or _TIMEOUT_S
        ends_at = time.monotonic() + timeout_s
        try:
            response = super().request(*args, **{**options, "stream": True, "allow_redirects": False})
            with response:
                _drain(response, ends_at)
            if _REDIRECT <= response.status_code < _CLIENT_ERROR:
                raise requests.TooManyRedirects(f"it answered {response.status_code}, and redirects are not followed")
        except requests.RequestException as error:
            self.trouble = _words(error, timeout_s)
            raise
        self.trouble = "" if response.ok else f"it answered {response.status_code}"
        return response


def _drain(response: requests.Response, ends_at: float) -> None:
    """Read the body, so that the connection can be used again; what is too long or too slow costs the connection."""
    left = BODY_BYTES_MAX
    while left > 0 and time.monotonic() < ends_at:
        piece = response.raw.read1(min(_PIECE_BYTES, left), decode_content=False)
        if not piece:
            break
        left -= len(piece)
    response._content = b""  # whoever asks for it is told that it was empty


def _words(error: requests.RequestException, timeout_s: float) -> str:
    """Say what went wrong, without what the collector has said."""
    if isinstance(error, requests.TooManyRedirects):
        return str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate or its TLS is not what it should be"
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {timeout_s:.0f} s"
    if isinstance(error, requests.Timeout):
        return f"no answer within {timeout_s:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it was lost"
    return f"the request failed ({type(error).__name__})"
