"""What came of requests is counted once each, and only what nobody expected is told of by itself."""

import random
from collections import Counter

from loadtests.client.tally import NAMES_MAX, NOTABLE_PER_KIND, OTHER, SLOWEST_MAX, UNFINISHED, Outcome, Tally
from loadtests.record import RequestCounts

from proxy.loading.histogram import Histogram


def outcome(**changed: object) -> Outcome:
    return Outcome(**{"user": "u", "name": "n", "correlation_id": "c", "took_us": 1_000, "status": 200, **changed})  # type: ignore[arg-type]


def whole(tally: Tally, now_s: float = 9.0) -> list[RequestCounts]:
    tally.close_interval(now_s, 0)
    return tally.requests()


def test_an_interval_has_what_ended_in_it() -> None:
    tally = Tally()
    assert tally.count(outcome(), 0.1) is None
    tally.count(outcome(status=503, reason="no_instance", is_expected=False), 0.2)
    tally.count(outcome(status=0, failure="timeout", is_expected=False), 0.3)
    tally.count(outcome(status=0, failure="gone", is_expected=True), 0.4)
    interval, _ = tally.close_interval(1.0, 7, Histogram.of([5]))
    assert (interval.begin_s, interval.length_s, interval.users) == (0.0, 1.0, 7)
    assert (interval.sent, interval.answered, interval.failed) == (4, 2, 2)
    assert interval.statuses == {"200": 1, "503": 1}
    assert interval.reasons == {"no_instance": 1}
    assert interval.times.count == 2
    assert interval.late is not None
    assert interval.late.count == 1
    empty, slow = tally.close_interval(2.0, 7)
    assert (empty.begin_s, empty.sent, empty.times.count, empty.late, slow) == (1.0, 0, 0, None, None)


def test_every_request_is_counted_once_whatever_came_of_it() -> None:
    draw = random.Random(3)
    tally, sent = Tally(), Counter[str]()
    for number in range(3_000):
        name = draw.choice("abc")
        sent[name] += 1
        status = draw.choice([200, 404, 503, 0])
        failure = "" if status else draw.choice(["timeout", "gone", UNFINISHED])
        tally.count(
            outcome(name=name, status=status, failure=failure, is_expected=draw.random() < 0.5, took_us=number),
            number / 1_000,
        )
        if number % 500 == 0:
            tally.close_interval(number / 1_000, 1)
    for counts in whole(tally):
        answered = sum(counts.statuses.values())
        assert counts.sent == sent[counts.name] == answered + sum(counts.failures.values()) + counts.unfinished
        assert counts.times.count == answered
        assert all(counts.expected_failures[why] <= counts.failures[why] for why in counts.expected_failures)


def test_the_first_of_each_kind_that_nobody_expected_are_told_of() -> None:
    tally = Tally()
    told = [tally.count(outcome(status=500, is_expected=False, correlation_id=str(at)), at) for at in range(50)]
    named = [notable.correlation_id for notable in told if notable]
    assert named == [str(at) for at in range(NOTABLE_PER_KIND)]
    other = tally.count(outcome(status=0, failure="timeout", is_expected=False), 1.0)
    assert other is not None
    assert (other.failure, other.status) == ("timeout", 0)
    assert tally.count(outcome(status=0, failure=UNFINISHED, is_expected=False), 1.0) is None


def test_the_slowest_of_an_interval_is_told_of_while_it_is_among_the_slowest() -> None:
    tally = Tally()
    told = []
    for number in range(SLOWEST_MAX + 20):
        tally.count(outcome(took_us=1_000_000 - number, correlation_id=f"slow-{number}"), number)
        tally.count(outcome(took_us=5), number)
        told.append(tally.close_interval(number + 1.0, 1)[1])
    assert [notable.correlation_id for notable in told if notable] == [
        f"slow-{number}" for number in range(SLOWEST_MAX)
    ]


def test_names_without_end_do_no_harm() -> None:
    tally = Tally()
    for number in range(NAMES_MAX + 100):
        tally.count(outcome(name=f"GET /items/{number}"), 0.5)
    counts = whole(tally)
    assert len(counts) == NAMES_MAX + 1
    assert [each.sent for each in counts if each.name == OTHER] == [100]


def test_an_open_loop_tells_both_times() -> None:
    tally = Tally()
    tally.count(outcome(took_us=1_000_000, service_us=1_000), 0.5)
    (counts,) = whole(tally)
    assert counts.times.max_us == 1_000_000
    assert counts.time_of_service is not None
    assert counts.time_of_service.max_us == 1_000
