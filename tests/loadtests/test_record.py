"""The record of a run: what is written is what is read, and what is no record says so."""

from pathlib import Path

import msgspec
import pytest
from loadtests.record import (
    GatewaySample,
    Interval,
    MachineSample,
    Phase,
    ProcessSample,
    Record,
    RecordError,
    RequestCounts,
    Sample,
    Times,
    decode,
    encode,
    merged_times,
    read,
)
from run_records import FACTS

from proxy.loading.histogram import Histogram


def whole_record() -> Record:
    times = Times.of(Histogram.of([100, 250, 3_000_000]))
    process = ProcessSample(
        name="worker-0", role="worker", pid=7, rss_bytes=1, descriptors=None, threads=2, cpu_s_total=0.5
    )
    machine = MachineSample(busy_s_total=1, steal_s_total=0, total_s_total=4, available_bytes=1, spin_us=900)
    return Record(
        facts=FACTS,
        ended="complete",
        phases=[Phase("steady", "load", 0.0, 60.0)],
        intervals=[Interval(begin_s=0.0, length_s=1.0, sent=3, answered=3, times=times)],
        requests=[RequestCounts(user="http_edge", name="GET /orders", sent=3, statuses={"200": 3}, times=times)],
        samples=[
            Sample(
                at_s=1.0, processes=[process], gateway=GatewaySample(refusals_total={"no_route": 1}), machine=machine
            )
        ],
    )


def test_what_is_written_is_read() -> None:
    record = whole_record()
    assert decode(encode(record)) == record


def test_times_are_those_of_their_histogram() -> None:
    values = [1, 2, 2_047, 2_048, 1_000_000]
    times = Times.of(Histogram.of(values))
    assert times.histogram().to_plain() == Histogram.of(values).to_plain()
    assert merged_times([times, times]).to_plain() == Histogram.of(values * 2).to_plain()
    assert Times().histogram().percentile_us(99) == 0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "is no record of a run: Input data was truncated; give the record.json of a finished run"),
        (b"{", "is no record of a run: Input data was truncated; give the record.json of a finished run"),
        (b"{}", "is no record of a run: Object missing required field `facts`; give the record.json of a finished run"),
        (
            msgspec.json.encode(Record(facts=FACTS, format=2)),
            "is of format 2, and this is 1: read it with a newer checkout",
        ),
    ],
)
def test_what_is_no_record_says_so(document: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(document)
    with pytest.raises(RecordError) as caught:
        read(path)
    assert str(caught.value) == f"{path} {said}"


def test_a_record_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read(tmp_path / "none.json")
    assert str(caught.value) == (
        f"{tmp_path / 'none.json'} cannot be read: No such file or directory; give the record.json of a finished run"
    )
