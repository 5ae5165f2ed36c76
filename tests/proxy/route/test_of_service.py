"""The table of one service follows the snapshot, and looks at nothing else."""

from frames.frame import Method
from proxy.request.snapshot import Limits, Snapshot
from proxy.route.hosts import HostRules, HostTables
from proxy.route.of_service import ServiceTables
from proxy.route.table import Route, RouteTable


def route(index: int, template: str, service: str = "stock") -> Route:
    return Route(index=index, method=Method.GET, template=template, service=service)


def snapshot(*routes: Route) -> Snapshot:
    return Snapshot(RouteTable(routes), Limits())


def found(endpoints: ServiceTables, at: Snapshot, path: bytes, service: str = "stock") -> Route | None:
    table = endpoints.table(service, at)
    return table.match(Method.GET, path) if table else None


def test_only_its_own() -> None:
    wide, other = route(0, "/{any...}"), route(1, "/a", "shop")
    endpoints, at = ServiceTables(), snapshot(wide, other)
    assert found(endpoints, at, b"/a") is wide
    assert found(endpoints, at, b"/a", "shop") is other
    assert endpoints.table("nobody", at) is None
    assert endpoints.table("stock", at) is endpoints.table("stock", at)


def test_it_follows_the_snapshot() -> None:
    endpoints, one, two = ServiceTables(), route(0, "/a"), route(1, "/b")
    assert found(endpoints, snapshot(one, two), b"/b") is two
    again, third = route(0, "/a"), route(2, "/c")
    at = snapshot(again, third)
    assert [found(endpoints, at, path) for path in (b"/a", b"/b", b"/c")] == [again, None, third]
    at = snapshot(route(0, "/other", "shop"))
    assert endpoints.table("stock", at) is None
    moved = route(0, "/moved")  # the index of a route that is gone is another's now
    assert found(endpoints, snapshot(moved), b"/moved") is moved
    swapped = route(0, "/b")
    at = snapshot(swapped)
    assert [found(endpoints, at, path) for path in (b"/b", b"/moved")] == [swapped, None]


def test_hosts_do_not_matter() -> None:
    rules = HostRules({"a.example": ["shop"]})
    hidden = route(0, "/a")
    at = Snapshot(RouteTable(), Limits(), 0, HostTables(rules, [hidden]))
    assert found(ServiceTables(), at, b"/a") is hidden


def test_nothing_is_made_anew_where_nothing_has_changed() -> None:
    endpoints, one = ServiceTables(), route(0, "/a")
    assert endpoints.table("stock", snapshot(one)) is endpoints.table("stock", snapshot(one, route(1, "/b", "shop")))
