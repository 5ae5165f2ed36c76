"""Lists of endpoints that are known by their digest, so that a service that comes back need not say its list again.

A list is found only by the service that said it: a digest is no secret, and must give nobody else's paths to a
stranger. Whoever is given a list checks it as if it had been said. What is kept is bounded, the longest unused goes
first.
"""

from collections import OrderedDict
from typing import Final

from frames.greeting import EndpointOffer, endpoints_digest

LISTS_PER_SERVICE_MAX: Final = 8
"""Versions of one service that come and go at the same time; a service cannot push the lists of others out."""

ENDPOINTS_MAX: Final = 65_536
"""Endpoints of all lists together: as many as the gateway can have routes. About 200 bytes each."""

EndpointList = tuple[EndpointOffer, ...]


class KnownLists:
    """The lists that services have registered, by service and digest."""

    def __init__(self, endpoints_max: int = ENDPOINTS_MAX) -> None:
        """Begin empty. endpoints_max: of all lists together."""
        self._endpoints_max = endpoints_max
        self._lists: OrderedDict[tuple[str, str], EndpointList] = OrderedDict()  # the longest unused first
        self._endpoints = 0

    def __len__(self) -> int:
        """How many lists are kept."""
        return len(self._lists)

    def keep(self, service: str, endpoints: EndpointList) -> None:
        """Keep a list that was registered."""
        key = (service, endpoints_digest(endpoints))
        if key in self._lists:
            self._lists.move_to_end(key)
            return
        self._lists[key] = endpoints
        self._endpoints += len(endpoints)
        self._forget_others(service)

    def find(self, service: str, digest: str) -> EndpointList | None:
        """Return the list that this service has said before under this digest, or None."""
        known = self._lists.get((service, digest))
        if known is not None:
            self._lists.move_to_end((service, digest))
        return known

    def _forget_others(self, service: str) -> None:
        """Let go what is too much: first of this service, then of all."""
        own = [key for key in self._lists if key[0] == service]
        for key in own[:-LISTS_PER_SERVICE_MAX]:
            self._forget(key)
        while self._endpoints > self._endpoints_max and len(self._lists) > 1:
            self._forget(next(iter(self._lists)))

    def _forget(self, key: tuple[str, str]) -> None:
        self._endpoints -= len(self._lists.pop(key))
