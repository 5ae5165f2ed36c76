"""The routes of one method, found by a path.

Most routes are found with one dict lookup: those without parameters by the path itself, and those with one parameter
at the end (`/invoices/{id}`) by what stands before the last slash. The others lie in one trie, in which a path goes
down as many steps as it has segments. Where a branch leads nowhere, what was passed by is tried, the deepest first. No
node is visited twice, so the work is bounded by the nodes; with n segments by 2^n, however many routes there are.

What a table holds never changes. A change makes copies of what lies on the way to it and shares the rest: `owner` says
who made a part and may write to it until it hands it over.
"""

from typing import TYPE_CHECKING, Final

from frames.template import PARAMETER_SHAPE, WILDCARD_SHAPE

if TYPE_CHECKING:
    from proxy.route.table import Route

_TAIL: Final = "/" + PARAMETER_SHAPE


class Node:
    """One position: what follows a literal segment, what follows any one, the route that ends here, and the route that
    takes all that follows.
    """

    __slots__ = ("literals", "owner", "parameter", "route", "wildcard")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.literals: dict[bytes, Node] = {}
        self.parameter: Node | None = None
        self.route: Route | None = None
        self.wildcard: Route | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be found through it."""
        return not self.literals and self.parameter is None and self.route is None and self.wildcard is None

    def of(self, owner: object) -> "Node":
        """Return this node if it is the owner's, else a copy that is."""
        if self.owner is owner:
            return self
        copy = Node(owner)
        copy.literals = self.literals.copy()
        copy.parameter, copy.route, copy.wildcard = self.parameter, self.route, self.wildcard
        return copy


def walk(root: Node, segments: list[bytes]) -> "Route | None":
    """Return the route for segments[1:]: at each, a literal is tried before a parameter, and that before a wildcard."""
    node, at, last = root, 1, len(segments)
    untried: list[tuple[Node, int]] = []  # 0 in place of where to go on: the node's wildcard
    while True:
        if at < last:
            segment = segments[at]
            at += 1
            if node.wildcard is not None:
                untried.append((node, 0))
            child = node.literals.get(segment)
            parameter = node.parameter
            if parameter is not None and segment:
                if child is None:
                    child = parameter
                else:
                    untried.append((parameter, at))
            if child is not None:
                node = child
                continue
        elif node.route is not None:
            return node.route
        if not untried:
            return None
        node, at = untried.pop()
        if not at:
            return node.wildcard


class PathIndex:
    """The routes of one method. Only its owner may change it."""

    __slots__ = ("depth", "exact", "owner", "root", "tails")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.exact: dict[bytes, Route] = {}
        self.tails: dict[bytes, Route] = {}
        """By the literals before a parameter that is the last segment."""
        self.root: Node | None = None
        self.depth = 0
        """At least the most segments of any template in the trie: a path with thousands is not split further."""

    def of(self, owner: object) -> "PathIndex":
        """Return this index if it is the owner's, else a copy that is. The trie's nodes are shared."""
        if self.owner is owner:
            return self
        copy = PathIndex(owner)
        copy.exact, copy.tails = self.exact.copy(), self.tails.copy()
        copy.root, copy.depth = self.root, self.depth
        return copy

    def find(self, path: bytes) -> "Route | None":
        """Return the route for a path, by the rule of precedence."""
        route = self.exact.get(path)
        if route is not None:
            return route
        before, _, last = path.rpartition(b"/")
        if last:  # a longer run of literals before anything else there is none
            route = self.tails.get(before)
            if route is not None:
                return route
        if self.root is None:
            return None
        return walk(self.root, path.split(b"/", self.depth + 1))  # the first is empty: a path begins with '/'

    def get(self, shape: str) -> "Route | None":
        """Return the route of exactly this shape."""
        flat, key = self._flat(shape)
        if flat is not None:
            return flat.get(key)
        node = self.root
        for segment in shape[1:].split("/"):
            if node is None:
                return None
            if segment == WILDCARD_SHAPE:
                return node.wildcard
            node = node.parameter if segment == PARAMETER_SHAPE else node.literals.get(segment.encode())
        return node.route if node else None

    def put(self, shape: str, route: "Route") -> None:
        """Add a route, or replace the one of its shape."""
        flat, key = self._flat(shape)
        if flat is not None:
            flat[key] = route
            return
        segments = shape[1:].split("/")
        self.depth = max(self.depth, len(segments))
        node = self.root = self._own(self.root)
        for segment in segments:
            if segment == WILDCARD_SHAPE:
                node.wildcard = route
                return
            if segment == PARAMETER_SHAPE:
                child = node.parameter = self._own(node.parameter)
            else:
                name = segment.encode()
                child = node.literals[name] = self._own(node.literals.get(name))
            node = child
        node.route = route

    def remove(self, shape: str) -> None:
        """Take out the route of this shape, which must be there, and what nothing is found through any more."""
        flat, key = self._flat(shape)
        if flat is not None:
            del flat[key]
        elif self.root is not None:
            self.root = self._without(self.root, shape[1:].split("/"), 0)

    def _flat(self, shape: str) -> "tuple[dict[bytes, Route] | None, bytes]":
        """Return the dict in which a shape lies, and its key; None where it lies in the trie."""
        if "{" not in shape:
            return self.exact, shape.encode()
        if shape.endswith(_TAIL) and "{" not in shape[: -len(_TAIL)]:
            return self.tails, shape[: -len(_TAIL)].encode()
        return None, b""

    def _own(self, node: Node | None) -> Node:
        return Node(self.owner) if node is None else node.of(self.owner)

    def _without(self, node: Node, segments: list[str], at: int) -> Node | None:
        """Return the node without what lies at segments[at:], or None when nothing is left."""
        node = node.of(self.owner)
        segment = segments[at] if at < len(segments) else None
        if segment is None:
            node.route = None
        elif segment == WILDCARD_SHAPE:
            node.wildcard = None
        elif segment == PARAMETER_SHAPE:
            if node.parameter is not None:
                node.parameter = self._without(node.parameter, segments, at + 1)
        else:
            name = segment.encode()
            child = self._without(node.literals[name], segments, at + 1)
            if child is None:
                del node.literals[name]
            else:
                node.literals[name] = child
        return None if node.is_empty else node
