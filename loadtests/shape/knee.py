"""Where the knee is of a run in steps: the last step at which all that was sent was answered, and quickly. Pure."""

import re
from collections import defaultdict
from typing import Final

import msgspec

from loadtests.record import Interval, Phase, Record, merged_times

FAILED_PART_MAX: Final = 0.001
P99_TIMES_MAX: Final = 5.0
"""As that of the first step..."""
P99_MORE_US: Final = 5_000
"""...and this much more: a tenth of a millisecond is no base to multiply."""
STEPS_MIN: Final = 3
_STEP: Final = re.compile(r"(.+) (\d+)")


class Step(msgspec.Struct, frozen=True):
    """What one step was like."""

    name: str
    per_second: float
    """Requests that ended in it."""
    failed_part: float
    p99_us: int

    def is_beyond(self, first: "Step") -> bool:
        """Whether it was too much, held against the first step."""
        return self.failed_part > FAILED_PART_MAX or self.p99_us > P99_TIMES_MAX * first.p99_us + P99_MORE_US


def steps_of(record: Record) -> list[Step]:
    """Return the steps of a run: phases of load whose names differ in their number alone; none where it has fewer than
    STEPS_MIN. What is at the edge of two steps is left out.
    """
    groups: defaultdict[str, list[Phase]] = defaultdict(list)
    for phase in record.phases:
        if phase.kind == "load" and (found := _STEP.fullmatch(phase.name)):
            groups[found[1]].append(phase)
    several = max(groups.values(), key=len, default=[])
    if len(several) < STEPS_MIN:
        return []
    return [step for phase in several if (step := _step(phase, record.intervals)) is not None]


def knee_lines(record: Record) -> list[str]:
    """Return where the knee is, for people; nothing where the run had no steps."""
    steps = steps_of(record)
    if not steps:
        return []
    beyond = next((at for at, step in enumerate(steps) if step.is_beyond(steps[0])), len(steps))
    if beyond == len(steps):
        return [f"knee     not reached: {_shown(steps[-1])}"]
    if not beyond:
        return [f"knee     below the first step: {_shown(steps[0])}"]
    return [f"knee     {_shown(steps[beyond - 1])}; beyond it: {_shown(steps[beyond])}"]


def _step(phase: Phase, intervals: list[Interval]) -> Step | None:
    inside = [
        each
        for each in intervals
        if each.length_s and each.begin_s >= phase.begin_s and each.begin_s + each.length_s <= phase.end_s + 0.1
    ]
    length_s, sent = sum(each.length_s for each in inside), sum(each.sent for each in inside)
    if not sent:
        return None
    failed = sum(each.failed for each in inside)
    p99_us = merged_times(each.times for each in inside).percentile_us(99)
    return Step(phase.name, sent / length_s, failed / sent, p99_us)


def _shown(step: Step) -> str:
    failed = f", {step.failed_part:.1%} failed" if step.failed_part else ""
    return f"{step.name}, {step.per_second:,.0f}/s, p99 {step.p99_us / 1000:,.1f} ms{failed}"
