"""The case about deadlines: how late a request is answered 504, while the gateway has all it can do."""

import selectors
import socket
import statistics
import sys
import threading
import time
from contextlib import ExitStack

from benchmarks import gateway
from benchmarks.gateway import ANSWERING, Gateway
from benchmarks.load import LoadResult, wrk
from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.servers import Server
from benchmarks.tools import ROOT, NotMeasured

CONNECTIONS = 32
DEADLINE_MS = 300
LATE_ALLOWED_MS = 50.0
REQUEST = f"GET /hang HTTP/1.1\r\nHost: gateway\r\nX-Request-Timeout-Ms: {DEADLINE_MS}\r\n\r\n".encode()
READY_WITHIN_S = 10.0


def late_answers(outcome: Outcome, plan: Plan) -> Outcome:
    """Measure the latest answer, and the median, beside 64 connections that ask as fast as they can."""
    outcome.samples[ALLOWED] = [{"late_ms": LATE_ALLOWED_MS}] * plan.repeats
    try:
        with ExitStack() as stack:
            outcome.samples["penstock"] = _measure(outcome, stack, plan)
    except NotMeasured as why:
        outcome.fail("penstock", str(why))
    return outcome


def _measure(outcome: Outcome, stack: ExitStack, plan: Plan) -> list[Sample]:
    cores, folder = plan.cores, plan.folder
    started = gateway.gateway(stack, cores.tested, folder)
    gateway.frame_upstream(stack, started, cores.load, folder, ANSWERING)
    environment = {
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "PENSTOCK_GATEWAYS": f"tcp://127.0.0.1:{started.services_port}",
    }
    command = [sys.executable, "-m", "benchmarks.hanging_app"]
    hanging = stack.enter_context(Server("hanging", command, cores.load, folder, environment))
    _wait_until_it_hangs(started, hanging)
    samples: list[Sample] = []
    for number in range(plan.repeats):
        late_ms, load = _window(started, plan.seconds, cores.load)
        samples.append(
            {
                "late_ms": max(late_ms),
                "late_p50_ms": statistics.median(late_ms),
                "rate": load.requests / load.duration_s,
            }
        )
        say(
            outcome.case,
            f"round {number + 1}  latest of {len(late_ms):,} answers {max(late_ms):.1f} ms after its deadline,"
            f" median {statistics.median(late_ms):.1f} ms, beside {load.requests / load.duration_s:,.0f} requests/s",
        )
    return samples


def _wait_until_it_hangs(started: Gateway, hanging: Server) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        hanging.check_alive()
        with socket.create_connection(("127.0.0.1", started.edge_port), timeout=5) as client:
            client.sendall(REQUEST)
            if client.recv(65_536).startswith(b"HTTP/1.1 504"):
                return
        time.sleep(0.05)
    raise NotMeasured("the hanging service did not register in time")


def _window(started: Gateway, seconds: float, core: int) -> tuple[list[float], LoadResult]:
    """Return how late each answer was, in milliseconds, and what else was answered meanwhile."""
    loads: list[LoadResult] = []
    load = threading.Thread(target=lambda: loads.append(wrk(64)(started.edge_port, seconds, core)))
    load.start()
    with pinned(core):
        late_ms = _ask(started.edge_port, seconds * 0.9)
    load.join()
    if not late_ms or not loads:
        raise NotMeasured("nothing was answered")
    return late_ms, loads[0]


def _ask(port: int, seconds: float) -> list[float]:
    """Ask over several connections, again and again: from before a request is sent until its answer is read."""
    late_ms: list[float] = []
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            selector.register(client, selectors.EVENT_READ, _send(client))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in selector.select(1.0):
                answer = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if not answer.startswith(b"HTTP/1.1 504"):
                    raise NotMeasured(f"an answer was {answer[:60]!r}")
                late_ms.append((time.monotonic() - key.data) * 1000 - DEADLINE_MS)
                selector.modify(key.fileobj, selectors.EVENT_READ, _send(key.fileobj))  # type: ignore[arg-type]
    return late_ms


def _send(client: socket.socket) -> float:
    """Send a request; return when that was begun."""
    began = time.monotonic()
    client.sendall(REQUEST)
    return began
