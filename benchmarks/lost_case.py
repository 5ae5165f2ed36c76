"""The cases about one of four instances that is killed, or hangs, while 80 % of what the gateway can carry comes in.

What it can carry is measured first: as many requests as sixty-four connections have answered. All instances run on one
core, so those that are left can carry as much as all four: this is about the requests that the lost one had, and about
those that still go there, not about the work that it did.
"""

import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks import gateway
from benchmarks.gateway import ANSWERING
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.servers import Server
from benchmarks.steady import Part, Steady, SteadyResult, steady
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_PATH

INSTANCES = 4
LOAD_PART = 0.8
CONNECTIONS_FULL, CONNECTIONS = 64, 1024
REQUESTS = 100_000
"""At least so many, while one is gone."""

FAILED_PERCENT_MAX, BACK_S_MAX = 0.1, 2.0
FAILED_REQUESTS_COUNT = 1.0
"""The unit of those that may not be: what is allowed is none of it."""

BACK_WINDOWS = 5
"""The 99th percentile is back when it stays there for so many tenths of a second."""

BACK_FACTOR, BACK_SLACK_US = 2.0, 2_000.0
"""Above the median of the windows before: what it differs by from one window to the next anyway."""


def killed(outcome: Outcome, plan: Plan) -> Outcome:
    """SIGKILL: the connection is lost, and everybody knows."""
    return _lost(outcome, plan, signal.SIGKILL)


def hung(outcome: Outcome, plan: Plan) -> Outcome:
    """SIGSTOP: the connection stays, and nothing comes."""
    return _lost(outcome, plan, signal.SIGSTOP)


def _lost(outcome: Outcome, plan: Plan, how: signal.Signals) -> Outcome:
    outcome.samples[ALLOWED] = [
        {"failed": FAILED_REQUESTS_COUNT, "failed_percent": FAILED_PERCENT_MAX, "back_s": BACK_S_MAX}
    ] * plan.repeats
    outcome.samples["penstock"] = []
    for number in range(1, plan.repeats + 1):
        try:
            with ExitStack() as stack:
                sample = _measure(outcome, stack, plan, how)
        except NotMeasured as why:
            outcome.fail("penstock", str(why))
            break
        outcome.samples["penstock"].append(sample)
        text = ", ".join(f"{name} {value:,.3g}" for name, value in sample.items())
        say(outcome.case, f"round {number}/{plan.repeats}  {text}")
    return outcome


def _measure(outcome: Outcome, stack: ExitStack, plan: Plan, how: signal.Signals) -> Sample:
    cores, folder = plan.cores, plan.folder
    started = gateway.gateway(stack, cores.tested, folder)
    upstreams = [
        gateway.frame_upstream(stack, started, cores.load, folder, ANSWERING, instance=str(number))
        for number in range(INSTANCES)
    ]
    full = steady(started.edge_port, INVOICE_PATH, 0, max(1.0, plan.seconds / 2), CONNECTIONS_FULL, cores.load)
    rate = LOAD_PART * full.per_s
    before_s = max(1.0, plan.seconds / 2)
    seconds = before_s + max(2 * plan.seconds, REQUESTS / rate)
    say(outcome.case, f"{full.per_s:,.0f} requests/s are carried; {rate:,.0f} come for {seconds:.0f} s")
    with Steady(started.edge_port, INVOICE_PATH, rate, seconds, CONNECTIONS, cores.load) as load:
        time.sleep(before_s)
        at_s = _end(upstreams[0], how)
        try:
            result = load.result()
        finally:
            _wake(upstreams[0])
    return judged(result, at_s - result.began_at_s)


def _end(server: Server, how: signal.Signals) -> float:
    """Send the signal to all processes of a server; return when."""
    at_s = time.monotonic()
    for pid in server.pids():
        os.kill(pid, how)
    return at_s


def _wake(server: Server) -> None:
    """Let who hangs go on, so that it can be ended."""
    for pid in server.pids():
        os.kill(pid, signal.SIGCONT)


def judged(result: SteadyResult, at_s: float) -> Sample:
    """Return what became of the load. at_s: when the instance was lost, since the load began."""
    after = [part for part in result.windows if part.at_s >= at_s - 0.1]
    requests = _sum(after, lambda part: part.good + part.refused + part.failed)
    failed = _sum(after, lambda part: part.refused + part.failed)
    if not requests:
        raise NotMeasured("nothing was asked after the instance was lost")
    usual_us = statistics.median(part.p99_us for part in result.windows if part.at_s < at_s - 0.1)
    return {
        "failed": failed,
        "failed_percent": 100 * failed / requests,
        "back_s": _back_s(after, usual_us, at_s),
        "requests": requests,
        "usual_p99_us": usual_us,
        "longest_us": max(part.longest_us for part in after),
    }


def _back_s(after: Sequence[Part], usual_us: float, at_s: float) -> float:
    """Return how long it takes until the 99th percentile is as before, and stays so for a while."""
    limit_us = max(BACK_FACTOR * usual_us, usual_us + BACK_SLACK_US)
    is_back = [part.p99_us <= limit_us and not part.failed and not part.refused for part in after]
    for at, part in enumerate(after):
        following = is_back[at : at + BACK_WINDOWS]
        if all(following):
            return max(0.0, part.at_s - at_s)
    return after[-1].at_s - at_s


def _sum(parts: Sequence[Part], of: Callable[[Part], int]) -> int:
    return sum(map(of, parts))
