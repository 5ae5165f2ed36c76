"""Host rules: which services a host has, so that several sites can live behind one gateway.

    api.example.com   this host
    *.example.com     every host below it, at any depth; not example.com itself
    *                 every host

The exact host wins, then the longest `*.` pattern, then `*`. Each host has the services of one pattern, and no others.
Case, port and a trailing dot do not count. Without any rule there is one table for all, and no host is looked at.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from frames.template import quoted
from proxy.route.table import Route, RouteError, RouteTable, TableBuilder

HOST_BYTES_MAX: Final = 254
"""Of a DNS name with its trailing dot (RFC 1035, section 2.3.4): what is longer is nobody's."""

_ANY: Final = "*"
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PATTERN = re.compile(rf"\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]")


class HostRules:
    """The services of each host pattern. False when there are none."""

    __slots__ = ("_services",)

    def __init__(self, services: Mapping[str, Iterable[str]] | None = None) -> None:
        """Take services by pattern. RouteError for a pattern that is none, or that is there twice."""
        self._services: dict[str, frozenset[str]] = {}
        for written, names in (services or {}).items():
            pattern = written.lower().removesuffix(".")
            if len(pattern) >= HOST_BYTES_MAX or not _PATTERN.fullmatch(pattern):
                raise RouteError(
                    f"{quoted(written)} is no host pattern: write a host without its port, *.example.com or *"
                )
            if pattern in self._services:
                raise RouteError(f"the host pattern {quoted(written)} is there twice: give all its services in one")
            self._services[pattern] = frozenset(names)

    def __bool__(self) -> bool:
        """Whether hosts are looked at."""
        return bool(self._services)

    def __iter__(self) -> Iterator[str]:
        """Yield the patterns."""
        return iter(self._services)

    def patterns_of(self, service: str) -> tuple[str, ...]:
        """Return the patterns by which a service is reached: `*` alone when there are no rules."""
        if not self._services:
            return (_ANY,)
        return tuple(pattern for pattern, services in self._services.items() if service in services)

    def unlisted(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those of the services that no host reaches."""
        return tuple(service for service in services if not self.patterns_of(service))


def services_overlap(rules: HostRules, one: str, other: str) -> bool:
    """Whether some host reaches both services, so that a path can belong to one of them only."""
    return not set(rules.patterns_of(one)).isdisjoint(rules.patterns_of(other))


class HostTables:
    """One route table for each host pattern, as one immutable value."""

    __slots__ = ("_any", "_below", "_exact", "_tables", "rules", "sole")

    rules: HostRules
    sole: RouteTable | None
    """The one table, where there are no rules."""

    def __init__(self, rules: HostRules, routes: Iterable[Route] = ()) -> None:
        """Put routes under the hosts of their services. RouteError as for one table."""
        builder = HostTablesBuilder(rules)
        for route in routes:
            builder.add(route)
        self._take(rules, builder.hand_over())

    def _take(self, rules: HostRules, tables: dict[str, RouteTable]) -> None:
        self.rules, self._tables = rules, tables
        self.sole = None if rules else tables[_ANY]
        self._any = tables.get(_ANY)
        self._exact = {pattern.encode(): table for pattern, table in tables.items() if pattern[0] not in "* "}
        self._below = {pattern[2:].encode(): table for pattern, table in tables.items() if pattern.startswith("*.")}

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route once, those that no host reaches too."""
        return tuple({route.index: route for table in self._tables.values() for route in table.routes}.values())

    def table(self, host: bytes) -> RouteTable | None:
        """Return the table for what Host says, or None for a host that is nobody's."""
        table = self._exact.get(host)
        if table is not None:
            return table
        name = host_name(host)
        table = self._exact.get(name)
        if table is None and self._below:
            table = self._table_below(name)
        return table or self._any

    def _table_below(self, name: bytes) -> RouteTable | None:
        if len(name) > HOST_BYTES_MAX:
            return None
        dot = name.find(b".", 1)  # something stands before it
        while dot >= 0:
            table = self._below.get(name[dot + 1 :])
            if table is not None:
                return table
            dot = name.find(b".", dot + 1)
        return None

    def changed(self, added_or_replaced: Iterable[Route], removed: Iterable[Route] = ()) -> "HostTables":
        """Return tables with these routes and without those, as `RouteTable.changed`; other tables are shared."""
        builder = HostTablesBuilder(self.rules, self)
        for route in removed:
            builder.remove(route)
        for route in added_or_replaced:
            builder.put(route)
        return builder.build()


class HostTablesBuilder:
    """Makes the tables route by route, as `TableBuilder` does one."""

    def __init__(self, rules: HostRules, base: HostTables | None = None) -> None:
        """Begin with tables of the same rules, which are left as they are, or with no route."""
        self._rules = rules
        self._tables = dict(base._tables) if base else dict.fromkeys(rules if rules else (_ANY,), RouteTable())
        self._builders: dict[str, TableBuilder] = {}

    def add(self, route: Route) -> None:
        """Add a route under the hosts of its service. RouteError where one of its method and shape is there."""
        for builder in self._builders_for(route):
            builder.add(route)

    def put(self, route: Route) -> None:
        """Add a route, or replace the one of its method, shape and service."""
        for builder in self._builders_for(route):
            builder.put(route)

    def remove(self, route: Route) -> None:
        """Take out the route of this one's method, shape and service. RouteError where there is none."""
        for builder in self._builders_for(route):
            builder.remove(route)

    def build(self) -> HostTables:
        """Return the tables. The builder is used up by that."""
        tables = HostTables.__new__(HostTables)
        tables._take(self._rules, self.hand_over())
        return tables

    def hand_over(self) -> dict[str, RouteTable]:
        """Return the table of each pattern."""
        return self._tables | {pattern: builder.build() for pattern, builder in self._builders.items()}

    def _builders_for(self, route: Route) -> list[TableBuilder]:
        patterns = self._rules.patterns_of(route.service) or (f" {route.service}",)  # a table that no host leads to
        return [self._builder(pattern) for pattern in patterns]

    def _builder(self, pattern: str) -> TableBuilder:
        builder = self._builders.get(pattern)
        if builder is None:
            builder = self._builders[pattern] = TableBuilder(self._tables.get(pattern))
        return builder


def host_name(host: bytes) -> bytes:
    """Return a host as rules compare it: in lower case, without port and trailing dot. host: a valid authority."""
    name = host.lower()
    if name.startswith(b"["):
        return name[: name.find(b"]") + 1]
    return name.partition(b":")[0].removesuffix(b".")
