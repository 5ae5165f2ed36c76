"""Groups: each service has a number, and each route counts for that of its service."""

from frames.wire_values import GROUPS_MAX
from proxy.gateway.service_groups import ServiceGroups


def test_routes_of_one_service_count_together_and_are_told_once() -> None:
    told: list[tuple[int, int]] = []
    groups = ServiceGroups(lambda route, group: told.append((route, group)))
    assert [groups.enter(5, "billing"), groups.enter(6, "billing"), groups.enter(7, "stock")] == [1, 1, 2]
    assert groups.enter(5, "billing") == 1
    assert told == [(5, 1), (6, 1), (7, 2)]


def test_an_index_that_is_given_to_a_route_of_another_service_counts_for_that() -> None:
    told: list[tuple[int, int]] = []
    groups = ServiceGroups(lambda route, group: told.append((route, group)))
    groups.enter(5, "billing")
    assert groups.enter(5, "stock") == 2
    assert groups.enter(5, "billing") == 1
    assert told == [(5, 1), (5, 2), (5, 1)]
    assert groups.services() == {"billing": 1, "stock": 2}


def test_what_comes_when_all_numbers_are_taken_is_not_counted() -> None:
    told: list[tuple[int, int]] = []
    groups = ServiceGroups(lambda route, group: told.append((route, group)))
    for number in range(1, GROUPS_MAX):
        assert groups.number(f"s{number}") == number
    assert groups.enter(1, "one-more") == 0
    assert told == []
    groups.enter(1, "s1")
    assert groups.enter(1, "one-more") == 0
    assert told == [(1, 1), (1, 0)]
