"""The knee of a run in steps is the last one at which all was answered, and quickly."""

import msgspec
from loadtests.record import Interval, Phase, Record, Times
from loadtests.shape.knee import knee_lines, steps_of
from run_records import FACTS

from proxy.loading.histogram import Histogram


def stepped(*steps: tuple[int, int, int]) -> Record:
    """A run of steps of two seconds: requests in a second, failed in a second, and the time that each took, in µs."""
    record = Record(facts=msgspec.structs.replace(FACTS, loop="open"), phases=[Phase("warm up", "warm_up", 0.0, 2.0)])
    for number, (sent, failed, took_us) in enumerate(steps, 1):
        begin = 2.0 * number
        record.phases.append(Phase(f"step {number}", "load", begin, begin + 2.0))
        times = Times.of(Histogram.of([took_us] * (sent - failed)))
        for second in (0, 1):
            record.intervals.append(
                Interval(
                    begin_s=begin + second, length_s=1.0, sent=sent, answered=sent - failed, failed=failed, times=times
                )
            )
    return record


def test_the_last_quick_step_is_the_knee() -> None:
    record = stepped((100, 0, 1_000), (200, 0, 1_200), (300, 0, 6_000), (400, 0, 90_000), (500, 0, 1_000))
    assert [(step.name, step.per_second) for step in steps_of(record)][1] == ("step 2", 200.0)
    assert knee_lines(record) == ["knee     step 3, 300/s, p99 6.0 ms; beyond it: step 4, 400/s, p99 90.0 ms"]


def test_what_is_not_answered_is_beyond_it_too() -> None:
    record = stepped((100, 0, 1_000), (200, 0, 1_000), (300, 30, 1_000))
    assert knee_lines(record) == [
        "knee     step 2, 200/s, p99 1.0 ms; beyond it: step 3, 300/s, p99 1.0 ms, 10.0% failed"
    ]


def test_a_knee_may_lie_outside_of_the_steps() -> None:
    assert knee_lines(stepped(*[(100, 0, 1_000)] * 3)) == ["knee     not reached: step 3, 100/s, p99 1.0 ms"]
    assert knee_lines(stepped(*[(100, 50, 1_000)] * 3)) == [
        "knee     below the first step: step 1, 100/s, p99 1.0 ms, 50.0% failed"
    ]


def test_a_run_without_steps_has_no_knee() -> None:
    assert knee_lines(stepped((100, 0, 1_000), (200, 0, 1_000))) == []
    assert knee_lines(Record(facts=FACTS, phases=[Phase("steady", "load", 0.0, 9.0)])) == []
