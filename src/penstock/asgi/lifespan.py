"""The lifespan of an application: it starts before the service is offered to a gateway, and ends after the last call.

An application that raises when it is asked about its lifespan has none (ASGI lifespan 2.0), unless one is wanted.
"""

import logging
from collections.abc import Callable
from typing import Any, Literal

from penstock.asgi.messages import Application, AsgiError, Message, StartupError

__all__ = ["Lifespan", "LifespanUse"]

log = logging.getLogger("penstock.asgi")

LifespanUse = Literal["auto", "on", "off"]


class Lifespan:
    """One start and one end of an application, in the loop that it runs in: all of it happens in one task, `run`."""

    def __init__(self, app: Application, use: LifespanUse, make_event: Callable[[], Any]) -> None:
        """make_event: `trio.Event` or `asyncio.Event`, whichever belongs to the loop."""
        self.state: dict[str, Any] = {}
        """What the application has put there; each request has a copy."""
        self._app = app
        self._use = use
        self._asked = False
        self._started = make_event()
        self._stop = make_event()
        self._ended = make_event()
        self._failure: str | None = None
        self._is_supported = True

    async def run(self) -> None:
        """Call the application, until it has ended."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            self._take_failure(error)
        finally:
            self._started.set()
            self._ended.set()

    async def wait_started(self) -> None:
        """Wait until the application is ready. Raises `StartupError`."""
        await self._started.wait()
        if self._failure is not None:
            raise StartupError(f"the application failed to start: {self._failure}")

    async def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        self._stop.set()
        await self._ended.wait()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self._failure = _last_line(message.get("message", "")) or "it does not say why; see its log"
            self._started.set()
        elif kind == "lifespan.shutdown.complete":
            self._ended.set()
        elif kind == "lifespan.shutdown.failed":
            level = logging.ERROR if self._stop.is_set() else logging.DEBUG  # unasked: it was cancelled
            log.log(level, "the application failed to shut down: %s", _last_line(message.get("message", "")))
            self._ended.set()
        else:
            raise AsgiError(f"{kind!r} was sent where a message of the lifespan is expected")

    def _take_failure(self, error: Exception) -> None:
        if self._failure is not None:
            return  # it was told by a message
        if self._started.is_set():
            log.error("the application's lifespan failed", exc_info=error)
        elif self._use == "on":
            self._failure = f"{type(error).__name__}: {error}"
            log.error("the application's lifespan failed", exc_info=error)
        else:
            self._is_supported = False
            log.info("the application has no lifespan (%s)", type(error).__name__)


def _last_line(text: str) -> str:
    """Return what a traceback ends with: it says what has happened."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
