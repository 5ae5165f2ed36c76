"""How often each reason was given, of all requests and of those of each route."""

from proxy.errors import REASONS, Reason


class ReasonCounts(dict[str, int]):
    """How often each reason was given since the start, by code.

    Every code is there from the start with 0, so that a metric's first increase is seen as one.
    """

    __slots__ = ("_by_route",)

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__(dict.fromkeys(REASONS, 0))
        self._by_route: dict[int, dict[str, int]] = {}

    def count(self, reason: Reason, route: int = -1) -> None:
        """Add one. route: the index of whose request it was; -1: nobody's."""
        code = reason.code
        self[code] += 1
        if route >= 0:
            of_route = self._by_route.get(route)
            if of_route is None:
                of_route = self._by_route[route] = {}
            of_route[code] = of_route.get(code, 0) + 1

    def of_route(self, route: int) -> dict[str, int]:
        """Return a copy of those of one route, by code."""
        return dict(self._by_route.get(route, ()))

    def reset_route(self, route: int) -> None:
        """Forget those of a route, whose index is given to another one."""
        self._by_route.pop(route, None)
