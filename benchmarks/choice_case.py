"""The choice of one of several instances alone: each way of it. One core, no network."""

import statistics

from benchmarks.probe import rounds_of
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.tools import NotMeasured

ROUNDS_PER_REPEAT = 10
"""The least of them is the sample: what takes longer was not the choice."""

BLIND = "random.choice of 4"
DEFAULT, UNEVEN = "two choices of 4", "two choices of 4, uneven"


def each_way(outcome: Outcome, plan: Plan) -> Outcome:
    """Time each way in turns within one process."""
    try:
        rounds = rounds_of("choice_probe", plan, ROUNDS_PER_REPEAT)
    except NotMeasured as why:
        outcome.fail(DEFAULT, str(why))
        return outcome
    for name in rounds[0]:
        all_of_it = [each[name] for each in rounds]
        parts = (all_of_it[at : at + ROUNDS_PER_REPEAT] for at in range(0, len(all_of_it), ROUNDS_PER_REPEAT))
        values = [min(part) for part in parts]
        outcome.samples[name] = [{"ns": value} for value in values]
        say(outcome.case, f"{name:<26} {statistics.median(values):6.0f} ns, {min(values):.0f} to {max(values):.0f}")
    return outcome
