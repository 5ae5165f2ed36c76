"""Of service: the routes of one service alone, in which the paths of services that call it are looked up.

Hosts do not matter here, nor do other services' routes of higher precedence. A service's table is made when it is first
called, and follows the snapshot when it is called again: only what is another route there is changed in it.
"""

from proxy.request.snapshot import Snapshot
from proxy.route.table import Route, RouteTable


class ServiceTables:
    """The tables of the services that are called."""

    def __init__(self) -> None:
        """Begin with none."""
        self._tables: dict[str, RouteTable] = {}
        self._snapshot: Snapshot | None = None
        self._current: dict[str, RouteTable | None] = {}

    def table(self, service: str, snapshot: Snapshot) -> RouteTable | None:
        """Return the routes of a service as a snapshot has them; None when it has none."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._current = {}
        if service not in self._current:
            self._current[service] = self._follow(service, snapshot)
        return self._current[service]

    def _follow(self, service: str, snapshot: Snapshot) -> RouteTable | None:
        former = self._tables.get(service, RouteTable())
        now = {route.index: route for route in snapshot.routes if route.service == service}
        before = {route.index: route for route in former.routes}
        gone = [route for index, route in before.items() if not _is_same_place(route, now.get(index))]
        changed = [route for index, route in now.items() if before.get(index) is not route]
        table = former.changed(changed, gone) if changed or gone else former
        self._tables[service] = table
        return table if now else None


def _is_same_place(before: Route, after: Route | None) -> bool:
    return after is not None and (before.method, before.template) == (after.method, after.template)
