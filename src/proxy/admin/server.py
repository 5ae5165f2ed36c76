"""The admin listener: a bounded number of connections, each of them harmless."""

import logging
import socket
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from proxy.admin.pages import Pages
    from proxy.admin.state import AdminState

CONNECTIONS_MAX: Final = 64
"""Monitoring and a few people. Above, a connection waits in the listener's backlog until another ends."""

_log = logging.getLogger("penstock.admin")


class _BoundedListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts while there is a free slot. Whoever is done with a stream gives its slot back."""

    def __init__(self, listener: trio.SocketListener, slots: trio.Semaphore) -> None:
        self._listener = listener
        self._slots = slots

    async def accept(self) -> trio.SocketStream:
        await self._slots.acquire()
        try:
            return await self._listener.accept()
        except BaseException:
            self._slots.release()
            raise

    async def aclose(self) -> None:
        await self._listener.aclose()


async def serve_admin(
    listener: socket.socket,
    state: "Callable[[], AdminState]",
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """
    Serves the admin pages until cancelled. listener: bound and listening, non-blocking or not; state: what they are
    made from, asked once, with the first connection: pages are loaded by then.

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
        await nursery.start(trio.serve_listeners, handle, [bounded])
        task_status.started()
