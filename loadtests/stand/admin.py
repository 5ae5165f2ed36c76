"""The gateway's admin pages, asked by a program that waits for them: run it in a thread."""

import http.client
import json
from typing import Any, Final

from loadtests.order import Address

TIMEOUT_S: Final = 3.0


class AdminError(Exception):
    """A page could not be had. Its text is one line."""


class Admin:
    """Asks one page after the other, each by a connection of its own, so that none is counted as at rest or not."""

    def __init__(self, address: Address, token: str = "") -> None:
        """token: shown where one is needed."""
        self._address = address
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
        """Return status and body. Raises `AdminError` where there is no answer."""
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=timeout_s)
        try:
            connection.request(method, path, headers={**self._headers, "connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            raise AdminError(f"{method} {path} at the admin listener {self._address} has no answer: {said}") from error
        finally:
            connection.close()

    def page(self, path: str) -> bytes:
        """Return a page. Raises `AdminError` where it is not given."""
        status, body = self.ask("GET", path)
        if status != 200:
            raise AdminError(f"GET {path} at the admin listener {self._address} says {status}: {shown(body)}")
        return body

    def json(self, path: str) -> Any:
        """Return a page of JSON. Raises `AdminError`."""
        try:
            return json.loads(self.page(path))
        except ValueError as error:
            raise AdminError(f"GET {path} at the admin listener {self._address} is no JSON") from error

    def is_ready(self) -> bool:
        """Whether requests can be served now."""
        try:
            return self.ask("GET", "/ready")[0] == 200
        except AdminError:
            return False


def shown(body: bytes) -> str:
    """Return the beginning of a page on one line."""
    return " ".join(body[:300].decode("utf-8", "replace").split())
