"""What traces and the access log cost: the same gateway with 1 % sampled, with lines for 1 % or for all, and without.

The collector, a small server that takes everything, shares a core with the load, and is not charged. Lines go to a
file.
"""

import sys
from contextlib import ExitStack
from typing import Final

from benchmarks import gateway
from benchmarks.gateway import ANSWERING
from benchmarks.rounds import Contender, Open, Plan
from benchmarks.servers import Server, free_port, wait_listening

PLAIN: Final = "penstock, no traces"
SAMPLED: Final = "penstock, 1 % sampled"
LINES: Final = "penstock, a line for 1 %"
ALL_LINES: Final = "penstock, a line for each"


def _traced(stack: ExitStack, plan: Plan) -> dict[str, str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.span_sink", str(port)]
    sink = stack.enter_context(Server(f"span-sink-{port}", command, plan.cores.load, plan.folder))
    wait_listening(sink, port)
    return {
        "PENSTOCK_TRACES_EXPORT": "otlp",
        "PENSTOCK_TRACES_ENDPOINT": f"http://127.0.0.1:{port}/v1/traces",
        "PENSTOCK_TRACES_SAMPLED": "1%",
    }


def penstock_traced(sampled: bool) -> Open:
    """Return how to start the gateway with spans of 1 %, or without."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        return _started(stack, plan, _traced(stack, plan) if sampled else {})

    return start


def penstock_logged(mode: str) -> Open:
    """Return how to start the gateway with an access log: `sampled` or `all`."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        output = plan.folder.absolute() / f"access-{mode}.log"
        return _started(stack, plan, {"PENSTOCK_ACCESS_LOG_MODE": mode, "PENSTOCK_ACCESS_LOG_OUTPUT": str(output)})

    return start


def _started(stack: ExitStack, plan: Plan, variables: dict[str, str]) -> Contender:
    started = gateway.gateway(stack, plan.cores.tested, plan.folder, variables=variables)
    gateway.frame_upstream(stack, started, plan.cores.load, plan.folder, ANSWERING)
    return Contender(started.edge_port, (started.server,))
