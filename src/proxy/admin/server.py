"""The admin listener: a bounded number of connections, each of them harmless."""

import errno
import logging
import socket
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import trio

from penstock.telemetry.occasional import Occasional

if TYPE_CHECKING:
    from proxy.admin.pages import Pages
    from proxy.admin.state import AdminState

CONNECTIONS_MAX: Final = 64
"""Monitoring and a few people. Above, a connection waits in the listener's backlog until another ends."""

PAUSE_S: Final = 0.1
"""Until accepting is tried again, where descriptors or memory are short."""

_SHORT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger("penstock.admin")


class _BoundedListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts while there is a free slot. Whoever is done with a stream gives its slot back."""

    def __init__(self, listener: trio.SocketListener, slots: trio.Semaphore) -> None:
        self._listener = listener
        self._slots = slots
        self._failed = Occasional()

    async def accept(self) -> trio.SocketStream:
        while True:
            await self._slots.acquire()
            try:
                return await self._listener.accept()
            except BaseException as error:  # noqa: ASYNC103 - raised on but for one kind, which is no cancellation
                self._slots.release()
                if not isinstance(error, OSError) or error.errno not in _SHORT:
                    raise
                held_back = self._failed.held_back(error.errno)
                if held_back is not None:
                    _log.error("an admin connection cannot be accepted: %s (%d more)", error.strerror, held_back)
            await trio.sleep(PAUSE_S)

    async def aclose(self) -> None:
        await self._listener.aclose()


async def serve_admin(
    listener: socket.socket,
    state: "Callable[[], AdminState]",
    *,
    connections: trio.Nursery | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """
    Serves the admin pages until cancelled. listener: bound and listening, non-blocking or not; state: what they are
    made from, asked once, with the first connection: pages are loaded by then. connections: where they are served, if
    they may go on for a while when this has been cancelled.

    Resource handling: takes the listener over, and closes it and every connection in the end.
    Error handling: what fails in one connection is logged and ends that connection alone.
    """
    listener.setblocking(False)
    slots = trio.Semaphore(CONNECTIONS_MAX)

    @cache
    def pages() -> "Pages":
        from proxy.admin.pages import Pages

        return Pages(state())

    async def handle(stream: trio.SocketStream) -> None:
        from proxy.admin.connection import serve_connection  # loads h11, which nothing else here needs

        try:
            await serve_connection(stream, pages())
        except Exception:
            _log.exception("an admin connection failed")
        finally:
            await trio.aclose_forcefully(stream)  # before its slot is free, so that the bound is one of descriptors
            slots.release()

    bounded = _BoundedListener(trio.SocketListener(trio.socket.from_stdlib_socket(listener)), slots)
    async with bounded, trio.open_nursery() as nursery:
        serve = partial(trio.serve_listeners, handle, [bounded], handler_nursery=connections)
        await nursery.start(serve)
        task_status.started()
