"""Routes, made of what is registered; and the indexes of their counts."""

from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from frames.endpoint import EndpointOffer
from frames.frame import Method
from frames.wire_values import HEAD_HAS_TENANT
from proxy.gateway.assembly import Assembly, RouteIndexes
from proxy.gateway.terms import Terms
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer
from proxy.request.route_policy import Access
from proxy.request.snapshot import Limits
from proxy.request.stage import Stage, for_flags, for_odd_heads, for_routes
from proxy.route.hosts import HostRules
from proxy.route.regions import Regions
from proxy.route.rules import Policies
from proxy.route.table import Route
from proxy.targets.instance import Instance, RegisteredRoute, RouteKey

LIMITS = Limits(deadline_ms=10_000, deadline_ms_max=30_000)


def offer(deadline_ms: int | None = None, *, streams: bool = False) -> Offer:
    return Offer(
        slot=1,
        connection=1,
        endpoint_id=1,
        deadline_ms=deadline_ms,
        idempotent=False,
        streams=streams,
        instance=Instance("billing", "b-1", 1, 0.0),
        declared=EndpointOffer(id=1, method="GET", path="/a", deadline_ms=deadline_ms),
    )


def key(path: str, method: Method = Method.GET, service: str = "billing") -> RouteKey:
    return (method, path, service)


def registered(path: str, *offers: Offer, service: str = "billing") -> RegisteredRoute:
    return RegisteredRoute(Method.GET, path, offers, len(offers), service, offers)


def terms(limits: Limits = LIMITS, hosts: HostRules | None = None) -> Terms:
    return made_terms(limits=limits, hosts=hosts)


def made_terms(stages: tuple[Stage, ...] = (), limits: Limits = LIMITS, hosts: HostRules | None = None) -> Terms:
    policies = Policies(undeclared=Access.PUBLIC)
    return Terms(stages=stages, limits=limits, hosts=hosts or HostRules(), regions=Regions("local"), policies=policies)


class Bench:
    """An assembly, and what is registered."""

    def __init__(self, routes_max: int = 8, hosts: HostRules | None = None) -> None:
        self.reset: list[int] = []
        self.assembly = Assembly(terms(hosts=hosts), routes_max, reset=self.reset.append)
        self.there: dict[RouteKey, RegisteredRoute] = {}

    def put(self, *paths: str) -> None:
        self.there |= {key(path): registered(path, offer()) for path in paths}
        self.assembly.change(self.there, [key(path) for path in paths])

    def drop(self, *paths: str) -> None:
        for path in paths:
            del self.there[key(path)]
        self.assembly.change(self.there, [key(path) for path in paths])

    @property
    def indexes(self) -> dict[str, int]:
        return {route.template: route.index for route in self.assembly.snapshot.routes}


def route_of(*offers: Offer, limits: Limits = LIMITS) -> Route:
    return terms(limits).route(5, registered("/a/{id}", *offers))


def test_a_route_is_as_it_was_registered() -> None:
    one = offer()
    route = route_of(one)
    assert (route.index, route.method, route.template, route.service) == (5, Method.GET, "/a/{id}", "billing")
    assert route.offers == (one,)
    assert not route.streams
    assert route_of(one, offer(streams=True)).streams


@pytest.mark.parametrize(
    ("deadlines", "deadline_ms"),
    [
        ((), 10_000),
        ((None,), 10_000),
        ((None, None), 10_000),
        ((2_000,), 2_000),
        ((20_000,), 20_000),
        ((60_000,), 30_000),
        ((2_000, 3_000), 2_000),
        ((None, 3_000), 3_000),
    ],
)
def test_the_strictest_deadline_of_a_routes_services(deadlines: tuple[int | None, ...], deadline_ms: int) -> None:
    assert route_of(*map(offer, deadlines)).deadline_ms == deadline_ms


def test_a_route_has_the_stages_that_have_something_to_say() -> None:
    def always(exchange: Exchange) -> None: ...

    @for_odd_heads
    def odd(exchange: Exchange) -> None: ...

    @for_flags(HEAD_HAS_TENANT)
    def tenants(exchange: Exchange) -> None: ...

    @for_routes(lambda route: route.streams)
    def streaming(exchange: Exchange) -> None: ...

    made = made_terms((streaming, odd, tenants, always))
    plain, streams = made.route(0, registered("/a", offer())), made.route(1, registered("/b", offer(streams=True)))
    assert (plain.stages, plain.usual_stages) == ((odd, tenants, always), (tenants, always))
    assert (streams.stages, streams.usual_stages) == ((streaming, odd, tenants, always), (streaming, tenants, always))
    assert (plain.plain_stages, streams.plain_stages) == ((always,), (streaming, always))


def test_what_changes_is_made_again_and_nothing_else() -> None:
    bench = Bench()
    bench.put("/a", "/b")
    before = bench.assembly.snapshot
    bench.put("/b")
    after = bench.assembly.snapshot
    assert after.revision == before.revision + 1
    assert after.table.match(Method.GET, b"/a") is before.table.match(Method.GET, b"/a")
    assert after.table.match(Method.GET, b"/b") is not before.table.match(Method.GET, b"/b")
    bench.drop("/a")
    assert bench.assembly.snapshot.table.match(Method.GET, b"/a") is None
    assert after.table.match(Method.GET, b"/a") is not None


def test_a_snapshot_does_not_change() -> None:
    snapshot = Bench().assembly.snapshot
    with pytest.raises(AttributeError):
        snapshot.revision = 4  # type: ignore[misc]
    with pytest.raises(AttributeError):
        LIMITS.deadline_ms = 1  # type: ignore[misc]


def test_two_services_may_have_one_path_at_different_hosts() -> None:
    bench = Bench(hosts=HostRules({"a.test": ["billing"], "b.test": ["orders"]}))
    keys = [key("/x"), key("/x", service="orders")]
    bench.there = {one: registered("/x", offer(), service=one[2]) for one in keys}
    bench.assembly.change(bench.there, keys)
    tables = bench.assembly.snapshot.tables
    for host, service in ((b"a.test", "billing"), (b"b.test", "orders")):
        table = tables.table(host)
        assert table is not None
        route = table.match(Method.GET, b"/x")
        assert route is not None
        assert route.service == service
    assert len(bench.assembly.snapshot.routes) == 2


# ---- other terms ----


async def test_other_terms_hold_for_every_route_at_once() -> None:
    bench = Bench()
    bench.put("/a", "/b")
    before = bench.assembly.snapshot
    await bench.assembly.replace(terms(Limits(1_000, 2_000)), lambda: bench.there)
    assert {route.deadline_ms for route in before.routes} == {10_000}
    assert {route.deadline_ms for route in bench.assembly.snapshot.routes} == {1_000}
    assert bench.assembly.snapshot.limits.deadline_ms == 1_000
    assert {route.template: route.index for route in before.routes} == bench.indexes
    bench.put("/c")
    assert {route.deadline_ms for route in bench.assembly.snapshot.routes} == {1_000}


async def test_what_changes_meanwhile_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.assembly.SLICE_S", -1.0)  # others run between any two routes
    bench = Bench(routes_max=20)
    bench.put(*(f"/{number}" for number in range(10)))

    async def disturb() -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        bench.drop("/0", "/9")
        bench.put("/new")
        assert bench.assembly.snapshot.limits is LIMITS

    async with trio.open_nursery() as nursery:
        nursery.start_soon(disturb)
        await bench.assembly.replace(terms(Limits(1_000, 2_000)), lambda: dict(bench.there))
    assert sorted(bench.indexes) == ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/new"]
    assert len(set(bench.indexes.values())) == 9
    assert {route.deadline_ms for route in bench.assembly.snapshot.routes} == {1_000}


async def test_terms_that_were_given_up_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.assembly.SLICE_S", -1.0)
    bench = Bench()
    bench.put("/a", "/b")
    before = bench.assembly.snapshot
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.assembly.replace(terms(Limits(1_000, 2_000)), lambda: bench.there)
    assert scope.cancelled_caught
    assert bench.assembly.snapshot is before
    bench.put("/c")
    assert {route.deadline_ms for route in bench.assembly.snapshot.routes} == {10_000}


# ---- indexes ----


def enter(indexes: RouteIndexes, *paths: str) -> list[tuple[int, bool]]:
    return [indexes.enter(key(path)) for path in paths]


def leave(indexes: RouteIndexes, *paths: str) -> None:
    for path in paths:
        indexes.leave(key(path))


def test_each_route_has_an_index_of_its_own() -> None:
    assert enter(RouteIndexes(3), "/a", "/b", "/a", "/c") == [(0, False), (1, False), (0, False), (2, False)]


def test_a_route_that_comes_back_has_its_index_again() -> None:
    indexes = RouteIndexes(3)
    enter(indexes, "/a", "/b")
    leave(indexes, "/a")
    assert enter(indexes, "/c", "/a") == [(2, False), (0, False)]


def test_the_longest_gone_loses_its_index_and_that_is_told() -> None:
    bench = Bench(routes_max=2)
    bench.put("/a", "/b")
    bench.drop("/b")
    bench.drop("/a")
    bench.put("/c")
    assert (bench.indexes, bench.reset) == ({"/c": 1}, [1])
    bench.put("/a")
    assert (bench.indexes, bench.reset) == ({"/a": 0, "/c": 1}, [1])


def test_one_that_goes_makes_room_for_one_that_comes_with_it() -> None:
    bench = Bench(routes_max=1)
    bench.put("/a")
    bench.there = {key("/b"): registered("/b", offer())}
    bench.assembly.change(bench.there, [key("/b"), key("/a")])
    assert (bench.indexes, bench.reset) == ({"/b": 0}, [0])


@given(st.lists(st.sets(st.sampled_from("abcdef"), max_size=4), max_size=12))
def test_indexes_are_unique_in_range_stable_and_told_when_reused(rounds: list[set[str]]) -> None:
    indexes, before, owner = RouteIndexes(4), dict[str, int](), dict[int, str]()
    for paths in rounds:
        leave(indexes, *(before.keys() - paths))
        now: dict[str, int] = {}
        for path in sorted(paths):
            ((now[path], is_reused),) = enter(indexes, path)
            assert is_reused == (owner.get(now[path], path) != path)
        assert unique_in_range(now.values())
        assert all(before[path] == index for path, index in now.items() if path in before)
        owner |= {index: path for path, index in now.items()}
        before = now


def unique_in_range(indexes: Iterable[int]) -> bool:
    given_now = list(indexes)
    return len(set(given_now)) == len(given_now) and all(0 <= index < 4 for index in given_now)
