"""Match: which route is asked for.

What no service offers is answered here: 404 for a path that nobody has, 405 for one that has other methods, and
OPTIONS, of which only the methods are told. HEAD is served by GET's routes.

Where the configuration has rules for hosts, each host has a table of its own, and the snapshot's one table is empty.

Whether a slash at the end makes another path is the operator's to say. Only one spelling is ever a route, but for a
wildcard `/files/{name...}`, which begins after the slash:

    strict     it is another path
    redirect   where only the other spelling has a route, the client is sent there (308, so that the method stays)
    same       where only the other spelling has a route, that one is asked; the service sees the path as it came
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from frames.frame import Method
from frames.wire_values import KnownName, RequestHead
from proxy.errors import METHOD_NOT_ALLOWED, MISDIRECTED, NO_ROUTE
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.stage import Answer, Reply, Stage
from proxy.route.table import Route, RouteTable
from proxy.route.versions import version_prefix

_NOT_HERE = Answer(MISDIRECTED, "No service answers for this host here.")


class TrailingSlash(Enum):
    """What a slash at the end of a path means, as ``routes.trailing_slash`` says."""

    STRICT = "strict"
    REDIRECT = "redirect"
    SAME = "same"


if TYPE_CHECKING:

    class MatchPort(Protocol):
        """What is asked of the wire: the query, for a redirect."""

        def request_head(self, exchange: int, /) -> RequestHead | None:
            """Return what was read of a head."""
            ...


SlashOf = Callable[[Exchange], TrailingSlash]
"""Which rule holds for a request: that of the snapshot, say, so that it may change."""


def make_match(port: "MatchPort | None" = None, slash_of: SlashOf = lambda exchange: TrailingSlash.STRICT) -> Stage:
    """Return the stage. port: needed where slash_of may say that clients are redirected."""

    def match_route(exchange: Exchange) -> Answer | Reply | None:
        route = exchange.snapshot.table.match(exchange.method, exchange.path)
        if route is None:
            return look_further(exchange)
        exchange.route = route
        exchange.offers = route.offers
        return None

    def look_further(exchange: Exchange) -> Answer | Reply | None:
        """Look where a request belongs that the one table has no route for: at its host, and at the other spelling."""
        table, tables = exchange.snapshot.table, exchange.snapshot.tables
        if not tables.rules:
            return other_answer(exchange, table)
        of_host = tables.table(_host(exchange))
        if of_host is None:
            return _NOT_HERE
        route = of_host.match(exchange.method, exchange.path)
        if route is None:
            return other_answer(exchange, of_host)
        return _take(exchange, route)

    def other_answer(exchange: Exchange, table: RouteTable) -> Answer | Reply | None:
        path, rule = exchange.path, slash_of(exchange)
        if rule is TrailingSlash.STRICT or path.startswith(b"//"):  # which would be a host as Location
            return _other_methods(exchange.method, table.allowed(path))
        other = other_spelling(path)
        route = table.match(exchange.method, other)
        if route is None:
            return _other_methods(exchange.method, {*table.allowed(path), *table.allowed(other)})
        if rule is TrailingSlash.SAME:
            return _take(exchange, route)
        return Reply(308, ((b"location", version_prefix(exchange) + other + _query(port, exchange)),))

    return match_route


def _take(exchange: Exchange, route: Route) -> Answer | Reply | None:
    """Set the route, and go on."""
    exchange.route = route
    exchange.offers = route.offers
    return None


match_route = make_match()
"""The stage as it is by default."""


def other_spelling(path: bytes) -> bytes:
    """Return the path with a slash at its end, or without the one that is there; the root has one spelling."""
    if path.endswith(b"/"):
        return path[:-1] or path
    return path + b"/"


def _other_methods(method: int, allowed: Iterable[Method]) -> Answer | Reply:
    """Answer for a path that has no route with this method: none at all, or some with others."""
    if not allowed:
        return Answer(NO_ROUTE)
    names = ", ".join(each.name for each in sorted({*allowed, Method.OPTIONS}))
    allow = ((b"allow", names.encode("ascii")),)
    if method == Method.OPTIONS:
        return Reply(204, allow)
    return Answer(METHOD_NOT_ALLOWED, f"Allowed here: {names}.", allow)


def _host(exchange: Exchange) -> bytes:
    """Return the authority that counts: the target's own before Host (RFC 9112, section 3.2.2)."""
    authority = exchange.authority if exchange.flags & NEEDS_TASK else None
    return authority or exchange.fields.request_field(exchange.id, KnownName.HOST) or b""


def _query(port: "MatchPort | None", exchange: Exchange) -> bytes:
    """Return the query with its question mark, as it came, or nothing."""
    if port is None:
        raise ValueError("a redirect needs the query of the request: give the wire as port")
    head = port.request_head(exchange.id)
    target = head.target if head else b""
    return target[len(target.partition(b"?")[0]) :]
