"""Lists of several workers: one row for each thing, in order, a page at a time."""

import random
from typing import Any

import pytest

from proxy.admin.state import Rows
from proxy.merged.rows import Row, merge_routes, merge_services


def instance(name: str = "billing/a", **changes: Any) -> Row:
    service, _, instance = name.partition("/")
    return {
        "service": service,
        "version": "1.0.0",
        "instance": instance,
        "region": "local",
        "peer": "127.0.0.1:1",
        "by": "dialled in",
        "connections": 1,
        "health": "healthy",
        "why": "",
        "breaker": "",
        "endpoint_breakers": {},
        "in_flight": 0,
        "latency_us": 0,
        "load_percent": None,
        "unsent_bytes": 0,
        "endpoints": 3,
        "connected_s": 1.0,
        **changes,
    }


def route(path: str = "/a", **changes: Any) -> Row:
    return {
        "method": "GET",
        "path": path,
        "service": "billing",
        "hosts": ["*"],
        "versions": [{"version": "1.0.0", "default": True, "instances": ["a"]}],
        "concurrency": None,
        "responses": {"2xx": 1, "3xx": 0, "4xx": 0, "5xx": 0},
        **changes,
    }


def one_instance(**rows: Row) -> Row:
    """The row of an instance that workers see so; an empty one: not at all. ``w0_1`` is worker 0.1."""
    pages = {name.removeprefix("w").replace("_", "."): Rows([row] if row else []) for name, row in rows.items()}
    (merged,) = merge_services(pages, 10).rows
    return dict(merged)


def test_one_worker_alone_changes_nothing_but_that_it_is_named() -> None:
    row = instance(in_flight=3, latency_us=170, load_percent=12.5, breaker="open for 2 s")
    assert one_instance(w0_1=row) == {**row, "workers": ["0.1"]}


def test_counts_are_added_up_and_latencies_are_not() -> None:
    merged = one_instance(
        w0_1=instance(in_flight=3, connections=1, unsent_bytes=10, latency_us=100, connected_s=9.0),
        w1_1=instance(in_flight=4, connections=2, unsent_bytes=20, latency_us=300, connected_s=2.0, load_percent=7.0),
        w2_1=instance(latency_us=0),  # nothing was measured there
    )
    assert {name: merged[name] for name in ("in_flight", "connections", "unsent_bytes", "latency_us")} == {
        "in_flight": 7,
        "connections": 4,
        "unsent_bytes": 30,
        "latency_us": 200,
    }
    assert (merged["connected_s"], merged["load_percent"], merged["workers"]) == (9.0, 7.0, ["0.1", "1.1", "2.1"])


@pytest.mark.parametrize(
    ("first", "second", "health"),
    [
        ("healthy", "degraded", "degraded"),
        ("unhealthy", "degraded", "unhealthy"),
        ("draining", "unhealthy", "draining"),
        ("healthy", "healthy", "healthy"),
    ],
)
def test_the_worst_health_is_told(first: str, second: str, health: str) -> None:
    assert one_instance(w0_1=instance(health=first), w1_1=instance(health=second))["health"] == health


def test_why_says_which_workers_see_it_so_where_others_do_not() -> None:
    ill = instance(health="unhealthy", why="nothing was heard of it for 31.0 s")
    assert one_instance(w0_1=instance(), w1_1=ill)["why"] == "nothing was heard of it for 31.0 s (in worker 1.1)"
    assert one_instance(w0_1=ill, w1_1=ill)["why"] == "nothing was heard of it for 31.0 s"


def test_an_instance_that_is_not_with_every_worker_is_told_as_such() -> None:
    assert one_instance(w0_1=instance(), w1_1={}, w2_4={})["why"] == "it is not connected to workers 1.1, 2.4"
    assert one_instance(w0_1=instance(), w1_1={})["why"] == "it is not connected to worker 1.1"


def test_breakers_are_each_workers_own() -> None:
    merged = one_instance(
        w0_1=instance(breaker="open", endpoint_breakers={"GET /a": "open", "GET /b": "open"}),
        w1_1=instance(endpoint_breakers={"GET /b": "half-open"}),
    )
    assert merged["breaker"] == "open (in worker 0.1)"
    assert merged["endpoint_breakers"] == {"GET /a": "open (in worker 0.1)", "GET /b": "open"}


def test_a_route_has_the_responses_and_instances_of_all_workers() -> None:
    first = route(
        responses={"2xx": 5, "3xx": 0, "4xx": 1, "5xx": 0},
        versions=[{"version": "2.0.0", "default": True, "instances": ["a", "b (draining)"]}],
    )
    second = route(
        responses={"2xx": 7, "3xx": 0, "4xx": 0, "5xx": 2},
        versions=[
            {"version": "1.0.0", "default": True, "instances": ["c"]},
            {"version": "2.0.0", "default": False, "instances": ["a", "d"]},
        ],
    )
    (merged,) = merge_routes({"0.1": Rows([first]), "1.1": Rows([second])}, 10).rows
    assert merged["responses"] == {"2xx": 12, "3xx": 0, "4xx": 1, "5xx": 2}
    assert merged["versions"] == [
        {"version": "2.0.0", "default": True, "instances": ["a", "b (draining)", "d"]},
        {"version": "1.0.0", "default": True, "instances": ["c"]},
    ]


def test_what_goes_on_at_a_limit_is_added_up_and_the_limit_is_told_as_each_worker_has_it() -> None:
    def standing(in_flight: int, waiting: int, *, is_standing: bool) -> Row:
        limits = {"route_max": 8, "service_max": None, "service_ms": 1.5}
        return route(concurrency={**limits, "in_flight": in_flight, "waiting": waiting, "is_standing": is_standing})

    pages = {"0.1": Rows([standing(8, 2, is_standing=True)]), "1.1": Rows([standing(3, 0, is_standing=False)])}
    (merged,) = merge_routes(pages, 10).rows
    assert merged["concurrency"] == {
        "route_max": 8,
        "service_max": None,
        "service_ms": 1.5,
        "in_flight": 11,
        "waiting": 2,
        "is_standing": True,
    }


def test_no_rows_are_no_page() -> None:
    assert merge_services({"0.1": Rows([]), "1.1": Rows([])}, 10) == Rows([], None)


@pytest.mark.parametrize("seed", range(20))
def test_pages_of_any_size_show_everything_once_and_in_order(seed: int) -> None:
    """Whatever each worker has: pages put together are the list of all, as one worker with everything would say it."""
    rng = random.Random(seed)
    lists = {
        f"{slot}.1": sorted(f"s{rng.randrange(4)}/i{rng.randrange(30):02}" for _ in range(rng.randrange(40)))
        for slot in range(rng.randrange(1, 4))
    }
    lists = {worker: sorted(set(names)) for worker, names in lists.items()}
    limit, after, seen = rng.randrange(1, 12), "", []
    while True:
        pages = {}
        for worker, names in lists.items():  # as `Lists.services` gives them
            behind = [name for name in names if name > after]
            more = len(behind) > limit
            pages[worker] = Rows([instance(name) for name in behind[:limit]], behind[limit - 1] if more else None)
        merged = merge_services(pages, limit)
        assert len(merged.rows) <= limit
        seen += [f"{row['service']}/{row['instance']}" for row in merged.rows]
        for row in merged.rows:
            name = f"{row['service']}/{row['instance']}"
            assert row["workers"] == [worker for worker, names in lists.items() if name in names]
        if merged.next is None:
            break
        after = merged.next
    assert seen == sorted({name for names in lists.values() for name in names})
