from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames.frame import Method
from frames.template import template_shape
from proxy.offer import Offer
from proxy.route.table import Route, RouteError, RouteTable
from proxy.targets.instance import Instance


def table_of(*templates: str, method: int = Method.GET) -> RouteTable:
    return RouteTable(Route(index, method, template, ()) for index, template in enumerate(templates))


def matched(table: RouteTable, path: bytes, method: int = Method.GET) -> str | None:
    route = table.match(method, path)
    return route.template if route else None


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (b"/", "/"),
        (b"/invoices", "/invoices"),
        (b"/invoices/42", "/invoices/{id}"),
        (b"/invoices/%2F%C3%A9", "/invoices/{id}"),
        (b"/invoices/{id}", "/invoices/{id}"),
        (b"/invoices/new", "/invoices/new"),
        (b"/invoices/42/lines", "/invoices/{id}/lines"),
        (b"/invoices/new/lines", "/invoices/{id}/lines"),
        (b"/invoices/", None),
        (b"/invoices//lines", None),
        (b"/invoices/42/", None),
        (b"/invoices/42/lines/7", None),
        (b"/Invoices", None),
        (b"/invoice", None),
        (b"/invoices/42/parts", None),
        (b"//", None),
        (b"*", None),
        (b"", None),
    ],
)
def test_match(path: bytes, template: str | None) -> None:
    table = table_of("/", "/invoices", "/invoices/{id}", "/invoices/new", "/invoices/{id}/lines")
    assert matched(table, path) == template


def test_an_empty_table_matches_nothing() -> None:
    assert matched(RouteTable(), b"/") is None
    assert RouteTable().allowed(b"/") == ()


def test_a_literal_beats_a_parameter_from_the_left() -> None:
    table = table_of("/{a}/{b}/c", "/{a}/b/{c}", "/a/{b}/{c}", "/{a}/{b}/{c}")
    assert matched(table, b"/a/b/c") == "/a/{b}/{c}"
    assert matched(table, b"/x/b/c") == "/{a}/b/{c}"
    assert matched(table, b"/x/y/c") == "/{a}/{b}/c"
    assert matched(table, b"/x/y/z") == "/{a}/{b}/{c}"


def test_a_literal_that_leads_nowhere_is_given_up() -> None:
    table = table_of("/a/b/{x}/d", "/a/{y}/c/e", "/{z}/b/c/f")
    assert matched(table, b"/a/b/c/d") == "/a/b/{x}/d"
    assert matched(table, b"/a/b/c/e") == "/a/{y}/c/e"
    assert matched(table, b"/a/b/c/f") == "/{z}/b/c/f"
    assert matched(table, b"/a/b/c/g") is None


def test_methods_are_apart() -> None:
    table = RouteTable([Route(0, Method.GET, "/a/{x}", ()), Route(1, Method.POST, "/a/b", ())])
    assert matched(table, b"/a/b") == "/a/{x}"
    assert matched(table, b"/a/b", Method.POST) == "/a/b"
    assert matched(table, b"/a/c", Method.POST) is None


def test_allowed_names_every_method_of_the_path() -> None:
    table = RouteTable([Route(0, Method.GET, "/a/{x}", ()), Route(1, Method.POST, "/a/b", ())])
    assert table.allowed(b"/a/b") == (Method.GET, Method.HEAD, Method.POST)
    assert table.allowed(b"/a/c") == (Method.GET, Method.HEAD)
    assert table.allowed(b"/a") == ()


def test_head_falls_back_to_get() -> None:
    get, head = Route(0, Method.GET, "/a/{x}", ()), Route(1, Method.HEAD, "/a/{y}", ())
    assert RouteTable([get]).match(Method.HEAD, b"/a/1") is get
    for routes in ([get, head], [head, get]):
        table = RouteTable(routes)
        assert table.match(Method.HEAD, b"/a/1") is head
        assert table.match(Method.GET, b"/a/1") is get


def test_head_prefers_the_more_specific_route_whatever_its_method() -> None:
    get, head = Route(0, Method.GET, "/a/b", ()), Route(1, Method.HEAD, "/a/{y}", ())
    table = RouteTable([get, head])
    assert table.match(Method.HEAD, b"/a/b") is get
    assert table.match(Method.HEAD, b"/a/c") is head
    assert table.match(Method.GET, b"/a/c") is None


def test_no_other_method_falls_back() -> None:
    table = table_of("/a")
    assert [method for method in Method if table.match(method, b"/a")] == [Method.GET, Method.HEAD]


def test_a_route_keeps_what_was_put_in() -> None:
    instance = Instance("billing", "b1", 4096, 0.0)
    offer = Offer(
        slot=0, connection=4096, endpoint_id=0, deadline_ms=None, idempotent=True, streams=False, instance=instance
    )
    route = Route(3, Method.PUT, "/a", (offer,), 250)
    table = RouteTable([route])
    assert table.match(Method.PUT, b"/a") is route
    assert table.routes == (route,)


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        (["/a/{x}", "/a/{y}"], "GET '/a/{y}' and '/a/{x}' match the same paths"),
        (["/a", "/a"], "match the same paths"),
        (["a"], "'a' must begin with '/'"),
        ([""], "must begin with '/'"),
        (["/a//b"], "empty segment"),
        (["/a/{x}y"], "a parameter is a whole segment"),
        (["/a/{}"], "a parameter is a whole segment"),
        (["/{x}/{x}"], "twice"),
        (["/a?b"], "percent-encode"),
        (["/a/../b"], "dot segment"),
        (["/\N{SNOWMAN}"], "percent-encode"),
    ],
)
def test_a_bad_set_of_routes_is_refused(templates: list[str], message: str) -> None:
    with pytest.raises(RouteError, match=r".") as caught:
        table_of(*templates)
    assert message in str(caught.value)


def test_two_routes_must_not_share_their_counts() -> None:
    with pytest.raises(RouteError, match="index, 7"):
        RouteTable([Route(7, Method.GET, "/a", ()), Route(7, Method.GET, "/b", ())])


@pytest.mark.parametrize("method", [-1, 0, 8])
def test_an_unknown_method_is_refused(method: int) -> None:
    with pytest.raises(RouteError, match="unknown method"):
        RouteTable([Route(0, method, "/a", ())])


SEGMENTS = st.sampled_from(["a", "b", "c"])
TEMPLATES = st.lists(SEGMENTS | st.sampled_from(["{}"]), min_size=1, max_size=5).map(
    lambda segments: "/" + "/".join(f"{{p{at}}}" if s == "{}" else s for at, s in enumerate(segments))
)
PATHS = st.lists(SEGMENTS | st.sampled_from(["", "d"]), min_size=1, max_size=6).map(lambda s: "/" + "/".join(s))


def expected(templates: list[str], path: str) -> str | None:
    """The rule of precedence, without any cleverness: of all that match, that with the leftmost literals."""

    def fits(template: str) -> bool:
        pairs = list(zip(template.split("/"), path.split("/"), strict=False))
        same_length = template.count("/") == path.count("/")
        return same_length and all(p != "" if t.startswith("{") else t == p for t, p in pairs)

    fitting = [template for template in templates if fits(template)]
    return min(fitting, key=lambda t: [s.startswith("{") for s in t.split("/")], default=None)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(TEMPLATES, max_size=30, unique_by=template_shape), st.lists(PATHS, max_size=20))
def test_the_rule_of_precedence_holds_for_any_routes(templates: list[str], paths: list[str]) -> None:
    table = table_of(*templates)
    for path in paths:
        assert matched(table, path.encode()) == expected(templates, path)


def test_ten_thousand_routes() -> None:
    templates = [f"/s{n}/things/{{id}}" for n in range(5_000)] + [f"/s{n}/things" for n in range(5_000)]
    table = table_of(*templates, "/{any}/things/{id}/parts/{part}")
    assert matched(table, b"/s4999/things/1") == "/s4999/things/{id}"
    assert matched(table, b"/s0/things") == "/s0/things"
    assert matched(table, b"/s17/things/1/parts/2") == "/{any}/things/{id}/parts/{part}"
    assert matched(table, b"/s5000/things/1") is None


class CountedSegments(dict):  # type: ignore[type-arg]
    """A node's literals that count how often they are asked."""

    asked = 0

    def get(self, *arguments: Any) -> Any:
        CountedSegments.asked += 1
        return super().get(*arguments)


def test_backtracking_visits_no_node_twice() -> None:
    depth = 10
    shapes = [
        "/" + "/".join("a" if n >> at & 1 else f"{{p{at}}}" for at in range(depth)) + "/end" for n in range(1 << depth)
    ]
    table = table_of(*shapes)
    nodes = [table._methods[Method.GET].tries[depth + 1]]
    for node in nodes:  # grows while it is walked
        nodes += [*node.literals.values()] + ([node.parameter] if node.parameter else [])
        node.literals = CountedSegments(node.literals)
    CountedSegments.asked = 0
    assert matched(table, b"/a" * depth + b"/other") is None
    assert CountedSegments.asked <= len(nodes)


def test_a_path_with_thousands_of_slashes_is_not_split_further_than_the_deepest_route() -> None:
    class Path(bytes):
        limits: ClassVar[list[int]] = []

        def split(self, separator: Any = None, maxsplit: Any = -1) -> list[bytes]:
            self.limits.append(maxsplit)
            return super().split(separator, maxsplit)

    path = Path(b"/a" * 4_000)
    assert table_of("/a/{x}/c").match(Method.GET, path) is None
    assert path.limits == [4]
