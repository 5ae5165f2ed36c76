"""The case about the command: how long a person waits for `penstock --version`, from its start to its end."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, say

STARTS_PER_ROUND = 10
ALLOWED_MS = 80.0
COMMANDS = {"penstock --version": ["--version"], "penstock --help": ["--help"]}


def starts(outcome: Outcome, plan: Plan) -> Outcome:
    """Median time of a start in each round, after one that has filled the caches."""
    program = Path(sys.executable).with_name("penstock")
    if not program.exists():
        for name in COMMANDS:
            outcome.fail(name, f"{program} is not installed (pip install -e .)")
        return outcome
    outcome.samples[ALLOWED] = [{"start_ms": ALLOWED_MS}] * plan.repeats
    with pinned(plan.cores.tested):
        for name, words in COMMANDS.items():
            _start_ms(program, words)
            outcome.samples[name] = []
            for number in range(plan.repeats):
                times = [_start_ms(program, words) for _ in range(STARTS_PER_ROUND)]
                outcome.samples[name].append({"start_ms": statistics.median(times)})
                say(
                    outcome.case,
                    f"round {number + 1}  {name}  {statistics.median(times):.0f} ms, {max(times):.0f} at most",
                )
    return outcome


def _start_ms(program: Path, words: list[str]) -> float:
    begin = time.monotonic()
    subprocess.run([program, *words], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - begin) * 1000
