"""The pool of dialled connections alone: taking one and giving it back. One core, no network."""

import json
import subprocess
import sys

from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.tools import ROOT, NotMeasured

ROUNDS_PER_REPEAT = 5
HIT_NS_MAX = 2_000.0
KINDS = ("one", "among 256", "line")


def checkout_and_return(outcome: Outcome, plan: Plan) -> Outcome:
    """Time a hit, a hit among many, and a wait in line, in turns within one process."""
    try:
        rounds = _rounds(plan)
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


def _rounds(plan: Plan) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.pool_probe", str(plan.repeats * ROUNDS_PER_REPEAT)]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with pinned(plan.cores.tested):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise NotMeasured((done.stderr.strip() or "no message").splitlines()[-1])
    rounds: list[dict[str, float]] = json.loads(done.stdout)
    return rounds
