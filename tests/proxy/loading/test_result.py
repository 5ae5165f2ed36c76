"""Whether figures are the load's own fault, and what is told with them."""

import msgspec
import pytest

from proxy.loading.arrivals import Arrivals
from proxy.loading.histogram import Histogram
from proxy.loading.parts import merge_seconds, read_result, split, write_result
from proxy.loading.result import Result, Second, as_plain, own_fault, remarks
from proxy.loading.run import Plan


def result(*, late_us: int = 10, latency_us: int = 300, busy: float = 0.2, wait_us: int = 0) -> Result:
    made = Result(target="http://a/", rate=100, duration_us=1_000_000, due=200, sent=200, connections=7)
    made.statuses[200] = 200
    made.latency = Histogram.of([latency_us] * 200)
    made.lateness = Histogram.of([late_us] * 200)
    made.connection_wait = Histogram.of([wait_us] * 200)
    made.busy_us, made.wall_us = int(busy * 1_000_000), 1_000_000
    return made


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (result(), ""),
        (result(late_us=999, latency_us=1_200, busy=0.99), ""),
        (
            result(late_us=5_000, latency_us=80_000, busy=0.99),
            "",
        ),  # it is late, and that is nothing beside what it measures
        (result(late_us=5_000, latency_us=6_000, busy=0.97), "it was busy for 97% of its time; ask for less (--rate)"),
        (result(late_us=5_000, latency_us=6_000, busy=0.4), "busy for only 40%: run it on another machine"),
    ],
)
def test_the_fault_is_its_own_where_it_was_late_and_that_counts(made: Result, fault: str) -> None:
    assert fault in own_fault(made)
    assert bool(own_fault(made)) is bool(fault)


def test_waiting_for_a_connection_is_told() -> None:
    assert remarks(result()) == []
    (said,) = remarks(result(wait_us=20_000))
    assert "waited 20.0 ms or more for a free connection" in said
    assert "7 were open at once (--connections)" in said


def test_what_was_never_sent_is_told() -> None:
    made = result()
    made.sent, made.is_stopped = 150, True
    assert remarks(made) == [
        "50 requests were never sent: no connection became free in their time",
        "it was stopped before its time",
    ]


def test_plain_values_are_json_and_say_all() -> None:
    plain = msgspec.json.decode(msgspec.json.encode(as_plain(result())))
    assert plain["latency"]["percentiles_us"] == dict.fromkeys(("50", "75", "90", "99", "99.9", "99.99", "100"), 300)
    assert plain["latency"]["buckets_us"] == [[300, 200]]
    assert (plain["statuses"], plain["answered_per_second"], plain["own_fault"]) == ({"200": 200}, 200.0, None)


def test_a_part_tells_its_result_whole() -> None:
    made = result(wait_us=7)
    made.failures["timeout"] = 3
    made.seconds = [Second(1, 2, 3, 4, 5, 6, 7)]
    again = read_result(msgspec.json.decode(msgspec.json.encode(write_result(made))))
    assert as_plain(again) == as_plain(made)


def test_parts_share_rate_connections_and_moments() -> None:
    plan = Plan("x", Arrivals(90, 2.0), 7, 1_000)
    parts = split(plan, 3)
    assert [part.connections for part in parts] == [3, 2, 2]
    moments = sorted(offset for part in parts for offset in part.arrivals.offsets_us())
    assert moments == pytest.approx(list(plan.arrivals.offsets_us()), abs=1)


def test_a_second_of_parts_tells_the_worst() -> None:
    assert merge_seconds([Second(1, 2, 2, 0, 9, 50, 60), Second(1, 1, 1, 1, 3, 70, 70)]) == Second(
        1, 3, 3, 1, 9, 70, 70
    )
