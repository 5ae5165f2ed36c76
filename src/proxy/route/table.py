"""The route table: a method and a path become a route.

A template is a path in which a segment `{name}` matches one non-empty segment, whatever it holds. Paths are compared
byte by byte, as they came: nothing is decoded, since the scanner hands over only paths that need no normalising.

Precedence is decided segment by segment from the left: a literal segment beats a parameter. Hence a path without
parameters always wins, and those are found with one dict lookup. The others lie in a trie for each method and number of
segments, so that a leaf is reached in exactly as many steps as the path has segments. Where a literal branch leads
nowhere, the parameter beside it is tried, the deepest first. No node is visited twice, so the work is bounded by the
nodes of that one trie; with n segments at most by 2^n, however many routes there are.

The commonest kind, literals and one parameter at the end (`/invoices/{id}`), lies in a dict of its own by what stands
before the last slash. No other route with parameters can come before it: a longer run of literals there is none.

A table never changes. A new set of routes is a new table, swapped whole with the snapshot.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from frames.frame import Method
from frames.template import TemplateError, check_template, quoted, template_shape

if TYPE_CHECKING:
    from proxy.offer import Offer


class RouteError(ValueError):
    """A template that is malformed, or routes that contradict each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One method and path template, and who offers it."""

    index: int  # of the wire's counters
    method: int
    template: str
    offers: "tuple[Offer, ...]"
    deadline_ms: int | None = None  # None: the gateway's default


@dataclass(slots=True, eq=False)
class _Node:
    """One position in a trie: what follows a literal segment, what follows any segment, the route that ends here."""

    literals: "dict[bytes, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None
    route: Route | None = None


@dataclass(slots=True, eq=False)
class _Methods:
    """The routes of one method."""

    exact: dict[bytes, Route] = field(default_factory=dict)
    tails: dict[bytes, Route] = field(
        default_factory=dict
    )  # by the literals before a parameter that is the last segment
    tries: dict[int, _Node] = field(default_factory=dict)  # by number of slashes, which is that of segments
    slashes_max: int = 0  # of any trie: a path with thousands of them is not split further


class RouteTable:
    """
    The routes as one immutable value. HEAD is matched by the GET routes too, where no HEAD route has the same shape.
    RouteError where two routes have one method and shape, or one index.
    """

    __slots__ = ("_methods", "_routes")

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes = tuple(routes)
        _check(self._routes)
        self._methods = tuple(_Methods() for _ in range(max(Method) + 1))
        for route in self._routes:
            if route.method == Method.GET:
                _insert(self._methods[Method.HEAD], route)
        for route in self._routes:  # after GET's, so that a HEAD route replaces the GET route of its shape
            _insert(self._methods[route.method], route)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, in the order given."""
        return self._routes

    def match(self, method: int, path: bytes) -> Route | None:
        """The route for a path (without its query), or None. method: as the head scanner gives it, 1 to 7."""
        methods = self._methods[method]
        route = methods.exact.get(path)
        if route is not None:
            return route
        before, _, last = path.rpartition(b"/")
        if last:
            route = methods.tails.get(before)
            if route is not None:
                return route
        if not methods.tries:
            return None
        segments = path.split(b"/", methods.slashes_max + 1)  # the first is empty: a path begins with '/'
        root = methods.tries.get(len(segments) - 1)
        return None if root is None else _walk(root, segments)

    def allowed(self, path: bytes) -> tuple[Method, ...]:
        """The methods with which the path has a route: empty for 404, what Allow tells for 405."""
        return tuple(method for method in Method if self.match(method, path) is not None)


def _walk(root: _Node, segments: list[bytes]) -> Route | None:
    """Follows segments[1:] down a trie whose leaves are all at that depth."""
    node, at, last = root, 1, len(segments)
    untried: list[tuple[_Node, int]] = []
    while at < last:
        segment = segments[at]
        at += 1
        parameter = node.parameter if segment else None
        literal = node.literals.get(segment)
        if literal is not None:
            node = literal
            if parameter is not None:
                untried.append((parameter, at))
        elif parameter is not None:
            node = parameter
        elif untried:
            node, at = untried.pop()
        else:
            return None
    return node.route


def _insert(methods: _Methods, route: Route) -> None:
    path = template_shape(route.template)
    if "{" not in path:
        methods.exact[path.encode()] = route
        return
    before, _, last = path.rpartition("/")
    if last == "{}" and "{" not in before:
        methods.tails[before.encode()] = route
        return
    segments = path[1:].split("/")
    methods.slashes_max = max(methods.slashes_max, len(segments))
    node = methods.tries.setdefault(len(segments), _Node())
    for segment in segments:
        if segment == "{}":
            node.parameter = node.parameter or _Node()
            node = node.parameter
        else:
            node = node.literals.setdefault(segment.encode(), _Node())
    node.route = route


def _check(routes: tuple[Route, ...]) -> None:
    shapes: dict[tuple[int, str], Route] = {}
    indexes: dict[int, Route] = {}
    for route in routes:
        _check_alone(route)
        other = shapes.setdefault((route.method, template_shape(route.template)), route)
        if other is not route:
            raise RouteError(
                f"{Method(route.method).name} {quoted(route.template)} and {quoted(other.template)} "
                "match the same paths: join their offers in one route"
            )
        other = indexes.setdefault(route.index, route)
        if other is not route:
            raise RouteError(
                f"the routes {quoted(route.template)} and {quoted(other.template)} have one index, {route.index}: "
                "their counts would be mixed up"
            )


def _check_alone(route: Route) -> None:
    if not 1 <= route.method <= max(Method):
        raise RouteError(f"the route {quoted(route.template)} has the unknown method {route.method}")
    try:
        check_template(route.template)
    except TemplateError as error:
        raise RouteError(f"the path template {quoted(route.template)} {error}") from None
