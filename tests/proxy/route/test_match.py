"""Match: a route for the request, or 404, or 405 with what is allowed."""

from typing import Any

import pytest
from request_fields import Fields, NoFields

from frames.frame import Method
from frames.wire_values import RequestHead
from proxy.errors import METHOD_NOT_ALLOWED, MISDIRECTED, NO_ROUTE
from proxy.request.exchange import NEEDS_TASK, Exchange, RequestFields
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, Reply
from proxy.route.hosts import HostRules, HostTables
from proxy.route.match import TrailingSlash, make_match, match_route
from proxy.route.table import Route, RouteTable

HEAD_ALLOWED = ((b"allow", b"GET, HEAD, OPTIONS"),)
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
    assert isinstance(answer, Answer)
    assert answer.reason is NO_ROUTE
    assert answer.headers == ()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        (Method.PUT, b"/things/1", b"GET, HEAD, DELETE, OPTIONS"),
        (Method.POST, b"/things/1", b"GET, HEAD, DELETE, OPTIONS"),
        (Method.GET, b"/things", b"POST, OPTIONS"),
        (Method.HEAD, b"/things", b"POST, OPTIONS"),
    ],
)
def test_another_method_only(method: Method, path: bytes, allowed: bytes) -> None:
    answer = match_route(begun(method, path))
    assert isinstance(answer, Answer)
    assert answer.reason is METHOD_NOT_ALLOWED
    assert answer.headers == ((b"allow", allowed),)
    assert answer.detail == f"Allowed here: {allowed.decode()}."


@pytest.mark.parametrize(
    ("path", "allowed"), [(b"/things/1", b"GET, HEAD, DELETE, OPTIONS"), (b"/things", b"POST, OPTIONS")]
)
def test_options_is_answered_for_every_path_that_there_is(path: bytes, allowed: bytes) -> None:
    assert match_route(begun(Method.OPTIONS, path)) == Reply(204, ((b"allow", allowed),))


def test_options_of_no_path() -> None:
    assert match_route(begun(Method.OPTIONS, b"/nothing")) == Answer(NO_ROUTE)


def test_options_of_a_service_is_its_own() -> None:
    own = Route(3, Method.OPTIONS, "/things")
    exchange = begun(Method.OPTIONS, b"/things", Snapshot(RouteTable([GET, POST, own]), Limits()))
    assert match_route(exchange) is None
    assert exchange.route is own


def test_the_candidates_are_the_routes_own() -> None:
    offers: Any = (object(),)
    exchange = begun(Method.GET, b"/a", Snapshot(RouteTable([Route(0, Method.GET, "/a", offers)]), Limits()))
    assert match_route(exchange) is None
    assert exchange.offers is offers


# ---- a slash at the end ----

FILES = Route(3, Method.GET, "/files/{path...}")
ROOT = Route(4, Method.GET, "/")
SLASHES = Snapshot(RouteTable([GET, POST, FILES, ROOT, Route(5, Method.PUT, "/files")]), Limits())


class Port:
    """Knows the target of the one request that there is."""

    def __init__(self, target: bytes) -> None:
        self.target = target

    def request_head(self, exchange: int, /) -> RequestHead:
        return RequestHead(0, 0, self.target, len(self.target.partition(b"?")[0]), 0)


def matched(rule: TrailingSlash, method: Method, target: bytes) -> tuple[Any, Exchange]:
    exchange = begun(method, target.partition(b"?")[0], SLASHES)
    return make_match(Port(target), lambda _: rule)(exchange), exchange


def test_strict_is_the_default() -> None:
    assert match_route(begun(Method.GET, b"/things/1/", SLASHES)) == Answer(NO_ROUTE)
    assert matched(TrailingSlash.STRICT, Method.GET, b"/files")[0] == Answer(
        METHOD_NOT_ALLOWED, "Allowed here: PUT, OPTIONS.", ((b"allow", b"PUT, OPTIONS"),)
    )


@pytest.mark.parametrize(
    ("method", "target", "location"),
    [
        (Method.GET, b"/things/1/", b"/things/1"),
        (Method.HEAD, b"/things/1/", b"/things/1"),
        (Method.POST, b"/things/?a=/b/?&c", b"/things?a=/b/?&c"),
        (Method.GET, b"/files?", b"/files/?"),
        (Method.PUT, b"/files/", b"/files"),
    ],
)
def test_redirect_to_the_only_spelling_that_has_a_route(method: Method, target: bytes, location: bytes) -> None:
    assert matched(TrailingSlash.REDIRECT, method, target)[0] == Reply(308, ((b"location", location),))


@pytest.mark.parametrize(
    ("method", "target", "route"),
    [
        (Method.GET, b"/things/1/", GET),
        (Method.POST, b"/things/?a", POST),
        (Method.GET, b"/files", FILES),
    ],
)
def test_both_spellings_are_the_same(method: Method, target: bytes, route: Route) -> None:
    result, exchange = matched(TrailingSlash.SAME, method, target)
    assert result is None
    assert (exchange.route, exchange.path) == (route, target.partition(b"?")[0])
    assert exchange.offers is route.offers


@pytest.mark.parametrize("rule", [TrailingSlash.REDIRECT, TrailingSlash.SAME])
@pytest.mark.parametrize(
    ("method", "target", "answer"),
    [
        (Method.GET, b"/nothing/", Answer(NO_ROUTE)),
        (Method.GET, b"/things/1//", Answer(NO_ROUTE)),
        (
            Method.POST,
            b"/files/",
            Answer(
                METHOD_NOT_ALLOWED,
                "Allowed here: GET, HEAD, PUT, OPTIONS.",
                ((b"allow", b"GET, HEAD, PUT, OPTIONS"),),
            ),
        ),
        (Method.OPTIONS, b"/things/", Reply(204, ((b"allow", b"POST, OPTIONS"),))),
        (Method.PUT, b"/", Answer(METHOD_NOT_ALLOWED, "Allowed here: GET, HEAD, OPTIONS.", HEAD_ALLOWED)),
    ],
)
def test_where_neither_spelling_has_a_route(rule: TrailingSlash, method: Method, target: bytes, answer: Any) -> None:
    assert matched(rule, method, target)[0] == answer


@pytest.mark.parametrize("rule", TrailingSlash)
def test_a_spelling_that_has_a_route_is_taken_as_it_is(rule: TrailingSlash) -> None:
    for target, route in ((b"/things/1", GET), (b"/files/a/", FILES), (b"/files/", FILES), (b"/", ROOT)):
        result, exchange = matched(rule, Method.GET, target)
        assert result is None
        assert exchange.route is route


def test_nobody_is_sent_to_a_host_that_a_path_names() -> None:
    class Table(RouteTable):
        def match(self, method: int, path: bytes) -> Route | None:
            return GET if path == b"//evil.example" else None

    exchange = begun(Method.GET, b"//evil.example/", Snapshot(Table(), Limits()))
    assert make_match(Port(b""), lambda _: TrailingSlash.REDIRECT)(exchange) == Answer(NO_ROUTE)


def test_a_redirect_needs_the_wire() -> None:
    with pytest.raises(ValueError, match="give the wire as port"):
        make_match(slash_of=lambda _: TrailingSlash.REDIRECT)(begun(Method.GET, b"/files", SLASHES))


# ---- hosts ----

A, B = Route(0, Method.GET, "/x", service="a"), Route(1, Method.GET, "/x", service="b")


def asked(
    rules: HostRules, fields: RequestFields, path: bytes = b"/x", *, flags: int = 0, authority: bytes | None = None
) -> tuple[Any, Exchange]:
    tables = HostTables(rules, [A, B] if rules else [A])
    snapshot = Snapshot(tables.sole or RouteTable(), Limits(), tables=tables)
    exchange = Exchange(fields, snapshot)
    exchange.begin(1, Method.GET, flags, path, snapshot)
    exchange.authority = authority
    return make_match(slash_of=lambda _: TrailingSlash.SAME)(exchange), exchange


RULES = HostRules({"a.example": ["a"], "b.example": ["b"]})


def test_the_host_says_whose_path_it_is() -> None:
    for host, route in ((b"a.example", A), (b"B.Example:8080", B)):
        result, exchange = asked(RULES, Fields({b"host": host}))
        assert result is None
        assert exchange.route is route


@pytest.mark.parametrize("fields", [{}, {b"host": b""}, {b"host": b"c.example"}, {b"host": b"x.a.example"}])
def test_a_host_that_is_nobodys(fields: dict[bytes, bytes]) -> None:
    assert asked(RULES, Fields(fields))[0] == Answer(MISDIRECTED, "No service answers for this host here.")


def test_the_targets_own_authority_counts_before_host() -> None:
    _, exchange = asked(RULES, Fields({b"host": b"a.example"}), flags=NEEDS_TASK, authority=b"b.example")
    assert exchange.route is B


def test_what_an_earlier_request_had_as_authority_is_not_looked_at() -> None:
    _, exchange = asked(RULES, Fields({b"host": b"a.example"}), authority=b"b.example")
    assert exchange.route is A


def test_what_a_host_has_not_is_answered_as_without_hosts() -> None:
    at_a = Fields({b"host": b"a.example"})
    assert asked(RULES, at_a, b"/y")[0] == Answer(NO_ROUTE)
    result, exchange = asked(RULES, at_a, b"/x/")
    assert result is None
    assert exchange.route is A


def test_without_rules_no_host_is_looked_at() -> None:
    result, exchange = asked(HostRules(), NoFields())
    assert result is None
    assert exchange.route is A


def test_the_snapshot_of_the_exchange_counts() -> None:
    nothing = Snapshot(RouteTable(), Limits())
    answer = match_route(begun(Method.GET, b"/things/1", nothing))
    assert isinstance(answer, Answer)
    assert answer.reason is NO_ROUTE
