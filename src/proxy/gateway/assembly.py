"""Assembly: routes, made of what the services have registered and of what the configuration says of it.

What changes is made again, and nothing else: an instance that comes or goes touches the routes that it offers. When the
configuration changes, every route is made again, beside the traffic, and then all of them are swapped at once.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import trio

from proxy.gateway.service_groups import ServiceGroups
from proxy.gateway.terms import Registered, Terms
from proxy.request.snapshot import Snapshot
from proxy.route.hosts import HostTables, HostTablesBuilder
from proxy.route.table import Route, RouteTable
from proxy.targets.instance import RegisteredRoute, RouteKey

SLICE_S = 0.001
"""Of making routes, between two looks at what other tasks want: as long as `frames.wire` goes on without one."""


LET_GO: Final = 256
"""Routes that are freed in one go, which takes a fraction of a millisecond."""


class RouteIndexes:
    """Gives each route the index of its counters, and the same one again when it comes back.

    The index of a route that is gone is given away only when all others are taken; the longest gone goes first.
    """

    def __init__(self, count_max: int) -> None:
        """Begin with no route. count_max: how many indexes there are; there must not be more routes at once."""
        self._count_max = count_max
        self._present: dict[RouteKey, int] = {}
        self._gone: dict[RouteKey, int] = {}
        self.keys: dict[int, RouteKey] = {}
        """By index: the route that has it, or had it last."""

    def enter(self, key: RouteKey) -> tuple[int, bool]:
        """Return the index of a route that is there now, and whether it was another route's before."""
        index = self._present.get(key)
        if index is not None:
            return index, False
        index, is_reused = self._gone.pop(key, None), False
        if index is None:
            index, is_reused = self._free_index()
        self._present[key] = index
        self.keys[index] = key
        return index, is_reused

    def leave(self, key: RouteKey) -> None:
        """Note that a route is gone. Unknown ones are ignored."""
        index = self._present.pop(key, None)
        if index is not None:
            self._gone[key] = index

    def _free_index(self) -> tuple[int, bool]:
        used = len(self._present) + len(self._gone)
        if used < self._count_max:
            return used, False
        return self._gone.pop(next(iter(self._gone))), True


class Assembly:
    """Keeps the routes in step with registry and configuration. ``snapshot`` is another one after each change."""

    def __init__(
        self,
        terms: Terms,
        routes_max: int,
        *,
        reset: Callable[[int], object],
        set_group: Callable[[int, int], object] = lambda route, group: None,
    ) -> None:
        """Begin without routes.

        reset: zeroes the counts of an index that is given to another route; set_group: lets an index count for a
        service (`ServiceGroups`).
        """
        self.groups = ServiceGroups(set_group)
        self._terms = terms
        self._indexes = RouteIndexes(routes_max)
        self._reset = reset
        self._routes: dict[RouteKey, Route] = {}
        self._late: set[RouteKey] | None = None
        self._tables = HostTables(terms.hosts)
        self.snapshot = self._snapshot(0)
        if terms.fanouts:
            self.change({}, terms.fanouts)

    def key(self, index: int) -> RouteKey | None:
        """Return which route has an index, or had it last."""
        return self._indexes.keys.get(index)

    def route(self, key: RouteKey) -> Route | None:
        """Return a route as it is now."""
        return self._routes.get(key)

    def change(self, registered: Registered, touched: Iterable[RouteKey]) -> None:
        """Take in that these routes have come, gone, or changed."""
        registered = self._terms.with_fanouts(registered)
        keys = dict.fromkeys(touched)
        if self._late is not None:
            self._late.update(keys)  # what is being made again may have seen them as they were
        removed = self._leave(key for key in keys if key not in registered)
        made = {key: self._make(key, registered[key], self._terms) for key in keys if key in registered}
        self._routes |= made
        self._tables = self._tables.changed(made.values(), removed)
        self.snapshot = self._snapshot(self.snapshot.revision + 1)

    async def replace(
        self, terms: Terms, registered: Callable[[], Registered], swapped: Callable[[], None] = lambda: None
    ) -> None:
        """Make every route again by other terms, in small steps; then swap all of them.

        registered: what is now; swapped: called when that was done, before anything else runs.
        """
        self._late = set()
        try:
            with _without_collecting():
                made, builder = await self._make_all(terms, terms.with_fanouts(registered()))
            while self._late:
                late, self._late = self._late, set()
                self._make_late(terms, terms.with_fanouts(registered()), late, made, builder)
        except BaseException:
            self._leave_fanouts(terms, self._routes)
            raise
        finally:
            self._late = None
        self._leave_fanouts(self._terms, made)
        before = list(self._routes.values())
        self._terms, self._routes, self._tables = terms, made, builder.build()
        self.snapshot = self._snapshot(self.snapshot.revision + 1)
        swapped()
        await _let_go(before)

    async def _make_all(self, terms: Terms, registered: Registered) -> tuple[dict[RouteKey, Route], HostTablesBuilder]:
        made: dict[RouteKey, Route] = {}
        builder = HostTablesBuilder(terms.hosts)
        yields_at = trio.current_time() + SLICE_S
        for key, route in registered.items():
            made[key] = self._make(key, route, terms)
            builder.put(made[key])
            if trio.current_time() > yields_at:
                _set_aside()
                await trio.lowlevel.checkpoint()
                yields_at = trio.current_time() + SLICE_S
        return made, builder

    def _make_late(
        self,
        terms: Terms,
        registered: Registered,
        late: Iterable[RouteKey],
        made: dict[RouteKey, Route],
        builder: HostTablesBuilder,
    ) -> None:
        """Take in what has changed while the others were made."""
        for key in late:
            before = made.pop(key, None)
            there = registered.get(key)
            if there is not None:
                made[key] = self._make(key, there, terms)
                builder.put(made[key])
            elif before is not None:
                builder.remove(before)

    def _leave_fanouts(self, terms: Terms, routes: Mapping[RouteKey, Route]) -> None:
        """Give back the indexes of routes that only other terms know."""
        for key in terms.fanouts:
            if key not in routes:
                self._indexes.leave(key)

    def _leave(self, keys: Iterable[RouteKey]) -> list[Route]:
        """Forget routes that are gone; return those that there were."""
        gone = []
        for key in keys:
            self._indexes.leave(key)
            gone.append(self._routes.pop(key, None))
        return [route for route in gone if route is not None]

    def _make(self, key: RouteKey, registered: RegisteredRoute, terms: Terms) -> Route:
        index, is_reused = self._indexes.enter(key)
        if is_reused:
            self._reset(index)
        route = terms.route(index, registered)
        route.group = self.groups.enter(index, registered.service)
        return route

    def _snapshot(self, revision: int) -> Snapshot:
        tables = self._tables
        return Snapshot(tables.sole or RouteTable(), self._terms.limits, revision, tables)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Put off the collection of garbage, which would look at everything that was made so far, again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
        _set_aside()
    finally:
        if collects:
            gc.enable()


def _set_aside() -> None:
    """Collect what has become garbage in this slice, and have what is left never looked at again: it lives long."""
    gc.collect(0)
    gc.freeze()


async def _let_go(routes: list[Route]) -> None:
    """Free routes that nobody asks for any more, some at a time: to free ten thousand takes ten milliseconds."""
    while routes:
        del routes[-LET_GO:]
        await trio.lowlevel.checkpoint()
