"""The snapshot, made of what is registered; and the indexes of routes' counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.frame import Method
from proxy.offer import Offer
from proxy.snapshot import Limits, RouteIndexes, Snapshot, make_snapshot
from proxy.targets.instance import Instance, RegisteredRoute, RouteKey

LIMITS = Limits(deadline_ms=10_000, deadline_ms_max=30_000)
A: RouteKey = (Method.GET, "/a")
B: RouteKey = (Method.GET, "/b")
C: RouteKey = (Method.POST, "/a")


def offer(deadline_ms: int | None) -> Offer:
    return Offer(
        slot=1,
        connection=1,
        endpoint_id=1,
        deadline_ms=deadline_ms,
        idempotent=False,
        streams=False,
        instance=Instance("billing", "b-1", 1, 0.0),
    )


def snapshot_of(*deadlines: int | None) -> Snapshot:
    offers = tuple(offer(deadline_ms) for deadline_ms in deadlines)
    return make_snapshot({A: RegisteredRoute(Method.GET, "/a", offers, len(offers))}, {A: 5}, LIMITS, 3)


def test_a_route_is_as_it_was_registered() -> None:
    registered = RegisteredRoute(Method.GET, "/a/{id}", (offer(None),), 1)
    key = (Method.GET, "/a/{}")
    snapshot = make_snapshot({key: registered}, {key: 5}, LIMITS, 3)
    (route,) = snapshot.table.routes
    assert (route.index, route.method, route.template) == (5, Method.GET, "/a/{id}")
    assert route.offers is registered.offers
    assert (snapshot.limits, snapshot.revision) == (LIMITS, 3)
    assert snapshot.table.match(Method.GET, b"/a/1") is route


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
    (route,) = snapshot_of(*deadlines).table.routes
    assert route.deadline_ms == deadline_ms


def test_a_snapshot_does_not_change() -> None:
    snapshot = snapshot_of()
    with pytest.raises(AttributeError):
        snapshot.revision = 4  # type: ignore[misc]
    with pytest.raises(AttributeError):
        LIMITS.deadline_ms = 1  # type: ignore[misc]


def test_each_route_has_an_index_of_its_own() -> None:
    assert RouteIndexes(3).assign([A, B, C]) == ({A: 0, B: 1, C: 2}, [])


def test_a_route_that_comes_back_has_its_index_again() -> None:
    indexes = RouteIndexes(3)
    indexes.assign([A, B])
    assert indexes.assign([B]) == ({B: 1}, [])
    assert indexes.assign([A, B]) == ({A: 0, B: 1}, [])


def test_a_new_route_takes_an_index_that_was_never_given_first() -> None:
    indexes = RouteIndexes(2)
    indexes.assign([A])
    assert indexes.assign([B]) == ({B: 1}, [])


def test_the_longest_gone_loses_its_index_and_that_is_told() -> None:
    indexes = RouteIndexes(2)
    indexes.assign([A, B])
    indexes.assign([A])
    indexes.assign([])
    assert indexes.assign([C]) == ({C: 1}, [1])  # B was gone before A
    assert indexes.assign([A, C]) == ({A: 0, C: 1}, [])


def test_of_two_that_are_gone_as_long_both_can_be_replaced_at_once() -> None:
    indexes = RouteIndexes(2)
    indexes.assign([A, B])
    given, reused = indexes.assign([C, (Method.PUT, "/a")])
    assert sorted(given.values()) == sorted(reused) == [0, 1]


def test_a_route_that_stays_never_loses_its_index() -> None:
    indexes = RouteIndexes(2)
    indexes.assign([A, B])
    assert indexes.assign([C, B])[0] == {C: 0, B: 1}


KEYS = st.lists(
    st.tuples(st.sampled_from([Method.GET, Method.POST]), st.sampled_from("abcdef")), unique=True, max_size=4
)


@given(st.lists(KEYS, max_size=12))
def test_indexes_are_unique_in_range_stable_and_told_when_reused(rounds: list[list[RouteKey]]) -> None:
    indexes, before, owner = RouteIndexes(4), dict[RouteKey, int](), dict[int, RouteKey]()
    for keys in rounds:
        given_now, reused = indexes.assign(keys)
        assert list(given_now) == keys
        assert len(set(given_now.values())) == len(keys)
        assert all(0 <= index < 4 for index in given_now.values())
        assert all(before[key] == index for key, index in given_now.items() if key in before)
        for key, index in given_now.items():
            assert (index in reused) == (index in owner and owner[index] != key)
            owner[index] = key
        before = given_now
