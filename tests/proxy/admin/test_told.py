"""Series are bounded: who has a name keeps it, and nothing is lost of the others."""

import random
from dataclasses import replace
from typing import Any

import pytest
from metrics_page import render, result_of
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.admin.figures import Figures, InstanceFigures, RouteFigures
from proxy.admin.metric_bounds import GATEWAY_BOUNDS_S, REQUEST_BOUNDS_S
from proxy.admin.metric_names import METRICS, SERVICES_MAX
from proxy.admin.metrics import Metrics
from proxy.admin.told import Names, Told, present_of
from proxy.admin.traffic_figures import Distribution, SeriesBounds
from proxy.admin.traffic_metrics import REFUSALS_MAX

TIMES = Distribution([1] * (len(REQUEST_BOUNDS_S) + 1), 0.5)
GATEWAY = Distribution([1] * (len(GATEWAY_BOUNDS_S) + 1), 0.5)


def route(path: str, count: int = 1, method: str = "GET") -> RouteFigures:
    return RouteFigures(method, path, (0, 0, count, 0, 0, 0), TIMES, {}, "billing", TIMES, GATEWAY, {"no_route": count})


def instance(name: str, count: int = 1, service: str = "billing") -> InstanceFigures:
    return InstanceFigures(service, "healthy", count, "1", name, (0, 0, count, 0, 0, 0), TIMES)


def test_routes_past_the_bound_are_told_together() -> None:
    routes = [route("/a"), route("/b", 2), route("/c", 3), route("/d", 4, "PUT")]
    first, gets, puts = result_of(Told().bounded(Figures("1", True, routes, bounds=SeriesBounds(1, 1)))).routes
    assert first is routes[0]
    assert (gets.path, gets.service, gets.method, list(gets.statuses)) == ("other", "other", "GET", [0, 0, 5, 0, 0, 0])
    assert gets.latency == Distribution([2] * 17, 1.0)
    assert gets.reasons == {"no_route": 5}
    assert (puts.path, puts.method, list(puts.statuses)) == ("other", "PUT", [0, 0, 4, 0, 0, 0])


@pytest.mark.parametrize(
    "change", [{"in_flight": 1}, {"reasons": {"no_route": 1}}, {"total": TIMES}, {"latency": TIMES}]
)
def test_of_the_others_nothing_is_lost(change: dict[str, Any]) -> None:
    silent = [RouteFigures("GET", f"/{number}", (0,) * 6) for number in range(5)]
    routes = [*silent[:3], replace(silent[3], **change), silent[4]]
    _, others = result_of(Told().bounded(Figures("1", True, routes, bounds=SeriesBounds(1, 1)))).routes
    for name, value in change.items():
        assert getattr(others, name) == value
    assert others.workers == 2, "those with anything, and the first"


def test_who_has_a_name_keeps_it_and_others_get_one_only_where_somebody_has_gone() -> None:
    names = Names()
    assert list(names.choose("ab", 2)) == ["a", "b"]
    assert list(names.choose("cab", 2)) == ["a", "b"]
    assert list(names.choose("cb", 2)) == ["a", "b"]  # there is no newcomer: a may come back
    assert list(names.choose("cbd", 2)) == ["b", "d"]  # c stays with the others, whose sum is not to fall
    assert list(names.choose("cbda", 2)) == ["b", "d"]


def test_another_bound_holds_at_once() -> None:
    names = Names()
    names.choose("abcd", 3)
    assert list(names.choose("abcd", 1)) == ["a"]
    assert list(names.choose("abcd", 4)) == ["a", "b", "c", "d"]
    assert list(names.choose("abcd", 0)) == []


@pytest.mark.parametrize("seed", range(20))
def test_no_more_than_the_bound_have_names_and_all_of_them_did_when_there_was_room(seed: int) -> None:
    draw, names, most = random.Random(seed), Names(), 5
    before: set[object] = set()
    for _ in range(200):
        present = draw.sample(range(12), draw.randrange(12))
        named = set(names.choose(present, most))
        assert len(named) <= most
        assert named >= before & set(present)
        before = named


def test_an_instance_that_is_replaced_is_told_once() -> None:
    figures = Figures("1", True, (), instances=[instance("b-1", 2), instance("b-1", 3)])
    there = result_of(present_of(figures)).instances
    assert [(one.instance, one.in_flight, list(one.statuses)) for one in there] == [("b-1", 5, [0, 0, 5, 0, 0, 0])]


def test_what_nobody_has_any_more_is_not_told() -> None:
    figures = Figures("1", True, [replace(route("/a"), workers=0)], instances=[replace(instance("b"), workers=0)])
    present = result_of(present_of(figures))
    assert (list(present.routes), list(present.instances)) == ([], [])


def series(figures: Figures) -> dict[str, int]:
    counts: dict[str, int] = {}
    for family in parse_text(render(figures, "")[1].decode()):
        counts[family.name] = len({(each.name, *sorted(each.labels.items())) for each in family.samples})
        assert counts[family.name] == len(family.samples), f"{family.name} tells something twice"
    return counts


def test_series_do_not_grow_with_what_services_choose() -> None:
    """Ten times as many routes, instances, services and reasons as there may be of series."""
    routes = [replace(route(f"/r{number}"), service=f"s{number}") for number in range(1_000)]
    instances = [instance(f"i{number}", service=f"s{number}") for number in range(6_000)]
    reasons = {f"reason_{number}": 1 for number in range(90)}
    bounds = SeriesBounds(100, 50)
    few = series(Figures("1", True, routes[:100], instances=instances[:50], bounds=bounds))
    many = series(
        Figures("1", True, [replace(each, reasons=reasons) for each in routes], instances=instances, bounds=bounds)
    )
    per_route = {"penstock_requests": 4, "penstock_route_requests_in_flight": 1}
    for name, count in per_route.items():
        assert (few[name], many[name]) == (100 * count, 101 * count)
    assert many["penstock_request_duration_seconds"] == 101 * (len(REQUEST_BOUNDS_S) + 3)
    assert many["penstock_instance_requests"] == 51 * 4
    assert many["penstock_instances"] == (SERVICES_MAX + 1) * 4
    assert many["penstock_service_requests_in_flight"] == SERVICES_MAX + 1
    assert many["penstock_route_refusals"] <= REFUSALS_MAX + 101
    assert sum(many.values()) < 20_000


def test_refusals_are_bounded_and_none_is_lost() -> None:
    reasons = {f"reason_{number}": 1 for number in range(90)}
    routes = [replace(route(f"/r{number}"), reasons=reasons) for number in range(200)]
    families = {family.name: family for family in parse_text(render(Figures("1", True, routes), "")[1].decode())}
    told = families["penstock_route_refusals"].samples
    assert sum(sample.value for sample in told) == 200 * 90
    assert len(told) <= REFUSALS_MAX + 200


def test_names_are_kept_from_page_to_page() -> None:
    metrics, bounds = Metrics(), SeriesBounds(1, 1)
    first = render(Figures("1", True, [route("/b")], bounds=bounds), "", metrics)[1]
    then = render(Figures("1", True, [route("/a"), route("/b")], bounds=bounds), "", metrics)[1]
    assert b'route="/b"' in first
    assert b'route="/b"' in then
    assert b'route="/a"' not in then


def test_every_label_is_one_that_is_bounded() -> None:
    """Whoever adds a label says here how many values it can have."""
    bounded = {
        *("route", "method", "service", "service_instance", "reason", "status_class"),  # by this module
        *("version", "git_sha", "scope", "limit", "callee", "caller", "fanout", "fault"),  # by bounded_samples
        *("health", "cause", "outcome", "result", "why", "hit", "reached", "known", "resumed", "served", "success"),
        *("after", "kind", "applied", "state", "output"),  # words of the gateway's own
        *("issuer", "worker"),  # as many as the settings say
    }
    assert {label for metric in METRICS for label in metric.labels} <= bounded
