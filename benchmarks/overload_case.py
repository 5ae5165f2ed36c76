"""The case about four times as many requests as services can carry: how much useful work is left, and how fast.

Four instances with eight workers each, and ten milliseconds of work for a request, carry 3,200 requests per second;
who sends more only waits longer. The work costs no processor time, so what is measured is what the gateway lets in.
"""

from contextlib import ExitStack
from pathlib import Path

from benchmarks import gateway
from benchmarks.gateway import Offer
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.steady import steady
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_PATH

INSTANCES, WORKERS, WORK_US = 4, 8, 10_000
CAPACITY_PER_S = INSTANCES * WORKERS * 1e6 / WORK_US
OVERLOAD = 4.0
USUAL_PART = 0.8
"""Of the capacity: the load whose 99th percentile is what that of the admitted is held against."""

OVERLOAD_WINDOWS = 12
"""Of the plan's windows: a minute by default."""

CONNECTIONS = 4096
WORKING: tuple[Offer, ...] = (("GET", "/invoices/{invoice_id}", "work"),)
CAPACITY, USUAL = "capacity", "at 80 %"

SETTINGS = """\
reload: {watch: 0s}
rules:
  - {name: no more than it can carry, service: billing, concurrency: {service: adaptive}}
"""


def four_times(outcome: Outcome, plan: Plan) -> Outcome:
    """Good answers per second beside the capacity, and their 99th percentile beside that of a usual load."""
    outcome.samples[CAPACITY] = [{"per_s": CAPACITY_PER_S}]
    try:
        with ExitStack() as stack:
            _measure(outcome, stack, plan)
    except NotMeasured as why:
        outcome.fail("penstock", str(why))
    return outcome


def _measure(outcome: Outcome, stack: ExitStack, plan: Plan) -> None:
    cores, folder = plan.cores, plan.folder
    path = Path(folder) / "overload.yaml"
    path.write_text(SETTINGS)
    started = gateway.gateway(stack, cores.tested, folder, settings=path)
    for number in range(INSTANCES):
        work = (WORKERS, WORK_US)
        gateway.frame_upstream(stack, started, cores.load, folder, WORKING, instance=str(number), work=work)
    rate = USUAL_PART * CAPACITY_PER_S
    usual = steady(started.edge_port, INVOICE_PATH, rate, 2 * plan.seconds, CONNECTIONS, cores.load)
    refused, failed = usual.total.refused, usual.total.failed
    say(outcome.case, f"at {rate:,.0f}/s: {refused} refused, {failed} failed, p99 {_ms(usual.total.p99_us)}")
    outcome.samples[USUAL] = [{"p99_us": usual.total.p99_us}]
    rate, seconds = OVERLOAD * CAPACITY_PER_S, OVERLOAD_WINDOWS * plan.seconds
    result = steady(started.edge_port, INVOICE_PATH, rate, seconds, CONNECTIONS, cores.load)
    total = result.total
    say(
        outcome.case,
        f"at {rate:,.0f}/s for {seconds:.0f} s: {result.per_s:,.0f}/s good, {total.refused:,} refused,"
        f" {total.failed:,} failed, p99 {_ms(total.p99_us)}, longest {_ms(total.longest_us)}",
    )
    outcome.samples["penstock"] = [{"per_s": result.per_s, "p99_us": total.p99_us}]


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f} ms"
