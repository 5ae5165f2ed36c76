"""The report: it loads nothing, obeys nothing that it shows, tells what was seen, and is never half there."""

import os
import re
from pathlib import Path

import msgspec
import pytest
from loadtests.record import Event, LogLine, Notable, Phase, Record, decode, encode
from loadtests.report import FIGURES_NAME, PAGE_NAME, write
from loadtests.report.chart import chart, clock, scale, shown
from loadtests.report.page import page
from loadtests.report.series import POINTS_MAX, Series, bins, latency, memory, reasons, thin, throughput
from loadtests.report.small import INTERVALS_MAX, SAMPLES_MAX, small
from loadtests.verdict import Thresholds, judge
from loadtests.verdict.view import View
from run_records import FACTS, Defects, run_record

HOSTILE = "<img src=x onerror='alert(1)'><script>alert(2)</script>&amp;"


def hostile_record() -> Record:
    record = run_record()
    record.facts = msgspec.structs.replace(record.facts, name=HOSTILE, shape=HOSTILE, machine={"processor": HOSTILE})
    record.why = HOSTILE
    record.phases[0] = msgspec.structs.replace(record.phases[0], name=HOSTILE)
    record.requests[0].name = HOSTILE
    record.requests[0].failures = {HOSTILE: 1}
    record.events.append(
        Event(begin_s=60, end_s=61, kind=HOSTILE, target=HOSTILE, outcome=HOSTILE, is_done=False, settles_s=2)
    )
    record.log.append(LogLine(at_s=9, process=HOSTILE, level="ERROR", logger=HOSTILE, message=HOSTILE, text=HOSTILE))
    record.notable.append(
        Notable(at_s=7, user=HOSTILE, name=HOSTILE, correlation_id=HOSTILE, took_us=3, failure=HOSTILE)
    )
    return record


def whole_page(record: Record, earlier: Record | None = None) -> str:
    return page(record, judge(record, Thresholds(), earlier), earlier)


def test_it_loads_nothing_and_runs_nothing() -> None:
    text = whole_page(run_record(), run_record(seed=2))
    assert "<script" not in text
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?[a-z]*:?//""", text)
    assert """http-equiv="Content-Security-Policy" content="default-src 'none';""" in text


def test_nothing_in_it_obeys_what_it_shows() -> None:
    text = whole_page(hostile_record())
    assert "<img" not in text
    assert "<script" not in text
    assert text.count("&lt;img src=x onerror=") > 12


def test_it_tells_verdict_events_and_whom_to_ask() -> None:
    record = run_record(Defects(lost_per_request=1e-5))
    record.events.append(Event(begin_s=60, end_s=61, kind="reload", target="gateway", outcome="read", is_done=True))
    record.notable.append(
        Notable(at_s=7, user="http_edge", name="GET /a", correlation_id="0af7", took_us=5_000_000, failure="no answer")
    )
    text = whole_page(record, run_record(seed=2))
    assert "BROKEN: errors (" in text
    assert "penstock trace 0af7" in text
    assert text.count('class="event"') == text.count("<svg") == 6
    assert "earlier run" in text
    assert "closed: each user waits for an answer" in text


@pytest.mark.parametrize("ended", ["not_started", "interrupted", "target_lost", "failed"])
def test_what_there_was_of_a_run_is_told(ended: str) -> None:
    record = msgspec.convert({"facts": msgspec.to_builtins(FACTS), "ended": ended, "why": "wrong token"}, Record)
    text = whole_page(record)
    assert "wrong token" in text
    assert "Nothing of it was seen." in text


def test_figures_beside_it_are_those_of_the_verdict(tmp_path: Path) -> None:
    record = run_record()
    verdict = judge(record, Thresholds(), record)
    assert write(tmp_path, record, verdict, record) == tmp_path / PAGE_NAME
    figures = msgspec.json.decode((tmp_path / FIGURES_NAME).read_bytes())
    assert (figures["exit_code"], len(figures["lines"])) == (0, len(verdict.lines))
    assert figures["judged"] == figures["earlier"]["judged"]
    assert figures["judged"]["percentiles_us"]["99"] == View(record).latency.percentile_us(99)
    assert {path.name for path in tmp_path.iterdir()} == {PAGE_NAME, FIGURES_NAME}


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run_record()
    write(tmp_path, record, judge(record, Thresholds()))
    before = (tmp_path / PAGE_NAME).read_bytes()

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, run_record(seed=2), judge(record, Thresholds()))
    assert (tmp_path / PAGE_NAME).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {PAGE_NAME, FIGURES_NAME}


def test_a_long_run_has_as_many_points_as_a_short_one() -> None:
    record = run_record()
    assert len(bins(record)) <= POINTS_MAX
    assert sum(map(len, bins(record))) == len(record.intervals)
    kept = thin(record.samples)
    assert len(kept) <= POINTS_MAX + 1
    assert (kept[0], kept[-1]) == (record.samples[0], record.samples[-1])


def test_lines_are_what_the_record_says() -> None:
    record = run_record()
    assert [each.name for each in latency(record)] == ["p50", "p95", "p99", "p99.9"]
    assert latency(record)[0].points[-1][1] is None  # nobody asked anything in the end
    answers, errors = throughput(record)
    assert answers.points[10][1] == 400
    assert {value for _, value in errors.points} == {0}
    assert [each.name for each in memory(record)] == ["worker-0", "worker-1", "supervisor", "service"]
    for number, sample in enumerate(record.samples):
        assert sample.gateway is not None
        sample.gateway.refusals_total["no_route"] = 6 * number
    assert [(each.name, each.points[3][1]) for each in reasons(record)] == [("no_route", 6.0)]


def test_a_chart_leaves_gaps_and_shades_what_is_not_judged() -> None:
    line = Series("a<b", [(0, 1.0), (1, 2.0), (2, None), (3, 4.0)])
    text = chart("T", "ms", [line], duration_s=4, phases=[Phase("q", "quiet", 2, 4), Phase("l", "load", 0, 2)])
    assert 'd="M0.0 75.00L250.0 50.00M750.0 0.00"' in text
    assert '<rect class="quiet" x="500.0" width="500.0"' in text
    assert "a&lt;b" in text
    assert text.count("<rect") == 1


def test_numbers_of_events_do_not_lie_upon_each_other() -> None:
    events = [
        Event(begin_s=at, end_s=at, kind="kill", target="x", outcome="", is_done=True, settles_s=1)
        for at in (10, 11, 12, 13, 50)
    ]
    text = chart("T", "ms", [Series("a", [(0, 1.0), (1, 2.0)])], duration_s=100, events=events)
    assert re.findall(r'title="kill x">(\d+)<', text) == ["1", "4", "5"]
    assert text.count('class="event"') == 5


def test_scales_are_round_and_hold_all_values() -> None:
    for high in (0.0, 0.003, 0.9, 1.0, 7.0, 399.0, 400.0, 123_456.0):
        marks = scale(0.0, high)
        assert marks[0] == 0.0
        assert marks[-1] >= high
        assert len(marks) <= 6
    assert scale(0.4, 120.0, is_logarithmic=True) == pytest.approx([0.1, 1.0, 10.0, 100.0, 1000.0])
    assert [shown(value) for value in (0.25, 2_500, 25_000, 3e6)] == ["0.25", "2,500", "25k", "3M"]
    assert [clock(seconds) for seconds in (0, 61.4, 3_723)] == ["0:00", "1:01", "1:02:03"]


def test_a_small_record_is_the_same_run() -> None:
    record = run_record()
    record.events.append(Event(begin_s=60, end_s=61, kind="reload", target="gateway", outcome="read", is_done=True))
    record.facts = msgspec.structs.replace(record.facts, command=["run", "soak", "--out", "/home/me/first"])
    few = decode(encode(small(record)))
    assert len(few.intervals) <= INTERVALS_MAX + 8
    assert len(few.samples) <= SAMPLES_MAX + 1
    assert few.facts.command == ["run", "soak", "--out", "first"]
    assert sum(each.sent for each in few.intervals) == sum(each.sent for each in record.intervals)
    whole, same = View(record), View(few)
    assert same.latency.count == whole.latency.count
    for percentile in (50, 95, 99, 99.9):
        assert same.latency.percentile_us(percentile) == pytest.approx(
            whole.latency.percentile_us(percentile), rel=0.02
        )
    assert same.per_second == pytest.approx(whole.per_second)
    assert len(encode(few)) < len(encode(record)) / 3
