"""Match: which route is asked for (second stage)."""

from frames.frame import Method
from proxy.errors import METHOD_NOT_ALLOWED, NO_ROUTE
from proxy.exchange import Exchange
from proxy.stage import Answer


def match_route(exchange: Exchange) -> Answer | None:
    """Find the route in the snapshot's table, or answer 404, or 405 with the methods that there are."""
    route = exchange.snapshot.table.match(exchange.method, exchange.path)
    if route is None:
        return _no_route(exchange)
    exchange.route = route
    return None


def _no_route(exchange: Exchange) -> Answer:
    allowed = exchange.snapshot.table.allowed(exchange.path)
    if not allowed:
        return Answer(NO_ROUTE)
    names = ", ".join(Method(method).name for method in allowed)
    return Answer(METHOD_NOT_ALLOWED, f"Allowed here: {names}.", ((b"allow", names.encode("ascii")),))
