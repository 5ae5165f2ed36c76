"""The cases about workers that are replaced, one after the other, and by another version: no request may fail.

Clients ask without a pause over connections that they keep until an answer says that it closes. Each round replaces all
workers; the load goes on until there were as many requests as are to be judged.
"""

import http.client
import json
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import trio

from benchmarks import gateway
from benchmarks.gateway import Gateway
from benchmarks.machine import pinned
from benchmarks.memory_cases import ALLOWED
from benchmarks.rounds import Outcome, Plan, Sample, say
from benchmarks.steady_clients import SteadyLoad
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_BODY, INVOICE_PATH

WORKERS = 2
CLIENTS = 16
REQUESTS, ROUNDS = 100_000, 20
REQUESTS_QUICK, ROUNDS_QUICK = 5_000, 2
SPREAD = "2s"
ROUND_S, POLL_S = 60.0, 0.1
FAILED_REQUESTS_COUNT = 1.0
"""The unit of those that may not be: what is allowed is none of it."""


def restarted(outcome: Outcome, plan: Plan) -> Outcome:
    """All workers are replaced, one after the other."""
    return _replaced(outcome, plan, "/workers/restart")


def upgraded(outcome: Outcome, plan: Plan) -> Outcome:
    """The supervisor gives way to another one, which replaces all workers."""
    return _replaced(outcome, plan, "/upgrade")


def _replaced(outcome: Outcome, plan: Plan, page: str) -> Outcome:
    outcome.samples[ALLOWED] = [{"failed": FAILED_REQUESTS_COUNT}]
    try:
        with ExitStack() as stack:
            variables = {"PENSTOCK_WORKERS": str(WORKERS), "PENSTOCK_DRAIN_SPREAD": SPREAD}
            started = gateway.gateway(stack, plan.cores.tested, plan.folder, variables=variables)
            gateway.python_service(stack, started, "async", plan.cores.load, plan.folder)
            with pinned(plan.cores.load):
                sample = trio.run(_measure, outcome, started, plan.repeats == 1, page)
    except NotMeasured as why:
        outcome.fail("penstock", str(why))
    else:
        outcome.samples["penstock"] = [sample]
    return outcome


async def _measure(outcome: Outcome, started: Gateway, is_quick: bool, page: str) -> Sample:
    rounds, requests = (ROUNDS_QUICK, REQUESTS_QUICK) if is_quick else (ROUNDS, REQUESTS)
    load = SteadyLoad(("127.0.0.1", started.edge_port), INVOICE_PATH.encode(), INVOICE_BODY)
    slowest_s = 0.0
    await trio.to_thread.run_sync(wait_connected, started.admin_port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run, CLIENTS)
        for number in range(1, rounds + 1):
            took_s = await trio.to_thread.run_sync(partial(replace_all, started.admin_port, page))
            slowest_s = max(slowest_s, took_s)
            await load.until_sent(requests * number // rounds)
            say(outcome.case, f"round {number}/{rounds}  {took_s:.1f} s, {load.sent:,} requests, {_failures(load)}")
        load.end()
    return {"failed": load.failures.total(), "requests": load.sent, "round_s": slowest_s}


def _failures(load: SteadyLoad) -> str:
    return ", ".join(f"{count} {what}" for what, count in load.failures.items()) or "none failed"


def wait_connected(admin_port: int) -> None:
    """Wait until each worker has the service."""
    until = time.monotonic() + ROUND_S
    while not all(worker["instances"] for worker in _ask(admin_port, "GET", "/workers")["workers"]):
        if time.monotonic() > until:
            raise NotMeasured("not every worker has the service")
        time.sleep(POLL_S)


def replace_all(admin_port: int, page: str) -> float:
    """Have all workers replaced, and return how many seconds it took."""
    began = time.monotonic()
    _ask(admin_port, "POST", page)
    came: dict[str, Any] = {}
    while came.get("state") != "done":
        if came.get("state") == "failed" or time.monotonic() - began > ROUND_S:
            raise NotMeasured(f"workers are not replaced: {came}")
        time.sleep(POLL_S)
        with suppress(OSError):  # one supervisor is about to give way to the other
            came = _ask(admin_port, "GET", page)
    return time.monotonic() - began


def _ask(admin_port: int, method: str, page: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=ROUND_S)
    try:
        connection.request(method, page)
        with connection.getresponse() as response:
            said: dict[str, Any] = json.load(response)
            if response.status != 200:
                raise NotMeasured(f"{method} {page} is answered {response.status}: {said}")
            return said
    finally:
        connection.close()
