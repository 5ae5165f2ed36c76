"""Figures of several workers become those of all: nothing is lost, nothing is told twice, and no total ever falls."""

import random
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import msgspec
import pytest
from metrics_page import render

from proxy.admin.figure_rules import RULE, TOTAL
from proxy.admin.figures import (
    AdmissionFigures,
    BodyFigures,
    CacheFigures,
    DialledFigures,
    Figures,
    GateFigures,
    IdentityFigures,
    InstanceFigures,
    IssuerFigures,
    RegistryFigures,
    ReloadFigures,
    RouteFigures,
    TlsFigures,
)
from proxy.admin.merging import forget_absent, left_behind, merge_figures, pack, unpack
from proxy.admin.traffic_figures import Distribution, LoopFigures, ProcessFigures, WorkerFigures, WorkforceFigures

ONE = Figures(
    "1.2.3",
    True,
    [RouteFigures("GET", "/a", (0, 0, 5, 0, 1, 0), Distribution([1, 6], 2.5), {"1.0": 0.9}, "billing", in_flight=2)],
    {"no_route": 3},
    {"requests": 10, "edge_open_now": 4, "batch_requests_max": 7},
    [InstanceFigures("billing", "healthy", 2, "1.0", "b-1", (0, 0, 5, 0, 1, 0), Distribution([1, 6], 2.5))],
    bodies=BodyFigures(1, 100, 900, 2),
    tls=TlsFigures(5, 1, 2, {"version": 1}, certificate_seconds_left=500.0),
    identity=IdentityFigures(3, {"expired": 1}, issuers=[IssuerFigures("main", 2, 10.0, False, 4, 1)]),
    registry=RegistryFigures(routes=12, hellos=3, faults={"forbidden": 1}),
    dialled=DialledFigures(addresses=2, connections=5, hits=9, evictions={"idle": 1}),
    admission=AdmissionFigures(
        {("billing", "/a"): GateFigures(10, None, 3, 1)}, {"billing": (4, 0.5)}, {("billing", "full"): 2}, delay_s=0.25
    ),
    cache=CacheFigures(answers=3, requests={"hit": 5}),
    reloads=ReloadFigures(1, 0, 1_000.0, 2),
    loop=LoopFigures(Distribution([1, 2], 0.5), None, Distribution([2, 2], 9), 0.25, 0.125, 7),
    workforce=WorkforceFigures(workers=[WorkerFigures("0", "serving", ProcessFigures(41))]),
)
OTHER = Figures(
    "1.2.3",
    True,
    [
        RouteFigures("POST", "/a", (0, 0, 1, 0, 0, 0), service="billing"),
        RouteFigures("GET", "/a", (0, 0, 2, 0, 0, 1), Distribution([2, 3], 1.5), {"1.0": 0.8}, "billing", in_flight=1),
    ],
    {"no_route": 1, "deadline": 1},
    {"requests": 20, "edge_open_now": 1, "batch_requests_max": 6},
    [
        InstanceFigures("billing", "unhealthy", 1, "1.0", "b-1", (0, 0, 2, 0, 0, 1), Distribution([2, 3], 1.5)),
        InstanceFigures("billing", "healthy", 0, "1.0", "b-2"),
    ],
    bodies=BodyFigures(2, 50, 800, 1),
    tls=TlsFigures(1, 0, 1, {"version": 1, "silent": 4}),
    identity=IdentityFigures(1, {"expired": 2}, issuers=[IssuerFigures("main", 3, None, True, 1, 0)]),
    registry=RegistryFigures(routes=11, hellos=4),
    dialled=DialledFigures(addresses=2, connections=1, hits=1),
    admission=AdmissionFigures({("billing", "/a"): GateFigures(10, None, 2, 0)}, {"billing": (1, 0.25)}, delay_s=0.5),
    reloads=ReloadFigures(1, 1, 2_000.0, 3),
    loop=LoopFigures(Distribution([1, 1], 0.125), None, None, 0.5, 0.0, 5),
    workforce=WorkforceFigures(workers=[WorkerFigures("1", "serving", ProcessFigures(42))]),
)


def test_totals_and_what_there_is_now_are_added() -> None:
    both = merge_figures([ONE, OTHER])
    assert both.reasons == {"no_route": 4, "deadline": 1}
    assert both.wire == {"requests": 30, "edge_open_now": 5, "batch_requests_max": 7}
    assert (both.bodies.streams, both.bodies.held_bytes, both.bodies.refused) == (3, 150, 3)
    assert both.tls.failures == {"version": 2, "silent": 4}
    assert both.dialled.connections == 6
    assert both.admission.gates == {("billing", "/a"): GateFigures(20, None, 5, 1)}
    assert list(both.admission.waited["billing"]) == [5, 0.75]
    assert both.cache.requests == {"hit": 5}


def test_what_all_have_is_told_once() -> None:
    both = merge_figures([ONE, OTHER])
    assert (both.version, both.ready) == ("1.2.3", True)
    assert (both.registry.routes, both.dialled.addresses) == (12, 2)
    assert both.bodies.held_bytes_peak == 900
    assert both.tls.certificate_seconds_left == 500.0
    assert (both.admission.delay_s, both.loop.longest_turn_s) == (0.5, 0.5)
    assert both.loop.tasks == 12
    assert (both.reloads.applied_at, both.reloads.revision) == (2_000.0, 3)
    (issuer,) = both.identity.issuers
    assert (issuer.keys, issuer.age_s, issuer.is_stale, issuer.fetches) == (3, 10.0, True, 5)


def test_routes_and_instances_are_put_together_by_who_they_are() -> None:
    both = merge_figures([ONE, OTHER])
    get, post = both.routes
    assert (get.key, list(get.statuses), get.in_flight, get.shares) == (
        ("/a", "GET", "billing"),
        [0, 0, 7, 0, 1, 1],
        3,
        {"1.0": 0.9},
    )
    assert get.latency == Distribution([3, 9], 4.0)
    assert (post.key, post.latency) == (("/a", "POST", "billing"), None)
    first, second = both.instances
    assert (first.instance, first.health, first.in_flight, list(first.statuses)) == (
        "b-1",
        "unhealthy",
        3,
        [0, 0, 7, 0, 1, 1],
    )
    assert second.instance == "b-2"
    assert [worker.slot for worker in both.workforce.workers] == ["0", "1"]


def test_one_worker_is_told_as_it_is() -> None:
    assert merge_figures([ONE]) is ONE
    with pytest.raises(ValueError, match="no figures"):
        merge_figures([])


def test_in_whatever_order_they_are_put_together_it_comes_to_the_same() -> None:
    kinds = [ONE, OTHER, left_behind(ONE), left_behind(OTHER), OTHER]
    whole = lines_of(merge_figures(kinds))
    for seed in range(20):
        random.Random(seed).shuffle(kinds)
        first, *rest = kinds
        step_by_step = first
        for each in rest:
            step_by_step = merge_figures([step_by_step, each])
        assert lines_of(merge_figures(kinds)) == whole
        assert lines_of(step_by_step) == whole


def lines_of(figures: Figures) -> set[str]:
    lines = render(figures, "")[1].decode().splitlines()
    return {line for line in lines if not line.startswith("process_")}


def test_of_a_worker_that_has_ended_its_totals_stay() -> None:
    left = left_behind(ONE)
    assert left.wire == {"requests": 10, "batch_requests_max": 7}
    assert (left.bodies.streams, left.bodies.held_bytes, left.bodies.refused) == (0, 0, 2)
    assert (left.tls.certificate_seconds_left, left.tls.handshakes) == (None, 5)
    assert (left.workforce.workers, left.workforce.wanted) == ([], 0)
    after = merge_figures([OTHER, left])
    assert after.wire["requests"] == 30
    assert after.wire["edge_open_now"] == 1
    assert after.tls.certificate_seconds_left is None
    assert after.ready
    (first, _) = after.instances
    assert (first.health, first.in_flight, list(first.statuses)) == ("unhealthy", 1, [0, 0, 7, 0, 1, 1])
    assert (after.admission.gates["billing", "/a"].route_max, after.workforce.wanted) == (10, 1)


def test_what_a_worker_alone_had_is_forgotten_when_nobody_has_it() -> None:
    left = left_behind(OTHER)
    present = merge_figures([ONE, left])
    assert "b-2" not in render(present, "")[1].decode()
    kept = forget_absent(left, present)
    assert [(route.key, list(route.statuses)) for route in kept.routes] == [
        (("/a", "GET", "billing"), [0, 0, 2, 0, 0, 1])
    ]
    assert [instance.instance for instance in kept.instances] == ["b-1"]
    assert kept.reasons == left.reasons


@pytest.mark.parametrize("figures", [ONE, OTHER, left_behind(ONE), Figures("1", False, ())])
def test_figures_travel_as_msgpack(figures: Figures) -> None:
    assert lines_of(unpack(pack(figures))) == lines_of(figures)
    assert unpack(pack(unpack(pack(figures)))) == unpack(pack(figures))


def test_another_version_may_tell_less_or_more() -> None:
    old = msgspec.msgpack.decode(pack(ONE))
    del old["loop"]
    old["routes"][0]["of_the_future"] = {"a": 1}
    old["of_the_future"] = [1]
    read = unpack(msgspec.msgpack.encode(old))
    assert (read.loop, read.wire) == (LoopFigures(), ONE.wire)


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x90", pack(ONE)[:-1]])
def test_what_is_no_figures_is_said_to_be_none(packed: bytes) -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        unpack(packed)


def test_distributions_with_other_bounds_are_not_mixed() -> None:
    mixed = merge_figures(
        [
            Figures("1", True, [RouteFigures("GET", "/a", (0,) * 6, Distribution(within, 1.0))])
            for within in ([1, 2], [1])
        ]
    )
    assert mixed.routes[0].latency is not None
    assert mixed.routes[0].latency.within == [1, 2]


def kinds_of_figures(kind: type) -> set[type]:
    found = {kind}
    for hint in get_type_hints(kind).values():
        for part in (hint, *getattr(hint, "__args__", ())):
            if is_dataclass(part) and isinstance(part, type) and part not in found:
                found |= kinds_of_figures(part)
    return found


def test_what_is_there_now_is_not_a_total() -> None:
    """Words that say so in the names of fields."""
    gauges = ("now", "waiting", "in_flight", "streams", "sessions", "held_bytes", "dormant", "left", "connections")
    for kind in kinds_of_figures(Figures) - {WorkerFigures}:
        for each in fields(kind):
            if each.name in gauges:
                assert each.metadata.get(RULE, TOTAL) is not TOTAL, f"{kind.__name__}.{each.name}"


def test_the_sum_never_falls_while_workers_come_and_go() -> None:
    """As a ledger keeps it: who lives with what it says, who has gone with what it left behind."""
    draw = random.Random(7)
    alive: dict[int, int] = {1: 0}
    gone: list[Figures] = []
    told, born = 0, 1
    for _ in range(300):
        step: Any = draw.choice(["count", "count", "end", "begin"])
        if step == "count" and alive:
            alive[draw.choice(list(alive))] += draw.randrange(5)
        elif step == "end" and len(alive) > 1:
            gone.append(left_behind(figures_with(alive.pop(draw.choice(list(alive))))))
            gone = [merge_figures(gone)]
        else:
            born += 1
            alive[born] = 0
        whole = merge_figures([*(figures_with(count) for count in alive.values()), *gone])
        assert whole.wire["requests"] >= told
        told = whole.wire["requests"]
        assert whole.routes[0].statuses[2] == told
        assert whole.wire["edge_open_now"] == len(alive)


def figures_with(count: int) -> Figures:
    route = RouteFigures("GET", "/a", (0, 0, count, 0, 0, 0), service="billing")
    return Figures("1", True, [route], wire={"requests": count, "edge_open_now": 1})
