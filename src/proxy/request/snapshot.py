"""The snapshot: routes and limits as one immutable value, swapped whole.

An exchange keeps the snapshot that it began with. So no request sees half of a change, and nothing is locked.
"""

import msgspec

from proxy.route.hosts import HostRules, HostTables
from proxy.route.table import Route, RouteTable


class Limits(msgspec.Struct, frozen=True):
    """What every exchange is held to, unless its route is stricter."""

    deadline_ms: int = 10_000
    deadline_ms_max: int = 30_000


_NO_HOSTS = HostTables(HostRules())


class Snapshot(msgspec.Struct, frozen=True):
    """All that the stages look things up in. ``revision`` rises with every change."""

    table: RouteTable
    """Of every host; without routes where there are tables by host."""
    limits: Limits
    revision: int = 0
    tables: HostTables = _NO_HOSTS
    """By host, where the configuration has rules for hosts."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, once."""
        return self.tables.routes if self.tables.rules else self.table.routes
