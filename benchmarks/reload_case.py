"""The case about reloading: what the slowest request waits for while ten thousand routes are made again."""

import contextlib
import os
import signal
import socket
import statistics
import time
from contextlib import ExitStack

from benchmarks import gateway
from benchmarks.gateway import ANSWERING, Gateway
from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.platform import HEADERS, register_routes, settings_file
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_PATH

ROUTES = 10_000
RELOADS = 5
WINDOW_S = 1.5
"""In which a reload begins and is over."""
STALL_ALLOWED_MS = 50.0
EVERY_S = 0.001
"""A request each millisecond, as long as answers come: a stall is seen to a millisecond."""


def reloads(outcome: Outcome, plan: Plan) -> Outcome:
    """Longest time to an answer, in quiet windows and in windows with a reload in them."""
    outcome.samples[ALLOWED] = [{"stall_ms": STALL_ALLOWED_MS}] * RELOADS
    try:
        with ExitStack() as stack:
            outcome.samples["penstock"] = _measure(outcome, stack, plan)
    except NotMeasured as why:
        outcome.fail("penstock", str(why))
    return outcome


def _measure(outcome: Outcome, stack: ExitStack, plan: Plan) -> list[Sample]:
    cores, folder = plan.cores, plan.folder
    started = gateway.gateway(stack, cores.tested, folder, settings=settings_file(folder))
    gateway.frame_upstream(stack, started, cores.load, folder, ANSWERING, "1.4.0", HEADERS)
    register_routes(stack, started, ROUTES, cores.load, folder)
    samples: list[Sample] = []
    with pinned(cores.load), Prober(started.edge_port) as prober:
        prober.slowest_ms(0.5)
        for number in range(RELOADS):
            quiet_ms = prober.slowest_ms(WINDOW_S)
            settings_file(folder, f"  - {{name: another one, path: /part-1, deadline: {number + 1}s}}\n")
            os.kill(started.server.pids()[0], signal.SIGHUP)
            stall_ms = prober.slowest_ms(WINDOW_S)
            samples.append({"stall_ms": stall_ms, "quiet_ms": quiet_ms})
            say(outcome.case, f"reload {number + 1}  slowest {stall_ms:.1f} ms, without one {quiet_ms:.1f} ms")
    _check_reloaded(started)
    say(outcome.case, f"median of the slowest {statistics.median(each['stall_ms'] for each in samples):.1f} ms")
    return samples


def _check_reloaded(started: Gateway) -> None:
    count = started.server.log.read_text().count("settings read again")
    if count < RELOADS:
        raise NotMeasured(f"{count} of {RELOADS} reloads were applied: {started.server.last_words()}")


class Prober:
    """A client that asks each millisecond over one connection, and notes how long answers take."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self._request = f"GET {INVOICE_PATH} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n".encode()

    def __enter__(self) -> "Prober":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def slowest_ms(self, seconds: float) -> float:
        """Ask for so long; return the longest time from when a request was due to its answer."""
        slowest_s, due = 0.0, time.monotonic()
        end = due + seconds
        while due < end:
            now = time.monotonic()
            if now < due:
                time.sleep(due - now)
            self._ask()
            slowest_s = max(slowest_s, time.monotonic() - due)
            due = max(due + EVERY_S, time.monotonic())
        return slowest_s * 1000

    def _ask(self) -> None:
        self._socket.sendall(self._request)
        head = self._socket.recv(65_536)
        if not head.startswith(b"HTTP/1.1 200"):
            raise NotMeasured(f"an answer was {head[:60]!r}")
