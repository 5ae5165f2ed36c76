"""What there is to see, and what it says. Knows no HTTP library: method, path and Accept header become a page."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import trio

from proxy.admin.state import AdminState

JSON: Final = "application/json"


class Page(NamedTuple):
    """An answer: a status, what the body is, the body, and more header fields."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def json_page(status: int, value: Any, *headers: tuple[str, str]) -> Page:
    """A page that is a JSON document, with a line end for those who look at it in a terminal."""
    return Page(status, JSON, msgspec.json.encode(value) + b"\n", headers)


def error_page(status: int, title: str, *headers: tuple[str, str], **more: Any) -> Page:
    """A page that says what went wrong."""
    return json_page(status, {"status": status, "title": title, **more}, *headers)


class Pages:
    """The pages of one gateway."""

    def __init__(self, state: AdminState) -> None:
        self._state = state
        # Metrics are rendered in a thread, since thousands of series would hold up a batch; one at a time.
        self._rendering = trio.CapacityLimiter(1)
        self._pages: dict[str, Callable[[], Page]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/services": self._services,
            "/routes": self._routes,
        }

    async def page(self, method: str, path: str, accept: str = "") -> Page:
        """The page for a request; path is without its query."""
        simple = self._pages.get(path)
        if simple is None and path != "/metrics":
            return error_page(404, "There is no such page.", pages=[*self._pages, "/metrics"])
        if method not in {"GET", "HEAD"}:
            return error_page(405, "Pages are only read here.", ("allow", "GET, HEAD"))
        return await self._metrics(accept) if simple is None else simple()

    def _health(self) -> Page:
        return json_page(200, {"status": "alive"})

    def _ready(self) -> Page:
        reasons = list(self._state.ready())
        if reasons:
            return json_page(503, {"status": "not ready", "reasons": reasons})
        return json_page(200, {"status": "ready", "reasons": []})

    def _services(self) -> Page:
        return json_page(200, {"services": self._state.services()})

    def _routes(self) -> Page:
        return json_page(200, {"routes": self._state.routes()})

    async def _metrics(self, accept: str) -> Page:
        from proxy.admin.metrics import render

        figures = self._state.figures()
        content_type, body = await trio.to_thread.run_sync(
            render, figures, accept, abandon_on_cancel=True, limiter=self._rendering
        )
        return Page(200, content_type, body)
