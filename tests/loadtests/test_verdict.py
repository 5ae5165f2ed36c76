"""The verdict: a sound run holds, whatever chance brings; each defect breaks its own line."""

from collections.abc import Callable

import msgspec
import pytest
from loadtests.record import Event, LogLine, Notable, Record, Times, WorkerSample
from loadtests.runner.plan import THRESHOLDS
from loadtests.verdict import Thresholds, Verdict, judge, read_thresholds
from run_records import Defects, run_record

from proxy.loading.histogram import Histogram

SOUND = msgspec.json.encode(run_record())
ASKED = Thresholds()


def sound() -> Record:
    return msgspec.json.decode(SOUND, type=Record)


def said(verdict: Verdict, name: str) -> str:
    return next(str(line) for line in verdict.lines if line.name == name)


def killed(at_s: float, slot: int = 0) -> Event:
    return Event(
        begin_s=at_s,
        end_s=at_s,
        kind="kill",
        target=f"worker-{slot}",
        outcome="done",
        is_done=True,
        settles_s=5.0,
        replaces_workers=[slot],
    )


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_sound_run_holds(seed: int) -> None:
    verdict = judge(run_record(seed=seed), ASKED, sound())
    assert (verdict.exit_code, verdict.summary) == (0, f"HELD: {len(verdict.lines)} of {len(verdict.lines)} held")


@pytest.mark.parametrize(
    ("defects", "names"),
    [
        (Defects(bytes_per_request=100), ["memory"]),
        (Defects(descriptors_per_request=1e-3), ["descriptors", "descriptors at rest"]),
        (Defects(tasks_per_request=1e-4), ["tasks", "tasks at rest"]),
        (Defects(drift=0.19), ["p99 drift"]),
        (Defects(lost_per_request=1e-5), ["errors"]),
    ],
)
def test_a_defect_breaks_its_own_line(defects: Defects, names: list[str]) -> None:
    verdict = judge(run_record(defects), ASKED)
    assert ([line.name for line in verdict.broken], verdict.exit_code) == (names, 1)
    assert verdict.summary.startswith(f"BROKEN: {', '.join(names)} (")


@pytest.mark.parametrize(
    ("defects", "name"), [(Defects(generator_cores=0.95), "generator"), (Defects(others_cores=0.6), "machine")]
)
def test_what_may_have_been_the_cause_proves_nothing(defects: Defects, name: str) -> None:
    verdict = judge(run_record(defects), ASKED)
    assert (verdict.exit_code, [line.name for line in verdict.unproven]) == (2, [name])
    slow = msgspec.structs.replace(defects, drift=0.5, lost_per_request=1e-5)
    unproven = [line.name for line in judge(run_record(slow), ASKED).unproven]
    assert "p99 drift" in unproven
    assert ("errors" in unproven) == (name == "generator")  # a busy machine loses nothing
    leaking = msgspec.structs.replace(defects, bytes_per_request=100)
    assert judge(run_record(leaking), ASKED).exit_code == 1  # whoever was slow, a leak is one


def cut_short(record: Record) -> None:
    record.ended, record.why = "interrupted", "Ctrl-C"


def target_lost(record: Record) -> None:
    record.ended, record.why = "target_lost", "nobody listens on 127.0.0.1:1"


def nothing_seen(record: Record) -> None:
    record.ended, record.why, record.intervals, record.samples = "not_started", "wrong token", [], []


def few_requests(record: Record) -> None:
    for interval in record.intervals:
        interval.sent //= 10


def left_over(record: Record) -> None:
    for sample in record.samples:
        assert sample.gateway is not None
        msgspec.structs.force_setattr(sample.gateway, "exchanges", 2)


def not_in_the_books(record: Record) -> None:
    record.requests[0].statuses["200"] -= 1


def only_the_client(record: Record) -> None:
    record.requests[0].statuses["200"] += 3
    record.requests[0].sent += 3


def odd_reason(record: Record) -> None:
    record.requests[0].reasons = {"no_route": 4}


def error_line(record: Record) -> None:
    record.log.append(LogLine(at_s=99, process="worker-0", level="ERROR", logger="a", message="it hurts", text="..."))


def worker_anew(record: Record) -> None:
    for sample in record.samples[300:]:
        assert sample.gateway is not None
        sample.gateway.workers[0] = WorkerSample(id="0.1", pid=300, state="serving")


def service_anew(record: Record) -> None:
    for sample in record.samples[300:]:
        sample.processes[-2] = msgspec.structs.replace(sample.processes[-2], pid=777)


def not_done(record: Record) -> None:
    record.events.append(msgspec.structs.replace(killed(100), is_done=False, outcome="no such process"))


def silent_gateway(record: Record) -> None:
    record.samples = [msgspec.structs.replace(sample, gateway=None) for sample in record.samples]


@pytest.mark.parametrize(
    ("change", "exit_code", "line"),
    [
        (cut_short, 2, "unproven  run                      interrupted after 600 of 600 s: Ctrl-C"),
        (target_lost, 1, "broken    run                      the gateway was lost after 600 s: nobody listens on"),
        (nothing_seen, 2, "unproven  run                      not started: wrong token"),
        (few_requests, 2, "unproven  enough to judge          21,600 requests, and 100,000 are needed"),
        (left_over, 1, "broken    at rest                  still there after 30 s of quiet: 2 exchanges"),
        (not_in_the_books, 1, "broken    clients' books           http_edge GET /items: 228,000 sent, and 227,999 acc"),
        (only_the_client, 1, "broken    answers, both sides      clients got 228,003, the gateway gave 228,000"),
        (odd_reason, 1, "broken    reasons, both sides      no_route: clients were told 4, the gateway counted 0"),
        (
            error_line,
            1,
            "broken    log                      1 unexpected at ERROR, the first at 99 s of worker-0",
        ),
        (worker_anew, 1, "broken    workers                  slot 0 was replaced 1 times, 0 of them by the nemesis"),
        (service_anew, 1, "broken    services                 service came anew without the nemesis"),
        (not_done, 2, "unproven  nemesis                  1 of 1 events were not done; first kill worker-0: no such"),
        (silent_gateway, 2, "unproven  at rest                  no quiet phase of 3 s or more after the load was seen"),
    ],
)
def test_what_is_odd_has_a_line(change: Callable[[Record], None], exit_code: int, line: str) -> None:
    record = sound()
    change(record)
    verdict = judge(record, ASKED)
    assert verdict.exit_code == exit_code
    assert [str(each) for each in verdict.lines if str(each).startswith(line)] != []


def test_a_worker_that_was_replaced_before_the_run_was_cut_short_came_of_the_nemesis() -> None:
    record = sound()
    worker_anew(record)
    record.events.append(msgspec.structs.replace(killed(97), is_done=False, outcome="the run ended in the midst of it"))
    assert said(judge(record, ASKED), "workers").startswith("held ")


def test_what_the_nemesis_does_is_expected() -> None:
    record = sound()
    worker_anew(record)
    error_line(record)
    record.events.append(killed(97))
    record.intervals[99].failed = 3
    record.intervals[99].answered -= 3
    record.requests[0].statuses["200"] -= 3
    record.requests[0].failures["connection"] = 3
    asked = msgspec.convert({"log": {"expected": [{"matches": "hurts"}]}}, Thresholds)
    verdict = judge(record, asked)
    assert verdict.summary.startswith("HELD")
    assert said(verdict, "errors, disturbed").split()[3:6] == ["3", "of", "2,400,"]
    record.events.clear()
    names = [line.name for line in judge(record, asked).broken]
    assert names == ["errors", "log", "workers"]


def test_who_comes_to_the_machine_late_is_not_taken_for_a_drift() -> None:
    record = sound()
    samples = record.samples
    since = samples[int(0.8 * len(samples))].at_s
    for place, sample in enumerate(samples):
        busy_s = sample.machine.busy_s_total + 0.6 * max(0.0, sample.at_s - since)
        samples[place] = msgspec.structs.replace(
            sample, machine=msgspec.structs.replace(sample.machine, busy_s_total=busy_s)
        )
    verdict = judge(record, ASKED)
    assert verdict.exit_code == 2
    assert "other programs took 0.5" in said(verdict, "machine")


@pytest.mark.parametrize(
    ("name", "at_s", "outcome"), [("soak", 97, "held"), ("soak", 50, "broken"), ("smoke", 97, "held")]
)
def test_a_service_may_lose_a_call_when_the_nemesis_is_at_work(name: str, at_s: float, outcome: str) -> None:
    record = sound()
    lost = "GET /relay/{number}: a call that it made failed: the connection to the gateway was lost"
    record.log.append(
        LogLine(at_s=99, process="steady-1", level="ERROR", logger="penstock.handler", message=lost, text="...")
    )
    record.events.append(killed(at_s))
    verdict = judge(record, read_thresholds(THRESHOLDS / f"{name}.yaml"))
    assert said(verdict, "log").startswith(outcome)


def test_what_failed_is_told_without_what_the_nemesis_did() -> None:
    record = sound()
    record.events.append(killed(97))
    for place, at_s, failure in ((99, 98.5, "reset"), (30, 30.5, "timeout")):
        record.intervals[place].failed, record.intervals[place].answered = 1, record.intervals[place].answered - 1
        record.requests[0].statuses["200"] -= 1
        record.requests[0].failures[failure] = 1
        record.notable.append(
            Notable(at_s=at_s, user="u", name="n", correlation_id=f"id-{failure}", took_us=1, failure=failure)
        )
    told = said(judge(record, ASKED), "errors")
    assert "1 timeout; penstock trace id-timeout" in told
    assert "reset" not in told
    del record.notable[:]
    told = said(judge(record, ASKED), "errors")
    assert "in the whole run 1 reset; 1 timeout" in told


def test_an_earlier_run_is_compared_only_with_one_of_its_kind() -> None:
    slower = sound()
    for interval in slower.intervals:
        buckets = [(2 * upper, count) for upper, count in interval.times.buckets]
        longest = 2 * interval.times.max_us
        interval.times = msgspec.structs.replace(interval.times, buckets=buckets, max_us=longest)
    verdict = judge(slower, ASKED, sound())
    names = ["p50, baseline", "p95, baseline", "p99, baseline", "p99.9, baseline"]
    assert [line.name for line in verdict.broken] == names
    assert "over by" in said(verdict, "p99, baseline")
    other = sound()
    other.facts = msgspec.structs.replace(other.facts, workers=1)
    verdict = judge(slower, ASKED, other)
    assert verdict.exit_code == 0
    assert verdict.notes == [
        "the baseline is of another kind of run (workers: 1, and now 2): nothing is compared with it"
    ]


def test_limits_without_an_earlier_run() -> None:
    asked = msgspec.convert(
        {"latency": {"at_most_us": {"99": 1_000}}, "throughput": {"per_second_min": 500}}, Thresholds
    )
    verdict = judge(sound(), asked)
    assert [line.name for line in verdict.broken] == ["throughput", "p99"]
    assert said(verdict, "throughput").endswith("400.0/s (at least 500.0)")


def test_an_open_loop_that_was_late_or_not_answered_says_so() -> None:
    record = sound()
    record.facts = msgspec.structs.replace(record.facts, loop="open")
    late = Times.of(Histogram.of([20] * 90 + [3_000] * 10))
    for interval in record.intervals:
        interval.late = late if interval.sent else None
    verdict = judge(record, ASKED)
    assert (verdict.exit_code, [line.name for line in verdict.unproven]) == (2, ["generator"])
    assert "p99 3.00 ms late" in said(verdict, "generator")
    assert "100.000% of what was due" in said(verdict, "answered of sent")
    for interval in record.intervals:
        interval.late = None
        interval.answered -= 4 if interval.sent else 0
    assert [line.name for line in judge(record, ASKED).broken] == ["answered of sent"]


def test_growth_is_told_by_the_longest_life_of_a_slot() -> None:
    record = run_record(Defects(bytes_per_request=100))
    record.events.append(killed(129))
    for sample in record.samples[130:]:
        assert sample.gateway is not None
        sample.gateway.workers[0] = WorkerSample(id="0.1", pid=300, state="serving")
        sample.processes[0] = msgspec.structs.replace(sample.processes[0], pid=300)
    for sample in record.samples[128:130]:
        sample.processes.append(
            msgspec.structs.replace(sample.processes[0], pid=300, name="worker-0 holding", rss_bytes=1_000_000)
        )
    verdict = judge(record, ASKED)
    assert [line.name for line in verdict.broken] == ["memory"]
    measured = next(line.measured for line in verdict.lines if line.name == "memory")
    assert measured == pytest.approx(100, rel=0.1)


def test_a_day_is_judged_by_the_hour_too() -> None:
    record = run_record(Defects(bytes_per_request=30))
    hours = 24 * 3_600 / record.duration_s
    longer = msgspec.json.decode(SOUND, type=Record)
    longer.phases = [
        msgspec.structs.replace(each, begin_s=each.begin_s * hours, end_s=each.end_s * hours) for each in record.phases
    ]
    longer.samples = [msgspec.structs.replace(each, at_s=each.at_s * hours) for each in record.samples]
    for interval in longer.intervals:
        interval.begin_s, interval.length_s, interval.sent = interval.begin_s * hours, hours, interval.sent * 144
    verdict = judge(longer, msgspec.convert({"growth": {"memory_mib_per_hour_max": 0.1}}, Thresholds))
    assert "memory, by time" in [line.name for line in verdict.broken]
