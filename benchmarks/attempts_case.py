"""Cases about sending again: how much more than what came is sent while everything fails, and what a closing costs."""

import json
import subprocess
import sys
from contextlib import ExitStack

from benchmarks import gateway
from benchmarks.gateway import Gateway
from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.tools import ROOT, NotMeasured

CLOSINGS_PER_SECOND = 2_000
"""Of the plan's seconds: 10,000 closings in a run with its defaults."""
PATIENCE_S = 300.0


def failing(outcome: Outcome, plan: Plan) -> Outcome:
    """All instances of a service fail: requests sent upstream ÷ requests in."""
    return _counted(outcome, plan, "failing", 1, ["{seconds}"], {"ratio": 1.0})


def chain(outcome: Outcome, plan: Plan) -> Outcome:
    """Two gateways in a row, all services behind the second fail: what these are asked ÷ requests in."""
    return _counted(outcome, plan, "chain", 2, ["{seconds}"], {"ratio": 1.0})


def closing(outcome: Outcome, plan: Plan) -> Outcome:
    """Services close their connections at the very moment at which they are used."""
    closings = round(CLOSINGS_PER_SECOND * plan.seconds)
    return _counted(outcome, plan, "closing", 1, [str(closings)], {"failed_gets": 1.0, "doubled_posts": 1.0})


def _counted(outcome: Outcome, plan: Plan, kind: str, gateways: int, arguments: list[str], allowed: Sample) -> Outcome:
    """Start so many gateways, and the services and clients of the probe."""
    try:
        with ExitStack() as stack:
            started = [gateway.gateway(stack, plan.cores.tested, plan.folder) for _ in range(gateways)]
            sample = _probe(plan, kind, started, arguments)
    except NotMeasured as why:
        outcome.fail("penstock", str(why))
        return outcome
    outcome.samples["penstock"], outcome.samples[ALLOWED] = [sample], [allowed]
    say(outcome.case, ", ".join(f"{name} {value:,.10g}" for name, value in sample.items()))
    return outcome


def _probe(plan: Plan, kind: str, gateways: list[Gateway], arguments: list[str]) -> Sample:
    ports = [str(port) for one in gateways for port in (one.edge_port, one.services_port)]
    told = [each.format(seconds=plan.seconds) for each in arguments]
    command = [sys.executable, "-m", "benchmarks.attempts_probe", kind, *ports, *told]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    try:
        with pinned(plan.cores.load):
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=PATIENCE_S
            )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"it took longer than {PATIENCE_S:g} s") from None
    if done.returncode != 0:
        raise NotMeasured((done.stderr.strip() or "no message").splitlines()[-2 if "+--" in done.stderr else -1])
    sample: Sample = json.loads(done.stdout)
    return sample
