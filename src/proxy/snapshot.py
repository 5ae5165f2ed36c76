"""The snapshot: routes and limits as one immutable value, swapped whole.

An exchange keeps the snapshot that it began with. So no request sees half of a change, and nothing is locked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.offer import Offer
from proxy.route.table import Route, RouteTable
from proxy.targets.instance import RegisteredRoute, RouteKey


@dataclass(frozen=True, slots=True)
class Limits:
    """What every exchange is held to, unless its route is stricter."""

    deadline_ms: int = 10_000
    deadline_ms_max: int = 30_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the stages look things up in. ``revision`` rises with every change."""

    table: RouteTable
    limits: Limits
    revision: int = 0


class RouteIndexes:
    """Gives each route the index of its counters, and the same one again when it comes back.

    The index of a route that is gone is given away only when all others are taken; the longest gone goes first.
    """

    def __init__(self, count_max: int) -> None:
        """Begin with no route. count_max: how many indexes there are."""
        self._count_max = count_max
        self._given = 0
        self._indexes: dict[RouteKey, int] = {}

    def assign(self, keys: Iterable[RouteKey]) -> tuple[dict[RouteKey, int], list[int]]:
        """Return the index of each key, and the indexes that were taken from routes that are gone.

        There must not be more keys than indexes; the registry sees to that.
        """
        wanted = list(keys)
        present = set(wanted)
        reused: list[int] = []
        for key in wanted:
            index = self._indexes.pop(key, None)
            if index is None:
                index = self._free_index(present, reused)
            self._indexes[key] = index  # at the end: the front is what was not wanted for longest
        return {key: self._indexes[key] for key in wanted}, reused

    def _free_index(self, present: set[RouteKey], reused: list[int]) -> int:
        if self._given < self._count_max:
            self._given += 1
            return self._given - 1
        gone = next(key for key in self._indexes if key not in present)
        index = self._indexes.pop(gone)
        reused.append(index)
        return index


def make_snapshot(
    registered: Mapping[RouteKey, RegisteredRoute], indexes: Mapping[RouteKey, int], limits: Limits, revision: int
) -> Snapshot:
    """Return the snapshot for what the services have registered."""
    routes = [
        Route(
            index=indexes[key],
            method=route.method,
            template=route.path,
            offers=route.offers,
            deadline_ms=_route_deadline_ms(route.offers, limits),
        )
        for key, route in sorted(registered.items(), key=_place)
    ]
    return Snapshot(RouteTable(routes), limits, revision)


def _place(entry: tuple[RouteKey, RegisteredRoute]) -> tuple[str, int]:
    """Return where a route stands: by path, so that people find it and metrics keep their order."""
    _, route = entry
    return route.path, route.method


def _route_deadline_ms(offers: tuple[Offer, ...], limits: Limits) -> int:
    """Return what the services say, the strictest first, or the default; never more than the edge allows."""
    said = [offer.deadline_ms for offer in offers if offer.deadline_ms is not None]
    return min([*said, limits.deadline_ms_max]) if said else limits.deadline_ms
