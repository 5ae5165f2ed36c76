"""The gateway with a supervisor and one worker or two, on the core under test.

Where there is no third core for the load, two workers cannot be shown to carry twice as much: then what a request costs
tells whether they are in each other's way. The service in C knows nothing of workers, so each gets one of its own.
"""

from contextlib import ExitStack

from benchmarks import gateway
from benchmarks.gateway import ANSWERING
from benchmarks.rounds import Contender, Open, Plan
from benchmarks.servers import free_port, wait_listening


def penstock_workers(count: int) -> Open:
    """Return how to start the gateway with so many workers."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        cores, folder = plan.cores, plan.folder
        first_port = free_port()
        variables = {"PENSTOCK_WORKERS": str(count), "PENSTOCK_SERVICES_WORKER_LISTEN": f"127.0.0.1:{first_port}"}
        started = gateway.gateway(stack, cores.tested, folder, variables=variables)
        for slot in range(count):
            wait_listening(started.server, first_port + slot)
            behind = gateway.Gateway(started.server, started.edge_port, first_port + slot)
            gateway.frame_upstream(stack, behind, cores.load, folder, ANSWERING)
        return Contender(started.edge_port, (started.server,))

    return start
