"""Host rules: which services a host has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames.frame import Method
from proxy.route.hosts import HOST_BYTES_MAX, HostRules, HostTables, HostTablesBuilder, host_name, services_overlap
from proxy.route.table import Route, RouteError

RULES = HostRules(
    {
        "api.example.com": ["api", "both"],
        "*.Example.com.": ["sites"],
        "*.eu.example.com": ["eu", "both"],
        "[::1]": ["local"],
        "xn--bcher-kva.example": ["books"],
    }
)
SERVICES = ["api", "both", "sites", "eu", "local", "books", "unlisted"]
ROUTES = [
    Route(number, Method.GET, "/x" if name != "both" else "/both", service=name) for number, name in enumerate(SERVICES)
]
TABLES = HostTables(RULES, ROUTES)


def service_at(tables: HostTables, host: bytes) -> str | None:
    """Return whose /x it is; None for a host that is nobody's."""
    table = tables.table(host)
    route = table.match(Method.GET, b"/x") if table else None
    return route.service if route else None


@pytest.mark.parametrize(
    ("host", "service"),
    [
        (b"api.example.com", "api"),
        (b"API.example.COM", "api"),
        (b"api.example.com:8443", "api"),
        (b"api.example.com.", "api"),
        (b"Api.Example.com.:80", "api"),
        (b"www.example.com", "sites"),
        (b"a.b.example.com", "sites"),
        (b"x.api.example.com", "sites"),
        (b"eu.example.com", "sites"),
        (b"www.eu.example.com", "eu"),
        (b"[::1]", "local"),
        (b"[::1]:8080", "local"),
        (b"xn--bcher-kva.example", "books"),
        (b"example.com", None),
        (b".example.com", None),
        (b"example.com.evil.example", None),
        (b"apiXexample.com", None),
        (b"evilexample.com", None),
        (b"api.example.com..", None),
        (b"%61pi.example.org", None),
        (b"*.example.org", None),
        (b"[::2]", None),
        (b"[::1", None),
        (b"", None),
        (b" unlisted", None),
        (b"a." * HOST_BYTES_MAX + b"example.com", None),
    ],
)
def test_whose_host_it_is(host: bytes, service: str | None) -> None:
    assert service_at(TABLES, host) == service


def test_any_other_host_is_the_stars() -> None:
    tables = HostTables(HostRules({"a.example": ["a"], "*": ["b"]}), [Route(0, 1, "/x", service="b")])
    assert service_at(tables, b"c.example") == service_at(tables, b"") == "b"
    assert service_at(tables, b"a.example") is None
    assert tables.sole is None


def test_without_rules_there_is_one_table() -> None:
    tables = HostTables(HostRules(), [Route(0, 1, "/x", service="a")])
    assert tables.sole is tables.table(b"anything")
    assert service_at(tables, b"anything") == "a"


def test_all_routes_are_told_once_those_that_no_host_reaches_too() -> None:
    assert sorted(route.index for route in TABLES.routes) == list(range(len(ROUTES)))
    assert RULES.unlisted(SERVICES) == ("unlisted",)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("api", "both", True),
        ("both", "eu", True),
        ("api", "eu", False),
        ("api", "sites", False),
        ("sites", "eu", False),
        ("unlisted", "api", False),
        ("api", "api", True),
    ],
)
def test_whether_two_services_have_a_host_in_common(one: str, other: str, overlap: bool) -> None:
    assert services_overlap(RULES, one, other) is services_overlap(RULES, other, one) is overlap
    assert services_overlap(HostRules(), one, other)


def test_two_services_at_one_host_cannot_have_one_path() -> None:
    rules = HostRules({"a.example": ["one", "other"]})
    routes = [Route(0, 1, "/x/{a}", service="one"), Route(1, 1, "/x/{b}", service="other")]
    with pytest.raises(RouteError, match=r"GET '/x/\{b\}' of 'other' belongs to 'one' already"):
        HostTables(rules, routes)
    with pytest.raises(RouteError, match="belongs to 'one' already"):
        HostTables(rules, routes[:1]).changed(routes[1:])
    assert HostTables(rules, routes[:1]).changed(routes[1:], routes[:1]).routes == (routes[1],)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a.example:80",
        "*.*.example",
        "a.*",
        "*a.example",
        ".example",
        "a..b",
        "http://a",
        "a/b",
        "-a",
        "b\u00fccher",
        "a" * 64,
        "a." * 127 + "com",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(RouteError, match="is no host pattern: write a host without its port"):
        HostRules({pattern: ["a"]})


def test_a_pattern_that_is_there_twice() -> None:
    with pytest.raises(RouteError, match=r"'A\.example\.' is there twice"):
        HostRules({"a.example": ["a"], "A.example.": ["b"]})


def test_a_change_touches_the_hosts_of_its_services_alone() -> None:
    changed = TABLES.changed([Route(99, Method.GET, "/new", service="both")], [ROUTES[2]])
    api, sites = b"api.example.com", b"www.example.com"
    assert changed.table(b"[::1]") is TABLES.table(b"[::1]")
    for tables, host, path, is_there in (
        (changed, api, b"/new", True),
        (changed, b"www.eu.example.com", b"/new", True),
        (changed, sites, b"/x", False),
        (TABLES, api, b"/new", False),
        (TABLES, sites, b"/x", True),
    ):
        table = tables.table(host)
        assert table is not None
        assert (table.match(Method.GET, path) is not None) is is_there


def test_tables_are_built_route_by_route() -> None:
    builder = HostTablesBuilder(RULES)
    for route in ROUTES:
        builder.add(route)
    with pytest.raises(RouteError, match="match the same paths"):
        builder.add(Route(50, Method.GET, "/x", service="api"))
    assert service_at(builder.build(), b"api.example.com") == "api"


LABELS = st.sampled_from(["a", "b", "c"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = HOSTS | HOSTS.map("*.{}".format) | st.just("*")


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=10, unique=True), HOSTS)
def test_the_nearest_pattern_wins(patterns: list[str], host: str) -> None:
    tables = HostTables(
        HostRules({pattern: [pattern] for pattern in patterns}),
        [Route(number, 1, "/x", service=pattern) for number, pattern in enumerate(patterns)],
    )
    below = [p for p in patterns if p.startswith("*.") and host.endswith(p[1:])]
    best = host if host in patterns else max(below, key=len, default="*" if "*" in patterns else None)
    assert service_at(tables, host.encode()) == best


@pytest.mark.parametrize(
    ("host", "name"), [(b"A:80", b"a"), (b"a.", b"a"), (b"[AB::]:1", b"[ab::]"), (b"", b""), (b"a", b"a")]
)
def test_the_name_of_a_host(host: bytes, name: bytes) -> None:
    assert host_name(host) == name
