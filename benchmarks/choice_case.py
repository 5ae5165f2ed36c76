"""The choice of one of several instances alone: each way of it. One core, no network."""

import json
import statistics
import subprocess
import sys

from benchmarks.machine import pinned
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.tools import ROOT, NotMeasured

ROUNDS_PER_REPEAT = 10
"""The least of them is the sample: what takes longer was not the choice."""

BLIND = "random.choice of 4"
DEFAULT, UNEVEN = "two choices of 4", "two choices of 4, uneven"


def each_way(outcome: Outcome, plan: Plan) -> Outcome:
    """Time each way in turns within one process."""
    try:
        rounds = _rounds(plan)
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


def _rounds(plan: Plan) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.choice_probe", str(plan.repeats * ROUNDS_PER_REPEAT)]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with pinned(plan.cores.tested):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise NotMeasured((done.stderr.strip() or "no message").splitlines()[-1])
    rounds: list[dict[str, float]] = json.loads(done.stdout)
    return rounds
