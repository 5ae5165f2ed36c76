"""The case about the longest steps of the loop under full load: what its own metrics tell of turns, and of other tasks.

Whoever is ready waits for the end of a turn. What is judged is the bound of the bucket in which the 99.99th percentile
lies, so a little too much.
"""

from contextlib import ExitStack
from typing import Final

from benchmarks import gateway
from benchmarks.gateway import ANSWERING
from benchmarks.load import wrk
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.servers import fetch
from benchmarks.tools import NotMeasured

STEP_MS_MAX: Final = 20.0
PART: Final = 0.9999
CONNECTIONS: Final = 64
NAMES: Final = {"turn_ms": "penstock_loop_turn_seconds", "away_ms": "penstock_loop_away_seconds"}


def longest(outcome: Outcome, plan: Plan) -> Outcome:
    """Load a gateway fully, and read what its turns have taken."""
    outcome.samples[ALLOWED] = [dict.fromkeys(NAMES, STEP_MS_MAX)] * plan.repeats
    outcome.samples["penstock"] = []
    for number in range(1, plan.repeats + 1):
        try:
            sample = _measure(plan)
        except NotMeasured as why:
            outcome.fail("penstock", str(why))
            break
        outcome.samples["penstock"].append(sample)
        text = ", ".join(f"{name} {value:,.3g}" for name, value in sample.items())
        say(outcome.case, f"round {number}/{plan.repeats}  {text}")
    return outcome


def _measure(plan: Plan) -> Sample:
    with ExitStack() as stack:
        started = gateway.gateway(stack, plan.cores.tested, plan.folder)
        gateway.frame_upstream(stack, started, plan.cores.load, plan.folder, ANSWERING)
        load = wrk(CONNECTIONS)
        load(started.edge_port, 1.0, plan.cores.load)
        before = _metrics(started.admin_port)
        load(started.edge_port, 2 * plan.seconds, plan.cores.load)
        after = _metrics(started.admin_port)
    return {quantity: percentile_ms(before, after, name) for quantity, name in NAMES.items()}


def _metrics(port: int) -> str:
    status, _, body = fetch(port, "GET", "/metrics")
    if status != 200:
        raise NotMeasured(f"/metrics was answered {status}")
    return body.decode()


def _buckets(text: str, name: str) -> dict[float, float]:
    """Return how many were within each bound, in seconds."""
    lines = [line for line in text.splitlines() if line.startswith(f"{name}_bucket{{")]
    return {float(line.partition('le="')[2].partition('"')[0]): float(line.rpartition(" ")[2]) for line in lines}


def percentile_ms(before: str, after: str, name: str) -> float:
    """Return within which bound the 99.99th percentile lies of what was counted between two pages of metrics."""
    early, late = _buckets(before, name), _buckets(after, name)
    within = {bound: late[bound] - early.get(bound, 0.0) for bound in sorted(late)}
    if not within or not within[max(within)]:
        raise NotMeasured(f"{name} has counted nothing")
    return 1000 * next(bound for bound, count in within.items() if count >= PART * within[max(within)])
