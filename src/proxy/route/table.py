"""The route table: a method and a path become a route.

A template is a path in which a segment `{name}` matches one non-empty segment, whatever it holds, and a last segment
`{name...}` all that follows its slash, be it empty or several segments. Paths are compared byte by byte, as they came:
nothing is decoded, since the scanner hands over only paths that need no normalising.

Precedence is decided segment by segment from the left: a literal segment beats a parameter, and a parameter beats a
wildcard. Hence a path without parameters always wins, and of wildcards the one with the longest prefix. How a route is
found is told in `trie`.

A table never changes. A new set of routes is a new table, swapped whole with the snapshot; it shares with the old one
what is the same.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from frames.frame import Method
from frames.template import (
    PARAMETER_SHAPE,
    WILDCARD_SHAPE,
    TemplateError,
    check_template,
    quoted,
    template_shape,
)
from proxy.request.route_policy import OPEN, RoutePolicy
from proxy.route.trie import PathIndex

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.request.stage import Stage

_GET: Final = int(Method.GET)
_HEAD: Final = int(Method.HEAD)


class RouteError(ValueError):
    """A template that is malformed, or routes that contradict each other."""


class Route(msgspec.Struct, eq=False):
    """One method and path template of one service, and all that holds for its requests. Compared by identity.

    It is put together by who makes the snapshot, and not changed once it is in a table that serves, but for `rates` and
    `balances`.
    """

    index: int
    """Of the wire's counters."""
    method: int
    template: str
    offers: "tuple[Offer, ...]" = ()
    """The candidates, unless version, split or placement say otherwise."""
    deadline_ms: int | None = None
    """None: the gateway's default."""
    service: str = ""
    policy: RoutePolicy = OPEN
    choice: Any = None
    """What version, split and placement choose by; None: there is nothing to choose."""
    rates: Any = None
    """What rate_limit counts its requests by: made, and remembered, at the first one."""
    balances: Any = None
    """By what pick chooses among its offers, where the default is not enough: likewise."""
    gate: Any = None
    """What admission holds its requests to: likewise."""
    fanout: Any = None
    """Whom its requests are asked of, where it is several (`proxy.fanout.plan.FanOutPlan`); None: one."""
    streams: bool = False
    """Whether any of those who offer it streams."""
    group: int = 0
    """What the wire counts its service's requests by; 0: nothing."""
    how: int = 0
    """How its requests are sent: bits of `SendHow`, beside MAY_STREAM, which is the offer's to say."""
    attempt_ms: int = 0
    """The time of one attempt; 0: only the deadline's."""
    plan: Any = None
    """How its requests are sent again (`proxy.attempts.profiles.Plan`); None: they are not."""
    stages: "tuple[Stage, ...]" = ()
    """The path of its requests from match on."""
    usual_stages: "tuple[Stage, ...]" = ()
    """The same for a usual head."""
    plain_stages: "tuple[Stage, ...]" = ()
    """The same for a head without any flag."""


class RouteTable:
    """
    The routes as one immutable value. HEAD is matched by the GET routes too: the route of higher precedence serves it,
    the HEAD route where both have one shape. RouteError where two routes have one method and shape, or one index.
    """

    __slots__ = ("_by_index", "_by_method")

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        builder = TableBuilder()
        for route in routes:
            builder.add(route)
        self._take(builder)

    def _take(self, builder: "TableBuilder") -> None:
        self._by_index, self._by_method = builder.hand_over()

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route: in the order given, a changed table's new ones at the end."""
        return tuple(self._by_index.values())

    def match(self, method: int, path: bytes) -> Route | None:
        """The route for a path (without its query), or None. method: as the head scanner gives it, 1 to 7."""
        index = self._by_method[method]
        route = index.exact.get(path)
        if route is not None:
            return route
        return index.find(path) if method != _HEAD else self._match_head(path)

    def _match_head(self, path: bytes) -> Route | None:
        head, get = self._by_method[_HEAD].find(path), self._by_method[_GET].find(path)
        if head is None or get is None:
            return head or get
        return get if _precedence(get) < _precedence(head) else head

    def allowed(self, path: bytes) -> tuple[Method, ...]:
        """The methods with which the path has a route: empty for 404."""
        return tuple(method for method in Method if self.match(method, path) is not None)

    def find(self, method: int, template: str) -> Route | None:
        """The route of this method and of the template's shape, or None."""
        return self._by_method[method].get(template_shape(template))

    def changed(self, added_or_replaced: Iterable[Route], removed: Iterable[Route] = ()) -> "RouteTable":
        """Return a table with these routes and without those; what is the same is shared with this one.

        A route replaces the one of its method and shape. Routes are removed first, so that an index that was theirs
        may be given away. RouteError for a route that is not there to be removed, and as for any table.
        """
        builder = TableBuilder(self)
        for route in removed:
            builder.remove(route)
        for route in added_or_replaced:
            builder.put(route)
        return builder.build()


class TableBuilder:
    """Makes a table route by route, so that who makes a large one can let others run in between."""

    def __init__(self, base: RouteTable | None = None) -> None:
        """Begin with the routes of a table, which itself is left as it is, or with none."""
        self._owner = object()
        self._by_index: dict[int, Route] = base._by_index.copy() if base else {}
        self._by_method = list(base._by_method) if base else [PathIndex(self._owner) for _ in range(max(Method) + 1)]

    def add(self, route: Route) -> None:
        """Add a route. RouteError where there is one of its method and shape, or of its index."""
        self._enter(route, is_new=True)

    def put(self, route: Route) -> None:
        """Add a route, or replace its service's of its method and shape. RouteError where another one has its index."""
        self._enter(route, is_new=False)

    def remove(self, route: Route) -> None:
        """Take out the route of this one's method and shape. RouteError where there is none."""
        shape = template_shape(route.template)
        there = self._by_method[route.method].get(shape)
        if there is None:
            raise RouteError(f"{_name(route)} cannot be removed: there is no such route")
        self._writable(route.method).remove(shape)
        del self._by_index[there.index]

    def build(self) -> RouteTable:
        """Return the table. The builder is used up by that."""
        table = RouteTable.__new__(RouteTable)
        table._take(self)
        return table

    def hand_over(self) -> tuple[dict[int, Route], tuple[PathIndex, ...]]:
        """Return what was built, for a table, and keep none of it."""
        by_index, by_method = self._by_index, tuple(self._by_method)
        self._by_index, self._by_method = {}, []
        return by_index, by_method

    def _enter(self, route: Route, *, is_new: bool) -> None:
        _check(route)
        shape = template_shape(route.template)
        there = self._by_method[route.method].get(shape)
        if there is not None and there.service != route.service:
            raise RouteError(f"{_name(route)} of {quoted(route.service)} belongs to {quoted(there.service)} already")
        if there is not None and is_new:
            raise RouteError(
                f"{_name(route)} and {quoted(there.template)} match the same paths: join their offers in one route"
            )
        other = self._by_index.get(route.index)
        if other is not None and other is not there:
            raise RouteError(
                f"the routes {quoted(route.template)} and {quoted(other.template)} have one index, {route.index}: "
                "their counts would be mixed up"
            )
        if there is not None and there.index != route.index:
            del self._by_index[there.index]
        self._by_index[route.index] = route
        self._writable(route.method).put(shape, route)

    def _writable(self, method: int) -> PathIndex:
        index = self._by_method[method] = self._by_method[method].of(self._owner)
        return index


def _name(route: Route) -> str:
    return f"{Method(route.method).name} {quoted(route.template)}"


def _precedence(route: Route) -> list[int]:
    """Return what is less for the route that wins, of two that match one path."""
    kinds = {PARAMETER_SHAPE: 1, WILDCARD_SHAPE: 2}
    return [kinds.get(segment, 0) for segment in template_shape(route.template).split("/")]


def _check(route: Route) -> None:
    if not 1 <= route.method <= max(Method):
        raise RouteError(f"the route {quoted(route.template)} has the unknown method {route.method}")
    try:
        check_template(route.template)
    except TemplateError as error:
        raise RouteError(f"the path template {quoted(route.template)} {error}") from None
