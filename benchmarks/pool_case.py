"""The pool of dialled connections alone: taking one and giving it back. One core, no network."""

from benchmarks.memory_cases import ALLOWED
from benchmarks.probe import rounds_of
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.tools import NotMeasured

ROUNDS_PER_REPEAT = 5
HIT_NS_MAX = 2_000.0
KINDS = ("one", "among 256", "line")


def checkout_and_return(outcome: Outcome, plan: Plan) -> Outcome:
    """Time a hit, a hit among many, and a wait in line, in turns within one process."""
    try:
        rounds = rounds_of("pool_probe", plan, ROUNDS_PER_REPEAT)
    except NotMeasured as why:
        outcome.fail(KINDS[0], str(why))
        return outcome
    outcome.samples[ALLOWED] = [{"ns": HIT_NS_MAX} for _ in rounds]
    for kind in KINDS:
        values = [each[kind] for each in rounds]
        outcome.samples[kind] = [{"ns": value} for value in values]
        middle = sorted(values)[len(values) // 2]
        say(outcome.case, f"{kind:<12} {middle:8.1f} ns, {min(values):.1f} to {max(values):.1f}")
    return outcome
