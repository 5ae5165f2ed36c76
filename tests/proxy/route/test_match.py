"""Match: a route for the request, or 404, or 405 with what is allowed."""

import pytest
from request_fields import NoFields

from frames.frame import Method
from proxy.errors import METHOD_NOT_ALLOWED, NO_ROUTE
from proxy.exchange import Exchange
from proxy.route.match import match_route
from proxy.route.table import Route, RouteTable
from proxy.snapshot import Limits, Snapshot

GET = Route(0, Method.GET, "/things/{id}", ())
DELETE = Route(1, Method.DELETE, "/things/{id}", ())
POST = Route(2, Method.POST, "/things", ())
SNAPSHOT = Snapshot(RouteTable([GET, DELETE, POST]), Limits())


def begun(method: Method, path: bytes, snapshot: Snapshot = SNAPSHOT) -> Exchange:
    exchange = Exchange(NoFields(), snapshot)
    exchange.begin(1, method, 0, path, snapshot)
    return exchange


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        (Method.GET, b"/things/1", GET),
        (Method.HEAD, b"/things/1", GET),
        (Method.DELETE, b"/things/1", DELETE),
        (Method.POST, b"/things", POST),
    ],
)
def test_a_route_is_found(method: Method, path: bytes, route: Route) -> None:
    exchange = begun(method, path)
    assert match_route(exchange) is None
    assert exchange.route is route


@pytest.mark.parametrize("path", [b"/", b"/thing", b"/things/", b"/things/1/2", b"/Things"])
def test_no_route(path: bytes) -> None:
    answer = match_route(begun(Method.GET, path))
    assert answer is not None
    assert answer.reason is NO_ROUTE
    assert answer.headers == ()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        (Method.PUT, b"/things/1", b"GET, HEAD, DELETE"),
        (Method.POST, b"/things/1", b"GET, HEAD, DELETE"),
        (Method.GET, b"/things", b"POST"),
        (Method.OPTIONS, b"/things", b"POST"),
    ],
)
def test_another_method_only(method: Method, path: bytes, allowed: bytes) -> None:
    answer = match_route(begun(method, path))
    assert answer is not None
    assert answer.reason is METHOD_NOT_ALLOWED
    assert answer.headers == ((b"allow", allowed),)
    assert answer.detail == f"Allowed here: {allowed.decode()}."


def test_the_snapshot_of_the_exchange_counts() -> None:
    nothing = Snapshot(RouteTable(), Limits())
    answer = match_route(begun(Method.GET, b"/things/1", nothing))
    assert answer is not None
    assert answer.reason is NO_ROUTE
