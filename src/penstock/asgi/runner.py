"""Where an application runs: on Trio, in the tasks of the service itself, or in an asyncio loop of its own."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import trio

from penstock.answer import problem_answer
from penstock.asgi.http import HttpExchange
from penstock.asgi.lifespan import Lifespan, LifespanUse
from penstock.asgi.messages import Application, Receive, Scope, Send
from penstock.asgi.port import TrioPort
from penstock.asgi.scope import make_scope
from penstock.streaming import StreamCall
from penstock.turn import log_failure

if TYPE_CHECKING:
    from penstock.asgi.socket_port import TrioSocketPort
    from penstock.asgi.sockets import SocketExchange

__all__ = ["Loop", "TrioRunner"]

log = logging.getLogger("penstock.asgi")

Loop = Literal["trio", "asyncio", "uvloop"]


class TrioRunner:
    """Runs an application in the service's own tasks. Most requests are answered without one switch of tasks."""

    def __init__(self, app: Application, *, root_path: str, lifespan: LifespanUse) -> None:
        """Take the application."""
        self._app = app
        self._root_path = root_path
        self._lifespan = lifespan
        self._state: Mapping[str, Any] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the application, and end it after the block. Raises `StartupError`."""
        if self._lifespan == "off":
            yield
            return
        lifespan = Lifespan(self._app, self._lifespan, trio.Event)
        self._state = lifespan.state
        raised: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lifespan.run)
            try:
                await lifespan.wait_started()
                yield
            except Exception as error:  # it goes on alone, and not in the nursery's group
                raised = error
            await lifespan.stop()
        if raised is not None:
            raise raised

    async def handle(self, call: StreamCall) -> None:
        """Answer a call."""
        if not call.is_whole and call.upgrade == "websocket":
            return await self._handle_socket(call)
        body = call.body if call.is_whole else None
        exchange = HttpExchange(TrioPort(call), body, is_head_request=call.method == "HEAD")
        scope = make_scope(call, self._root_path, self._state)
        error = await self._call(scope, exchange.receive, exchange.send)
        if error is not None:
            end_failed(call, exchange, error)
        elif not exchange.is_over:
            end_unfinished(call, exchange)
        return None

    async def _handle_socket(self, call: StreamCall) -> None:
        from penstock.asgi.socket_port import TrioSocketPort
        from penstock.asgi.sockets import SocketExchange

        port = TrioSocketPort(call)
        if not port.agree():
            return
        exchange = SocketExchange(port)
        scope = make_scope(call, self._root_path, self._state, is_socket=True)
        error = await self._call(scope, exchange.receive, exchange.send)
        await end_socket(call, exchange, port, error)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> Exception | None:
        """Call the application, and return what it raised."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            return error
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if cancelled is None:
                raise
            if rest is not None:  # it must not end all that runs beside it
                log.info("the application failed while it was cancelled", exc_info=rest)
            raise cancelled from None
        return None


async def end_socket(
    call: StreamCall, exchange: "SocketExchange", port: "TrioSocketPort", error: Exception | None
) -> None:
    """The application has returned, or raised: close what is open, answer what is not, 1011 and 500 for an error."""
    if error is not None and not (call.is_gone or exchange.is_over):
        log_failure(call, "the application failed" + _hint(error), error)
    if exchange.is_accepted:
        await port.close(1000 if error is None else 1011, "")
    elif not call.has_begun:
        if error is None:
            log_failure(call, "the application returned without accepting or closing the WebSocket", None)
        port.fail()


def end_failed(call: StreamCall, exchange: HttpExchange, error: Exception) -> None:
    """The application raised: 500 if nothing of its answer is out, else a body that is cut off."""
    if call.is_gone:
        log.debug("the application ended after its client had gone", exc_info=error)
        return
    if exchange.is_over:
        log_failure(call, "the application failed after its answer", error)
        return
    log_failure(call, "the application failed" + _hint(error), error)
    _end(call, exchange, "handler_error")


def end_unfinished(call: StreamCall, exchange: HttpExchange) -> None:
    """The application returned, and its answer has not ended."""
    if call.is_gone:
        return
    what = "the end of its answer" if exchange.has_started else "an answer"
    log_failure(call, f"the application returned without {what}", None)
    _end(call, exchange, "bad_answer")


def _end(call: StreamCall, exchange: HttpExchange, reason: str) -> None:
    if exchange.has_begun:
        call.abort()
    else:
        call.answer(problem_answer(call, 500, reason))


def _hint(error: Exception) -> str:
    if isinstance(error, RuntimeError) and "no running event loop" in str(error):
        return ": it wants asyncio, and runs on Trio; start it with --loop asyncio"
    return ""
