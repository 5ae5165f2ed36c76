"""A probe: a module that times one thing in a process of its own, on the measured core, and prints its rounds."""

import json
import subprocess
import sys

from benchmarks.machine import pinned
from benchmarks.rounds import Plan
from benchmarks.tools import ROOT, NotMeasured


def rounds_of(module: str, plan: Plan, rounds_per_repeat: int) -> list[dict[str, float]]:
    """Run the probe of that name, and return what it took in each round, by what was timed. Raises NotMeasured."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(plan.repeats * rounds_per_repeat)]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with pinned(plan.cores.tested):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise NotMeasured((done.stderr.strip() or "no message").splitlines()[-1])
    rounds: list[dict[str, float]] = json.loads(done.stdout)
    return rounds
