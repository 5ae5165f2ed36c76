"""The cases with a network: who contends, under which load."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks import codec_case, gateway, rivals
from benchmarks.accounting import Memory, memory
from benchmarks.load import Load, closed_loop, idle_connections, wrk
from benchmarks.rounds import Contender, Open, Outcome, Plan, Sample, measure_in_turns, say
from benchmarks.servers import fetch
from benchmarks.tools import NotMeasured
from benchmarks.work import CREATE_BODY, INVOICE_BODY, INVOICE_PATH

IDLE_CONNECTIONS = 10_000
IDLE_REPEATS_MAX = 2  # memory hardly varies, and each repetition needs fresh processes
SETTLE_S = 1.5


def _nginx(stack: ExitStack, plan: Plan) -> Contender:
    upstream = rivals.nginx_upstream(stack, plan.cores.load, plan.folder)
    server, port = rivals.nginx_proxy(stack, upstream, plan.cores.tested, plan.folder)
    return _checked(Contender(port, (server,)))


def _haproxy(stack: ExitStack, plan: Plan) -> Contender:
    upstream = rivals.nginx_upstream(stack, plan.cores.load, plan.folder)
    server, port = rivals.haproxy(stack, upstream, plan.cores.tested, plan.folder)
    return _checked(Contender(port, (server,)))


def _nginx_uvicorn(stack: ExitStack, plan: Plan) -> Contender:
    application, upstream = rivals.uvicorn(stack, plan.cores.tested, plan.folder)
    server, port = rivals.nginx_proxy(stack, upstream, plan.cores.tested, plan.folder)
    return _checked(Contender(port, (server, application)))


def _penstock(stack: ExitStack, plan: Plan) -> Contender:
    started = gateway.gateway(stack, plan.cores.tested, plan.folder)
    gateway.frame_upstream(stack, started, plan.cores.load, plan.folder)
    return _checked(Contender(started.edge_port, (started.server,)))


def _penstock_with_service(handler: str) -> Open:
    def start(stack: ExitStack, plan: Plan) -> Contender:
        started = gateway.gateway(stack, plan.cores.tested, plan.folder)
        service = gateway.python_service(stack, started, handler, plan.cores.tested, plan.folder)
        return _checked(Contender(started.edge_port, (started.server, service)))

    return start


def _checked(contender: Contender) -> Contender:
    """Return the contender when it answers the one GET with the very bytes that all must answer with."""
    try:
        status, kind, body = fetch(contender.port, "GET", INVOICE_PATH)
    except OSError as error:
        raise NotMeasured(f"{contender.charged[0].name}: {type(error).__name__}: {error}") from error
    if (status, body) != (200, INVOICE_BODY) or not kind.startswith("application/json"):
        raise NotMeasured(f"{contender.charged[0].name} answers {status} {kind} {body[:100]!r}")
    return contender


_PROXIES: dict[str, Open] = {"nginx": _nginx, "HAProxy": _haproxy, "penstock": _penstock}


def _idle(outcome: Outcome, plan: Plan) -> Outcome:
    """Memory of all processes before and with the idle connections, each time of a fresh server."""
    contenders = {"nginx": _nginx, "penstock": _penstock}
    for number in range(min(plan.repeats, IDLE_REPEATS_MAX)):
        for name, start in contenders.items():
            if name in outcome.not_measured:
                continue
            try:
                with ExitStack() as stack:
                    sample = _idle_sample(start(stack, plan))
            except NotMeasured as why:
                outcome.fail(name, str(why))
                continue
            outcome.samples.setdefault(name, []).append(sample)
            text = f"{sample['resident_mib']:.1f} MiB resident, {sample['growth_mib']:.1f} MiB of that since they came"
            say(outcome.case, f"round {number + 1}  {name:<24} {text}")
    return outcome


def _idle_sample(contender: Contender) -> Sample:
    with idle_connections(contender.port, 16):
        pass  # what the first requests bring into memory is not the connections'
    before = memory(contender.pids())
    with idle_connections(contender.port, IDLE_CONNECTIONS):
        time.sleep(SETTLE_S)
        after = memory(contender.pids())
    return _memory_sample(before, after)


def _memory_sample(before: Memory, after: Memory) -> Sample:
    return {
        "resident_mib": after.resident_kib / 1024,
        "before_mib": before.resident_kib / 1024,
        "growth_mib": (after.resident_kib - before.resident_kib) / 1024,
        "proportional_mib": after.proportional_kib / 1024,
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A case by its name on the command line."""

    name: str
    title: str
    run: Callable[[Outcome, Plan], Outcome]

    def __call__(self, plan: Plan) -> Outcome:
        """Run it."""
        return self.run(Outcome(self.name, self.title), plan)


def _loaded(contenders: dict[str, Open], load: Load, part: float = 1.0) -> Callable[[Outcome, Plan], Outcome]:
    """Return how a case under load is run; ``part`` shortens what no must depends on."""

    def run(outcome: Outcome, plan: Plan) -> Outcome:
        shorter = dataclasses.replace(plan, seconds=max(1.0, plan.seconds * part))
        return measure_in_turns(outcome, contenders, load, shorter)

    return run


_WITH_DEF: dict[str, Open] = {"nginx": _nginx, "penstock + service (def)": _penstock_with_service("def")}
_WITH_ASYNC: dict[str, Open] = {
    "nginx + uvicorn": _nginx_uvicorn,
    "penstock + service (async)": _penstock_with_service("async"),
}

CASES = {
    case.name: case
    for case in (
        Case("get-64", "small GET, 64 connections", _loaded(_PROXIES, wrk(64))),
        Case("get-1", "small GET, 1 connection", _loaded(_PROXIES, closed_loop, 0.6)),
        Case("get-256", "small GET, 256 connections", _loaded(_PROXIES, wrk(256), 0.6)),
        Case("post-64", "POST with 1 KiB, 64 connections", _loaded(_PROXIES, wrk(64, CREATE_BODY), 0.6)),
        Case("service", "gateway and service on one core, def handler, 64 connections", _loaded(_WITH_DEF, wrk(64))),
        Case(
            "service-async",
            "gateway and service on one core, async def handler, 64 connections",
            _loaded(_WITH_ASYNC, wrk(64)),
        ),
        Case("idle", f"{IDLE_CONNECTIONS:,} idle keep-alive connections", _idle),
        Case("codec", "the C codec, REQUEST frames of 200 bytes with 8 fields", codec_case.against_memcpy),
        Case("decode", "the same request decoded from Python", codec_case.against_httptools),
    )
}
