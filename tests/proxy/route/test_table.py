import sys
from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames.frame import Method
from frames.template import template_shape
from proxy.request.offer import Offer
from proxy.route.table import Route, RouteError, RouteTable, TableBuilder
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


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (b"/files", None),
        (b"/files/", "/files/{path...}"),
        (b"/files/a", "/files/{path...}"),
        (b"/files/a//b/", "/files/{path...}"),
        (b"/files/new", "/files/new"),
        (b"/files/new/", "/files/{path...}"),
        (b"/files/logs/7", "/files/logs/{id}"),
        (b"/files/logs/", "/files/{path...}"),
        (b"/files/logs/7/", "/files/{path...}"),
        (b"/files/deep/er/x/y", "/files/deep/er/{path...}"),
        (b"/files/deep/x/y", "/files/deep/{part}/y"),
        (b"/files/deep/x/z", "/files/{path...}"),
        (b"/files/deep/er/y", "/files/deep/er/{path...}"),
        (b"/7/edit/", "/{id}/edit/{rest...}"),
        (b"/7/edit", None),
        (b"/files/edit/1", "/files/{path...}"),
    ],
)
def test_a_wildcard_takes_what_nothing_better_does(path: bytes, template: str | None) -> None:
    table = table_of(
        "/files/{path...}",
        "/files/new",
        "/files/logs/{id}",
        "/files/deep/er/{path...}",
        "/files/deep/{part}/y",
        "/{id}/edit/{rest...}",
    )
    assert matched(table, path) == template


def test_a_wildcard_at_the_root_takes_everything_but_the_root_when_that_is_a_route() -> None:
    assert matched(table_of("/{all...}"), b"/") == "/{all...}"
    assert matched(table_of("/{all...}", "/"), b"/") == "/"
    assert matched(table_of("/{all...}", "/{one}"), b"/a/b") == "/{all...}"
    assert matched(table_of("/{all...}", "/{one}"), b"/a") == "/{one}"


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
        (["/a/{x...}/b"], "goes on after the wildcard"),
        (["/a/{x...}", "/a/{y...}"], "GET '/a/{y...}' and '/a/{x...}' match the same paths"),
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


def as_template(segments: list[str]) -> str:
    return "/" + "/".join(f"{{p{at}{s[1:-1]}}}" if s.startswith("{") else s for at, s in enumerate(segments))


TEMPLATES = st.builds(
    lambda segments, last: as_template([*segments, *last]),
    st.lists(SEGMENTS | st.just("{}"), max_size=4),
    st.lists(SEGMENTS | st.sampled_from(["{}", "{...}"]), min_size=1, max_size=1),
)
PATHS = st.lists(SEGMENTS | st.sampled_from(["", "d"]), min_size=1, max_size=6).map(lambda s: "/" + "/".join(s))
CHANGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([Method.GET, Method.HEAD, Method.POST]), TEMPLATES), max_size=12
)


def kind(segment: str) -> int:
    """What is less wins: a literal, a parameter, a wildcard."""
    return 0 if not segment.startswith("{") else 2 if segment.endswith("...}") else 1


def fits(template: str, path: str) -> bool:
    wanted, had = template.split("/"), path.split("/")
    if kind(wanted[-1]) == 2:
        wanted.pop()
        if len(had) <= len(wanted):
            return False
        had = had[: len(wanted)]
    pairs = zip(wanted, had, strict=False)
    return len(wanted) == len(had) and all(h != "" if kind(w) else w == h for w, h in pairs)


def expected(templates: Iterable[str], path: str) -> str | None:
    """The rule of precedence, without any cleverness: of all that match, the least from the left."""
    fitting = [template for template in templates if fits(template, path)]
    return min(fitting, key=lambda template: [*map(kind, template.split("/"))], default=None)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(TEMPLATES, max_size=30, unique_by=template_shape), st.lists(PATHS, max_size=20))
def test_the_rule_of_precedence_holds_for_any_routes(templates: list[str], paths: list[str]) -> None:
    table = table_of(*templates)
    for path in paths:
        assert matched(table, path.encode()) == expected(templates, path)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(CHANGES, max_size=5), st.lists(PATHS, min_size=1, max_size=20))
def test_a_changed_table_is_like_one_made_anew_and_the_old_one_stays(
    changes: list[list[tuple[bool, Method, str]]], paths: list[str]
) -> None:
    indexes = count()
    routes: dict[tuple[int, str], Route] = {}
    table = RouteTable()
    for change in changes:
        before, old = table, dict(routes)
        put: dict[tuple[int, str], Route] = {}
        gone: dict[tuple[int, str], Route] = {}
        for is_put, method, template in change:
            key: tuple[int, str] = (method, template_shape(template))
            if is_put:
                put[key] = Route(next(indexes), method, template)
            elif key in routes:
                gone[key] = routes[key]
        for key in gone:
            del routes[key]
        routes |= put
        table = before.changed(put.values(), gone.values())
        assert set(table.routes) == set(routes.values())
        for held, its in ((before, old), (table, routes)):
            for path in paths:
                assert_matches_as_if_made_anew(held, its, path)
    emptied = table.changed((), routes.values())
    assert all(not index.exact and not index.tails and index.root is None for index in emptied._by_method)


def assert_matches_as_if_made_anew(table: RouteTable, routes: dict[tuple[int, str], Route], path: str) -> None:
    by_method = {m: [route.template for (n, _), route in routes.items() if n == m] for m in Method}
    for method in (Method.GET, Method.POST):
        assert matched(table, path.encode(), method) == expected(by_method[method], path)
    heads = {template_shape(template): template for template in by_method[Method.GET] + by_method[Method.HEAD]}
    assert matched(table, path.encode(), Method.HEAD) == expected(heads.values(), path)


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
    root = table._by_method[Method.GET].root
    assert root is not None
    nodes = [root]
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


def test_a_change_shares_what_is_the_same() -> None:
    table = table_of("/a/{x}/b", "/c/{x}/d", "/e")
    before = table._by_method[Method.GET]
    after = table.changed([Route(7, Method.GET, "/c/{x}/e")])._by_method[Method.GET]
    assert before.root is not None
    assert after.root is not None
    assert after.root.literals[b"a"] is before.root.literals[b"a"]
    assert after.root.literals[b"c"] is not before.root.literals[b"c"]
    assert after.root.literals[b"c"].parameter is not before.root.literals[b"c"].parameter


def test_a_method_that_did_not_change_is_shared_whole() -> None:
    table = table_of("/a")
    assert table.changed([Route(7, Method.POST, "/a")])._by_method[Method.GET] is table._by_method[Method.GET]


def test_the_steps_of_a_change_do_not_grow_with_the_table() -> None:
    """Counted in calls of Python functions, which a machine's load does not change."""

    def calls_of_a_change(count: int) -> int:
        table = table_of(*(f"/s{n}/{{id}}/parts" for n in range(count)))
        added, removed = Route(count, Method.GET, "/new/{id}/parts"), table.routes[0]
        calls = 0

        def profile(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(profile)
        try:
            table.changed([added], [removed])
        finally:
            sys.setprofile(None)
        return calls

    assert calls_of_a_change(2_000) == calls_of_a_change(20)


def test_a_replaced_route_gives_its_index_back() -> None:
    first, second = Route(0, Method.GET, "/a/{x}"), Route(1, Method.GET, "/a/{y}")
    table = RouteTable([first]).changed([second])
    assert table.routes == (second,)
    assert table.changed([Route(0, Method.GET, "/b")]).match(Method.GET, b"/a/1") is second


def test_an_index_may_go_from_a_removed_route_to_a_new_one() -> None:
    first, second = Route(0, Method.GET, "/a"), Route(0, Method.GET, "/b")
    assert RouteTable([first]).changed([second], [first]).routes == (second,)


def test_a_change_that_contradicts_the_table_is_refused() -> None:
    table = table_of("/a", "/b")
    with pytest.raises(RouteError, match="index, 1"):
        table.changed([Route(1, Method.GET, "/c")])
    with pytest.raises(RouteError, match="GET '/c' cannot be removed: there is no such route"):
        table.changed([], [Route(9, Method.GET, "/c")])
    assert [route.template for route in table.routes] == ["/a", "/b"]


def test_a_table_is_built_route_by_route() -> None:
    builder = TableBuilder()
    for number in range(3):
        builder.add(Route(number, Method.GET, f"/{number}"))
    with pytest.raises(RouteError, match="match the same paths"):
        builder.add(Route(3, Method.GET, "/0"))
    table = builder.build()
    assert [route.template for route in table.routes] == ["/0", "/1", "/2"]


def test_a_route_is_found_by_its_template() -> None:
    table = table_of("/a", "/a/{x}", "/a/{x}/b", "/a/{x...}")
    for template in ("/a", "/a/{y}", "/a/{y}/b", "/a/{y...}"):
        route = table.find(Method.GET, template)
        assert route is not None
        assert template_shape(route.template) == template_shape(template)
    for template in ("/b", "/b/{x}", "/a/{x}/c", "/a/{x}/{y}", "/b/{x...}", "/a/{x}/b/{y}"):
        assert table.find(Method.GET, template) is None
    assert table.find(Method.POST, "/a") is None
