"""The gateway with all that keeps it standing: retries, hedges, breakers, learned limits, shedding, faults."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks import gateway
from benchmarks.gateway import ANSWERING
from benchmarks.rounds import Contender, Plan

INSTANCES = 2

SETTINGS = """\
reload: {watch: 0s}
faults: {enabled: true}
shedding: {queue_delay: 1s}
balancing: {slow_start: 500ms} # over before the load comes
retries:
  profiles:
    hedged: {attempts: 3, attempt_timeout: 1s, hedge: 1%}
rules:
  - name: all that keeps it standing
    service: billing
    access: public
    deadline: 5s
    retries: hedged
    concurrency: {route: 5000, service: adaptive, least: 256, most: 10000}
    faults:
      - {delay: 1ms, percent: 0.1}
  - name: writing again
    service: billing
    methods: [POST]
    idempotency: {ttl: 1m}
"""
"""No answer is taken from the cache: its requests would never reach a service, and cost less than any other."""


def penstock_resilient(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway so, before two instances of one service."""
    cores, folder = plan.cores, plan.folder
    path = Path(folder) / "resilient.yaml"
    path.write_text(SETTINGS)
    started = gateway.gateway(stack, cores.tested, folder, settings=path)
    for number in range(1, INSTANCES + 1):
        gateway.frame_upstream(stack, started, cores.load, folder, ANSWERING, instance=str(number))
    return Contender(started.edge_port, (started.server,))
