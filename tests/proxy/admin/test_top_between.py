import math
import random
from typing import Any

import msgspec
import pytest
from top_support import instance, route, sample, worker

from frames.records import COARSE_COUNTS
from proxy.admin.latency import COUNTS, index_of
from proxy.admin.percentiles import coarse_bound_us, percentile_us, risen
from proxy.admin.top import Top
from proxy.admin.top_between import Wanted, top_between
from proxy.admin.top_sample import InstanceSample, TopSample, merged_samples, sparse


def between(before: TopSample, after: TopSample, **wanted: Any) -> Top:
    return top_between(before, after, Wanted(**wanted), ready=True, reasons=(), at=1.0)


def test_rates_are_of_the_time_in_between() -> None:
    top = between(sample(worker(10, 100)), sample(worker(12, 300)))
    assert (top.window_s, top.requests.rate, top.requests.rates["2xx"], top.requests.total) == (2.0, 100.0, 100.0, 300)
    assert [(each.worker, each.rate, each.up_s) for each in top.workers] == [("0.1", 100.0, 12.0)]


def test_a_moment_in_which_nothing_came() -> None:
    top = between(sample(worker(10, 100)), sample(worker(12, 100)))
    assert (top.requests.rate, top.requests.error_ratio, top.requests.took.p99_us) == (0.0, None, None)


def test_without_any_worker_there_is_nothing() -> None:
    top = between(sample(), sample())
    assert (top.window_s, top.requests.rate, top.workers, top.routes_now) == (0.0, 0.0, [], 0)


def test_workers_are_added_up() -> None:
    before = merged_samples([sample(worker(10, 100)), sample(worker(10, 5, name="1.1", pid=8))])
    after = merged_samples([sample(worker(11, 110)), sample(worker(11, 25, name="1.1", pid=8))])
    assert between(before, after).requests.rate == 30.0
    assert [(each.worker, each.rate) for each in between(before, after).workers] == [("0.1", 10.0), ("1.1", 20.0)]


def test_several_workers_have_the_name_of_the_gateway() -> None:
    one = msgspec.structs.replace(sample(worker(1)), gateway="gw-1-0.1")
    other = msgspec.structs.replace(sample(worker(1, name="1.1")), gateway="gw-1-1.1")
    assert merged_samples([one, other]).gateway == "gw-1"


def test_a_worker_that_was_replaced_counts_from_its_start_and_the_one_that_is_gone_not_at_all() -> None:
    before = sample(worker(10, 1_000_000))
    after = sample(worker(12, 50, name="0.2", pid=9, started_at_s=11.0))
    assert between(before, after).requests.rate == 50.0


def test_routes_are_the_busiest_first_with_the_times_of_the_window() -> None:
    before = sample(worker(10, routes=[route(5, times={100: 5})], routes_now=3))
    after = sample(
        worker(12, routes=[route(9, times={100: 5, 200: 4}), route(20, path="/new", times={50: 20})], routes_now=3)
    )
    top = between(before, after)
    assert [(each.path, each.rate, each.p50_us) for each in top.routes] == [("/new", 10.0, 50), ("/things", 2.0, 200)]
    assert top.routes_now == 3
    assert [each.path for each in between(before, after, limit=1).routes] == ["/new"]
    assert between(before, after, service="other").routes == []
    assert top.requests.took.p50_us == 50
    assert top.requests.took.p999_us == 200


def test_times_that_were_not_told_before_are_not_those_of_the_window() -> None:
    before = sample(worker(10, routes=[route(5, times=None)]))
    assert between(before, sample(worker(12, routes=[route(9)]))).routes[0].p50_us is None


def test_a_route_whose_counts_began_anew_counts_from_there() -> None:
    before = sample(worker(10, routes=[route(500)]))
    (row,) = between(before, sample(worker(12, routes=[route(4)]))).routes
    assert (row.rate, row.p50_us) == (2.0, 100)


def test_errors_are_5xx_and_what_no_service_answered() -> None:
    before = sample(worker(10, 0, routes=[route(0)]))
    totals = {"requests": 10, "responses_2xx": 6, "responses_5xx": 2}
    reasons = {"deadline": 1, "no_route": 1, "client_gone": 3}
    after = sample(worker(11, totals=totals, reasons=reasons, routes=[route(6, 2, refused=2, failed=1)]))
    top = between(before, after)
    assert (top.requests.rates["4xx"], top.requests.rates["5xx"]) == (4.0, 3.0)  # the client that left is a 499
    assert (top.routes[0].rate, top.routes[0].error_rate) == (10.0, 3.0)
    assert [(each.reason, each.status, each.rate) for each in top.refusals] == [
        ("client_gone", 499, 3.0),
        ("deadline", 504, 1.0),
        ("no_route", 404, 1.0),
    ]


def test_answers_that_no_client_has_got_are_no_errors() -> None:
    totals = {"requests": 10, "responses_2xx": 9, "responses_5xx": 3, "sent_again_answered": 2}
    top = between(sample(worker(10)), sample(worker(11, totals=totals)))
    assert top.requests.rates["5xx"] == 1.0
    assert top.requests.error_ratio == 0.1


def test_an_instance_is_one_row_however_many_workers_have_it() -> None:
    ill = instance(health="degraded", why="silent", in_flight=2, latency_us=300, load_percent=20.0)
    well = instance(in_flight=1, latency_us=100, load_percent=10.0)
    seen = sample(
        worker(10, instances=[well, instance("t-2")]), worker(10, name="1.1", pid=8, instances=[ill, instance("t-2")])
    )
    first, second = between(seen, seen).instances
    assert (first.instance, first.health, first.why, first.workers, first.connections) == (
        *("t-1", "degraded", "silent"),
        *(2, 2),
    )
    assert (first.in_flight, first.latency_us, first.load_percent, first.rate) == (3, 200, 20.0, None)
    assert second.instance == "t-2"
    assert between(seen, seen).instances_now == {"healthy": 1, "draining": 0, "degraded": 1, "unhealthy": 0}


def test_who_is_out_by_a_breaker_is_told_first() -> None:
    seen = sample(worker(10, instances=[instance("a", health="degraded"), instance("b", breaker="out for 2 s more")]))
    assert [each.instance for each in between(seen, seen).instances] == ["b", "a"]


def test_what_an_instance_answered() -> None:
    def at(second: float, seen: InstanceSample) -> TopSample:
        return sample(worker(second, instances=[seen]))

    before, after = instance(statuses=(10, 0, 0, 2)), instance(statuses=(30, 0, 0, 4))
    (row,) = between(at(10, before), at(12, after)).instances
    assert (row.rate, row.error_rate) == (11.0, 1.0)
    (row,) = between(at(10, after), at(12, before)).instances  # another connection has its place
    assert (row.rate, row.error_rate) == (6.0, 1.0)


def test_the_pool_is_told_where_there_is_one() -> None:
    assert between(sample(worker(1)), sample(worker(2))).pool is None
    before = worker(10, totals={"pool_hits": 5}, now={"pool_connections": 1.0}, evictions={"idle": 1})
    after = worker(12, totals={"pool_hits": 9}, now={"pool_connections": 3.0}, evictions={"idle": 5})
    pool = between(sample(before), sample(after)).pool
    assert pool is not None
    assert (pool.connections, pool.hit_rate, pool.eviction_rates) == (3, 2.0, {"idle": 2.0})


def test_breakers_of_all_workers_together() -> None:
    one = [("things", "instance", "open", 1)]
    seen = sample(worker(10, breakers=one), worker(10, name="1.1", pid=8, breakers=one))
    assert [(each.state, each.count) for each in between(seen, seen).breakers] == [("open", 2)]


def test_a_sample_goes_through_msgpack() -> None:
    seen = sample(
        worker(10, routes=[route(3, gateway_times={1: 3})], instances=[instance()], breakers=[("a", "b", "c", 1)])
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen), type=TopSample) == seen


def test_the_settings_that_all_workers_have_are_the_oldest() -> None:
    one, other = sample(worker(1)), msgspec.structs.replace(sample(worker(1)), revision=3)
    assert merged_samples([other, one]).revision == 1


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_those_of_the_values(seed: int) -> None:
    draw = random.Random(seed)
    values = sorted(int(draw.lognormvariate(6, 2)) for _ in range(2_000))
    counts = [0] * COUNTS
    for value in values:
        counts[index_of(value)] += 1
    found = sparse(tuple(counts))
    assert sum(found.values()) == len(values)
    for percent in (1, 50, 90, 99, 99.9, 100):
        exact = values[max(0, math.ceil(len(values) * percent / 100) - 1)]
        told = percentile_us(found, percent)
        assert told is not None
        assert exact <= told <= exact * 1.01 + 1


def test_the_coarser_rule() -> None:
    assert [coarse_bound_us(index) for index in (0, 31, 32, 33, 48, COARSE_COUNTS - 1)] == [
        0,
        31,
        33,
        35,
        67,
        2**27 - 1,
    ]
    before, after = worker(1, turns={0: 5}), worker(2, turns={0: 5, 32: 1})
    assert between(sample(before), sample(after)).workers[0].turn_p99_us == 33


def test_what_rose_and_what_began_anew() -> None:
    assert risen({1: 2, 3: 4}, {1: 2, 3: 5, 9: 1}) == {3: 1, 9: 1}
    assert risen({1: 2}, {1: 1}) == {1: 1}
    assert risen({1: 2}, {4: 9}) == {4: 9}
    assert percentile_us({}, 50) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_workers_do_nothing_is_below_zero_and_lists_add_up(seed: int) -> None:
    draw = random.Random(seed)
    counts: dict[str, int] = {}

    def moment(at_s: float) -> TopSample:
        workers = []
        for name in draw.sample(["0.1", "0.2", "1.1"], draw.randint(0, 3)):
            counts[name] = counts.get(name, 0) + draw.randint(0, 9) if draw.random() < 0.9 else 0
            seen = [
                instance(str(number), health=draw.choice(["healthy", "degraded", "strange"])) for number in range(2)
            ]
            workers.append(worker(at_s, counts[name], name, routes=[route(counts[name])], instances=seen))
        return sample(*workers)

    before, at_s = moment(1.0), 1.0
    for _ in range(50):
        at_s += draw.choice([0.0, 0.5, 3.0])
        after = moment(at_s)
        top = between(before, after)
        rates = [top.requests.rate, *(each.rate for each in top.routes), *(each.rate for each in top.workers)]
        assert min(rates) >= 0
        assert top.requests.rate == pytest.approx(sum(each.rate for each in top.workers), abs=0.05)
        assert len(top.instances) == (2 if after.workers else 0)
        before = after
