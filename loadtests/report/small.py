"""A record with fewer points, to be kept in a repository: it can be compared with, and a report be made of it."""

import math
from itertools import groupby
from pathlib import PurePath
from typing import Final

import msgspec

from loadtests.record import Interval, Phase, Record, RequestCounts, Sample, Times, merged_times

INTERVALS_MAX: Final = 60
SAMPLES_MAX: Final = 60
NOTABLE_MAX: Final = 20
LINES_MAX: Final = 20
ALIKE: Final = 1.02
"""Times that differ by less than such a ratio are told as one: percentiles stay within two of a hundred parts."""


def small(record: Record) -> Record:
    """Return the same run with neighbouring intervals as one, within each phase and apart for what was disturbed."""
    spans = [(event.begin_s, event.end_s + event.settles_s) for event in record.events]

    def place(interval: Interval) -> tuple[int, bool]:
        end = interval.begin_s + interval.length_s
        return (
            _phase_of(interval, record.phases),
            any(begin < end and interval.begin_s <= last for begin, last in spans),
        )

    size = -(-len(record.intervals) // INTERVALS_MAX) or 1
    intervals = []
    for _, group in groupby(record.intervals, place):
        alike = list(group)
        intervals += [_merged(alike[begin : begin + size]) for begin in range(0, len(alike), size)]
    step = -(-len(record.samples) // SAMPLES_MAX) or 1
    return msgspec.structs.replace(
        record,
        facts=msgspec.structs.replace(record.facts, command=[_without_folder(word) for word in record.facts.command]),
        intervals=intervals,
        requests=[_with_coarse_times(each) for each in record.requests],
        samples=_every(record.samples, step),
        notable=record.notable[:NOTABLE_MAX],
        log=record.log[:LINES_MAX],
        log_lines_left_out=record.log_lines_left_out + max(0, len(record.log) - LINES_MAX),
    )


def _without_folder(word: str) -> str:
    """Return a word of the command: of a path, which is that of one machine, its last part."""
    return PurePath(word).name if word.startswith("/") else word


def _phase_of(interval: Interval, phases: list[Phase]) -> int:
    middle = interval.begin_s + interval.length_s / 2
    return next((number for number, phase in enumerate(phases) if phase.begin_s <= middle < phase.end_s), -1)


def _every(samples: list[Sample], step: int) -> list[Sample]:
    kept = samples[::step]
    return kept if not samples or kept[-1] is samples[-1] else [*kept, samples[-1]]


def _merged(several: list[Interval]) -> Interval:
    late = [each.late for each in several if each.late is not None]
    return Interval(
        begin_s=several[0].begin_s,
        length_s=sum(each.length_s for each in several),
        users=several[-1].users,
        sent=sum(each.sent for each in several),
        answered=sum(each.answered for each in several),
        failed=sum(each.failed for each in several),
        statuses=_summed([each.statuses for each in several]),
        reasons=_summed([each.reasons for each in several]),
        times=coarse(Times.of(merged_times(each.times for each in several))),
        late=coarse(Times.of(merged_times(late))) if late else None,
    )


def _with_coarse_times(counted: RequestCounts) -> RequestCounts:
    of_service = counted.time_of_service
    return msgspec.structs.replace(
        counted, times=coarse(counted.times), time_of_service=coarse(of_service) if of_service else None
    )


def coarse(times: Times) -> Times:
    """Return times with neighbouring buckets as one, which is the fullest of them."""
    buckets: list[tuple[int, int]] = []
    for _, group in groupby(times.buckets, lambda bucket: math.floor(math.log(max(1, bucket[0])) / math.log(ALIKE))):
        alike = list(group)
        buckets.append((max(alike, key=lambda bucket: bucket[1])[0], sum(count for _, count in alike)))
    return msgspec.structs.replace(times, buckets=buckets)


def _summed(several: list[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for each in several for name in each)
    return {name: sum(each.get(name, 0) for each in several) for name in names}
