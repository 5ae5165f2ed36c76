"""All rules in their order: those that say whether anything is proved come first."""

from collections.abc import Sequence

import msgspec

from loadtests.record import Record

from . import accounts, answers, conduct, ending, growth, rest
from .line import Line, Outcome, Verdict
from .thresholds import Thresholds
from .view import View


def judge(record: Record, thresholds: Thresholds, baseline: Record | None = None) -> Verdict:
    """Return the verdict on a run. baseline: an earlier run of the same kind, to compare times with."""
    view = View(record)
    if not record.intervals:
        return Verdict(ending.ended(view))
    notes: list[str] = []
    proof = ending.proof(view, thresholds.proof)
    seen_by_clients = [
        *answers.errors(view, thresholds.errors),
        *answers.throughput(view, thresholds.throughput, baseline),
        *answers.latency(view, thresholds.latency, baseline, notes),
        *accounts.accounts(view, thresholds.accounts),
    ]
    doubts = [line.name for line in proof if line.outcome is Outcome.UNPROVEN and line.name in ending.DOUBTS]
    lines = [
        *ending.ended(view),
        *proof,
        *_doubted(seen_by_clients, doubts),
        *growth.growth(view, thresholds.growth, notes),
        *rest.rest(view, thresholds.rest),
        *conduct.conduct(view, thresholds.log),
    ]
    return Verdict(lines, notes)


def _doubted(lines: Sequence[Line], doubts: Sequence[str]) -> list[Line]:
    """Return the lines with those about time unproven, where load or machine may have been what was slow.

    What was lost is lost all the same, but for a generator that could not keep up: it may have given up too early.
    """
    if not doubts:
        return list(lines)

    def is_suspected(line: Line) -> bool:
        return answers.is_of_time(line.name) or ("generator" in doubts and line.name in answers.OF_LOSS)

    said = f"{' and '.join(doubts)} may have been the cause: "
    return [
        msgspec.structs.replace(line, outcome=Outcome.UNPROVEN, said=said + line.said)
        if line.outcome is Outcome.BROKEN and is_suspected(line)
        else line
        for line in lines
    ]
