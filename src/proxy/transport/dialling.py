"""Dialling services, if there are any to dial: what does it is imported only then, since most gateways are dialled."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import trio

from penstock.settings import Address

if TYPE_CHECKING:
    from proxy.transport.dialled import Dialled


class Dialling:
    """Follows the addresses that the configuration names. ``run`` is the parent of the tasks that dial."""

    def __init__(self, make: Callable[[], "Dialled"], addresses: Iterable[Address]) -> None:
        """make: imports and makes what dials, without addresses."""
        self._make = make
        self._addresses = tuple(addresses)
        self._dialled: Dialled | None = None
        self._nursery: trio.Nursery | None = None

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Return how many addresses and connections there are, and how often one was reached, or not."""
        dialled = self._dialled
        if dialled is None:
            return len(self._addresses), 0, 0, 0
        return len(self._addresses), dialled.connections, dialled.reached, dialled.failures

    def set_addresses(self, addresses: Iterable[Address]) -> None:
        """Dial these from now on, and let go of the others."""
        self._addresses = tuple(addresses)
        if self._nursery is None or (self._dialled is None and not self._addresses):
            return
        if self._dialled is None:
            self._dialled = self._make()
            self._nursery.start_soon(self._dialled.run)
        self._dialled.set_addresses(self._addresses)

    async def run(self) -> None:
        """Keep the connections until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                self.set_addresses(self._addresses)
                await trio.sleep_forever()
            finally:
                self._nursery = None
