"""Which workers of a gateway are to be dialled, by what their connections say (docs/protocol.md, section 5).

A worker is wanted while a list has it and no connection leads to it. A list holds as long as its connection, and only
until its worker says that it goes away. One that is not in its own list is about to: nobody tells it of others any
more, so its list counts only while there is no better one. Without any connection, the gateway is sought where its
operator says.
"""

from collections.abc import Iterable
from typing import NamedTuple

from frames.greeting import WorkerPlace

__all__ = ["Place", "WorkerPlaces"]


class Place(NamedTuple):
    """Where a worker takes services."""

    worker: str
    host: str
    port: int


class _Said(NamedTuple):
    """What came over one connection."""

    worker: str | None
    places: tuple[Place, ...]

    @property
    def is_staying(self) -> bool:
        """Whether its worker counts itself among those to be connected to."""
        return any(place.worker == self.worker for place in self.places)


class WorkerPlaces:
    """The connections to one gateway, and what they say of its workers. Pure."""

    def __init__(self) -> None:
        """Begin without connections."""
        self._said: dict[int, _Said] = {}

    def told(self, connection: int, host: str, worker: str | None, workers: Iterable[WorkerPlace]) -> None:
        """Note what a WELCOME says. host: the address that the connection was made to; worker: to which it leads.

        None: to a gateway of one process, or to one that knows of no workers.
        """
        places = tuple(Place(each.id, each.host or host, each.port) for each in workers) if worker else ()
        self._said[connection] = _Said(worker, places)

    def going(self, connection: int) -> None:
        """Note that GOAWAY has come. A worker is as good as gone; a gateway of one process is when its end has come."""
        said = self._said.get(connection)
        if said is not None and said.worker is not None:
            del self._said[connection]

    def ended(self, connection: int) -> None:
        """Note that a connection has ended."""
        self._said.pop(connection, None)

    @property
    def listed(self) -> dict[str, Place]:
        """The workers of all lists that count, by id."""
        staying = [said for said in self._said.values() if said.is_staying]
        places: dict[str, Place] = {}
        for said in staying or self._said.values():
            for place in said.places:
                places.setdefault(place.worker, place)
        return places

    @property
    def wanted(self) -> set[Place | None]:
        """Where is to be dialled. None: the gateway, wherever it is."""
        if not self._said:
            return {None}
        reached = {said.worker for said in self._said.values()}
        return {place for worker, place in self.listed.items() if worker not in reached}
