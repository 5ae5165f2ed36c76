"""Matching alone: whether it takes longer among many routes than among few. One core, no network."""

from benchmarks.match_probe import KINDS, SIZES
from benchmarks.probe import rounds_of
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.tools import NotMeasured

ROUNDS_PER_REPEAT = 5


def named(kind: str, size: int) -> str:
    """Return what a kind of route among so many is called."""
    return f"{kind}, {size:,} routes"


def among_many_routes(outcome: Outcome, plan: Plan) -> Outcome:
    """Time the match of each kind of route among ten, a thousand and ten thousand, in turns within one process."""
    try:
        rounds = rounds_of("match_probe", plan, ROUNDS_PER_REPEAT)
    except NotMeasured as why:
        outcome.fail(named("literal", SIZES[0]), str(why))
        return outcome
    for kind in KINDS:
        for size in SIZES:
            values = [each[f"{kind} {size}"] for each in rounds]
            outcome.samples[named(kind, size)] = [{"ns": value} for value in values]
            middle = sorted(values)[len(values) // 2]
            say(outcome.case, f"{named(kind, size):<32} {middle:8.1f} ns, {min(values):.1f} to {max(values):.1f}")
    return outcome
