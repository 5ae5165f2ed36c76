"""Departures: clients that leave while nobody reads their socket, since their service takes no more of what they send.

Trio tells when a socket is readable, and such a one always is. So these are watched by an epoll of their own, for
nothing but their end. A client that has closed, even if only its own direction, is taken to be gone, as in the wire;
but not in a tunnel.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

import trio

_BOTH: Final = select.EPOLLONESHOT
"""EPOLLHUP and EPOLLERR come unasked: both directions have ended, or there was a reset."""
_EITHER: Final = select.EPOLLONESHOT | select.EPOLLRDHUP


class Departures:
    """Watches sockets for their end. ``run`` must run meanwhile."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[], None]] = {}

    def __len__(self) -> int:
        """How many are watched."""
        return len(self._calls)

    @contextmanager
    def calling(self, descriptor: int, call: Callable[[], None], *, may_end: bool = False) -> Iterator[None]:
        """Call this, once, if the client leaves within the block. The descriptor must stay open as long.

        may_end: its own direction may end, as one of a tunnel may, and that is no departure.
        """
        self._calls[descriptor] = call
        self._epoll.register(descriptor, _BOTH if may_end else _EITHER)
        try:
            yield
        finally:
            del self._calls[descriptor]
            with suppress(OSError, ValueError):  # closed with all the others, or this is
                self._epoll.unregister(descriptor)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for descriptor, _ in self._epoll.poll(0):
                    if descriptor in self._calls:
                        self._calls[descriptor]()
        finally:
            self._epoll.close()
