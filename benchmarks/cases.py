"""All cases: who contends, under which load."""

import dataclasses
from collections.abc import Callable

from benchmarks import (
    attempts_case,
    choice_case,
    codec_case,
    command_case,
    contenders,
    deadline_case,
    lost_case,
    match_case,
    memory_cases,
    overload_case,
    pool_case,
    reload_case,
    replaced_case,
    scrape_case,
    steps_case,
    traces_case,
    workers_case,
)
from benchmarks.load import Load, closed_loop, downloads, uploads, wrk
from benchmarks.platform import HEADERS, penstock_platform
from benchmarks.resilient import penstock_resilient
from benchmarks.rounds import Open, Outcome, Plan, measure_in_turns
from benchmarks.work import BODY_MIB, CREATE_BODY


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A case by its name on the command line."""

    name: str
    title: str
    run: Callable[[Outcome, Plan], Outcome]

    def __call__(self, plan: Plan) -> Outcome:
        """Run it."""
        return self.run(Outcome(self.name, self.title), plan)


def _loaded(rivals: dict[str, Open], load: Load, part: float = 1.0) -> Callable[[Outcome, Plan], Outcome]:
    """Return how a case under load is run; ``part`` shortens what no must depends on."""

    def run(outcome: Outcome, plan: Plan) -> Outcome:
        shorter = dataclasses.replace(plan, seconds=max(1.0, plan.seconds * part))
        return measure_in_turns(outcome, rivals, load, shorter)

    return run


_PROXIES: dict[str, Open] = {
    "nginx": contenders.nginx,
    "HAProxy": contenders.haproxy,
    "penstock": contenders.penstock,
}
_WITH_DEF: dict[str, Open] = {
    "nginx": contenders.nginx,
    "penstock + service (def)": contenders.penstock_with_service("def"),
}
_WITH_ASYNC: dict[str, Open] = {
    "nginx + uvicorn": contenders.nginx_uvicorn,
    "penstock + service (async)": contenders.penstock_with_service("async"),
}
_FASTAPI: dict[str, Open] = {
    "nginx + uvicorn": contenders.nginx_uvicorn_fastapi,
    "penstock + bridge": contenders.penstock_with_fastapi("trio"),
    "penstock + bridge (uvloop)": contenders.penstock_with_fastapi("uvloop"),
}
_BY_TLS: dict[str, Open] = {"nginx": contenders.nginx_tls, "penstock": contenders.penstock_tls}
_CHUNKED: dict[str, Open] = {
    "Hypercorn": contenders.hypercorn,
    "penstock": contenders.penstock,
    "penstock, streaming": contenders.penstock_sinking,
}
_BODIES: dict[str, Open] = {
    "nginx": contenders.nginx_unbuffered(large_buffers=True),
    "nginx, its own buffers": contenders.nginx_unbuffered(large_buffers=False),
    "penstock": contenders.penstock_streaming,
    "penstock, service in Python": contenders.penstock_streaming_service,
}

_PLATFORM: dict[str, Open] = {
    "nginx": contenders.nginx,
    "penstock, 10 routes": penstock_platform(10),
    "penstock, 1,000 routes": penstock_platform(1_000),
    "penstock, 10,000 routes": penstock_platform(10_000),
}

_RESILIENT: dict[str, Open] = {
    "nginx": contenders.nginx,
    "penstock": contenders.penstock,
    "penstock, resilient": penstock_resilient,
}

_MEASURES: dict[str, Open] = {
    "penstock, no metrics": scrape_case.penstock_measuring(enabled=False),
    "penstock": scrape_case.penstock_measuring(enabled=True),
}

_TRACES: dict[str, Open] = {
    traces_case.PLAIN: traces_case.penstock_traced(sampled=False),
    traces_case.SAMPLED: traces_case.penstock_traced(sampled=True),
    traces_case.LINES: traces_case.penstock_logged("sampled"),
    traces_case.ALL_LINES: traces_case.penstock_logged("all"),
}

_WORKERS: dict[str, Open] = {
    "penstock, 1 worker": workers_case.penstock_workers(1),
    "penstock, 2 workers": workers_case.penstock_workers(2),
}

_CASES = (
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
    Case(
        "platform-64",
        "small GET with tenant, token, claims, rate limit and split, 64 connections",
        _loaded(_PLATFORM, wrk(64, headers=HEADERS)),
    ),
    Case(
        "resilient-64",
        "small GET with retries, hedges, breakers, learned limits, shedding and faults on, 64 connections",
        _loaded(_RESILIENT, wrk(64)),
    ),
    Case(
        "deadline", "requests that nobody answers, beside 64 connections that ask for more", deadline_case.late_answers
    ),
    Case("reload", f"reloads of {reload_case.ROUTES:,} routes under load", reload_case.reloads),
    Case("fastapi", "FastAPI, gateway and service on one core, 64 connections", _loaded(_FASTAPI, wrk(64))),
    Case("tls-64", "small GET by TLS 1.3, 64 connections", _loaded(_BY_TLS, wrk(64, is_tls=True))),
    Case(
        "chunked-64",
        "chunked POST with 1 KiB, 64 connections",
        _loaded(_CHUNKED, wrk(64, CREATE_BODY, is_chunked=True)),
    ),
    Case("download-1", f"download of {BODY_MIB} MiB, 1 connection", _loaded(_BODIES, downloads(1))),
    Case("download-4", f"download of {BODY_MIB} MiB, 4 connections", _loaded(_BODIES, downloads(4))),
    Case("upload-1", f"upload of {BODY_MIB} MiB, 1 connection", _loaded(_BODIES, uploads(1))),
    Case("upload-4", f"upload of {BODY_MIB} MiB, 4 connections", _loaded(_BODIES, uploads(4))),
    Case("workers", "small GET, 256 connections, one worker or two on one core", _loaded(_WORKERS, wrk(256))),
    Case(
        "measures-64",
        "small GET, 64 connections, with what is measured for people and without",
        _loaded(_MEASURES, wrk(64)),
    ),
    Case(
        "traces-64",
        "small GET, 64 connections, with traces, with an access log, and without",
        _loaded(_TRACES, wrk(64)),
    ),
    Case(
        "scrapes",
        f"/metrics every {scrape_case.EVERY_S:.0f} s with {scrape_case.ROUTES:,} routes, under load",
        scrape_case.scrapes,
    ),
    Case("steps", "the longest steps of the loop under full load", steps_case.longest),
    Case("choice", "one of several instances is chosen", choice_case.each_way),
    Case("killed", "one of 4 instances is killed (SIGKILL) at 80 % load", lost_case.killed),
    Case("hung", "one of 4 instances hangs (SIGSTOP) at 80 % load", lost_case.hung),
    Case("restarts", "all workers are replaced, again and again, under load", replaced_case.restarted),
    Case("upgrades", "another version takes over, again and again, under load", replaced_case.upgraded),
    Case("overload", "4 times as many requests as 4 instances carry, for a minute", overload_case.four_times),
    Case("idle", f"{memory_cases.IDLE_CONNECTIONS:,} idle keep-alive connections", memory_cases.idle),
    Case(
        "slow-readers",
        f"{memory_cases.SLOW_BODIES} downloads of {BODY_MIB} MiB to slow readers",
        memory_cases.downloads_to_slow_readers,
    ),
    Case(
        "slow-service",
        f"{memory_cases.SLOW_BODIES} uploads of {BODY_MIB} MiB to a service that does not take them",
        memory_cases.uploads_to_a_slow_service,
    ),
    Case("codec", "the C codec, REQUEST frames of 200 bytes with 8 fields", codec_case.against_memcpy),
    Case("decode", "the same request decoded from Python", codec_case.against_httptools),
    Case("command", "a command that answers at once", command_case.starts),
    Case("match", "a path matched among few routes and among many", match_case.among_many_routes),
    Case("all-failing", "every instance answers 503: how often a request is sent", attempts_case.failing),
    Case("storm", "two gateways in a row, every instance answers 503", attempts_case.chain),
    Case("closing", "connections that services close as they are used", attempts_case.closing),
    Case("pool", "a connection of the pool taken and given back", pool_case.checkout_and_return),
)
CASES = {case.name: case for case in _CASES}
