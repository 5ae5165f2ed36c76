"""What must be reached, and what is aimed at: ratios within one run. Nothing here is a wish in absolute numbers.

Where the bound is a number nevertheless, as for memory that must not grow, it stands for a rival:
`memory_cases.ALLOWED`.
"""

from benchmarks.choice_case import BLIND, DEFAULT, UNEVEN
from benchmarks.judgement import Target
from benchmarks.match_case import named
from benchmarks.memory_cases import ALLOWED
from benchmarks.overload_case import CAPACITY, USUAL
from benchmarks.scrape_case import QUIET
from benchmarks.traces_case import ALL_LINES, LINES, PLAIN, SAMPLED


def _bodies(direction: str, connections: int) -> tuple[Target, ...]:
    """Return the rows of one case of large bodies."""
    case = f"{direction}-{connections}"
    what = f"{direction} of 100 MiB, {connections} connection{'s' * (connections > 1)}"
    return (
        Target(
            f"throughput ÷ nginx's (buffering off, buffers of 64 KiB), {what}",
            *(case, "penstock", "nginx", "mib_per_s"),
            must=0.5,
            aim=0.9,
            at_least=True,
        ),
        Target(
            "the same ÷ nginx's with its own buffers",
            case,
            "penstock",
            "nginx, its own buffers",
            "mib_per_s",
            at_least=True,
        ),
        Target(
            "the same, from a service in Python",
            case,
            "penstock, service in Python",
            "nginx",
            "mib_per_s",
            at_least=True,
        ),
        Target("gateway CPU per MiB ÷ nginx's, likewise", case, "penstock", "nginx", "cpu_us_per_mib"),
    )


_MATCH = tuple(
    Target(f"time to match among 10,000 routes ÷ among 10, {what}", "match", named(kind, 10_000), named(kind, 10), "ns")
    for kind, what in (
        ("literal", "path without parameters"),
        ("parameter", "parameter at the end"),
        ("wildcard", "parameter and wildcard"),
    )
)

_BODIES = tuple(
    row for direction in ("download", "upload") for connections in (1, 4) for row in _bodies(direction, connections)
)

TARGETS = (
    Target(
        "gateway CPU per request ÷ nginx's, GET, 64 connections", "get-64", "penstock", "nginx", "cpu_us", 0.70, 0.50
    ),
    Target(
        "gateway CPU per request ÷ HAProxy's, GET, 64 connections",
        "get-64",
        "penstock",
        "HAProxy",
        "cpu_us",
        0.70,
        0.50,
    ),
    Target(
        "gateway + service (def) CPU per request ÷ nginx's alone, 64 connections",
        *("service", "penstock + service (def)", "nginx", "cpu_us"),
        must=1.0,
        aim=0.8,
    ),
    Target(
        "requests/s, gateway + service (async def) on one core ÷ nginx + uvicorn on one core",
        *("service-async", "penstock + service (async)", "nginx + uvicorn", "per_s"),
        must=2.0,
        aim=3.0,
        at_least=True,
    ),
    Target(
        "requests/s, FastAPI behind the ASGI bridge and the gateway on one core ÷ on uvicorn behind nginx on one core",
        *("fastapi", "penstock + bridge", "nginx + uvicorn", "per_s"),
        must=1.0,
        aim=1.5,
        at_least=True,
    ),
    Target(
        "the same in a loop of uvloop's",
        *("fastapi", "penstock + bridge (uvloop)", "nginx + uvicorn", "per_s"),
        at_least=True,
    ),
    Target("median latency, 1 connection ÷ nginx's", "get-1", "penstock", "nginx", "p50_us", 1.3, 1.0),
    Target(
        "resident memory with 10,000 idle connections ÷ nginx's", "idle", "penstock", "nginx", "resident_mib", 1.5, 1.0
    ),
    Target("growth of it since they came ÷ nginx's", "idle", "penstock", "nginx", "growth_mib", 1.5, 1.0),
    Target("the resident memory with shared pages counted once (PSS)", "idle", "penstock", "nginx", "proportional_mib"),
    Target("batch decode of 200-byte REQUEST frames ÷ memcpy", "codec", "frame_scan", "memcpy", "ns", 25, 10),
    Target(
        "the same, called from Python, offsets only ÷ httptools without callbacks",
        "decode",
        "frames.codec",
        "httptools",
        "ns",
        0.4,
        0.15,
    ),
    Target(
        "the same, each frame as a tuple ÷ httptools without callbacks",
        "decode",
        "frames.codec, rows",
        "httptools",
        "ns",
    ),
    Target(
        "the same, every field taken as bytes ÷ httptools likewise",
        *("decode", "frames.codec, every field taken", "httptools, every field taken", "ns"),
    ),
    Target("gateway CPU per request ÷ nginx's, GET, 1 connection", "get-1", "penstock", "nginx", "cpu_us"),
    Target("gateway CPU per request ÷ nginx's, GET, 256 connections", "get-256", "penstock", "nginx", "cpu_us"),
    Target("gateway CPU per request ÷ HAProxy's, GET, 256 connections", "get-256", "penstock", "HAProxy", "cpu_us"),
    Target(
        "gateway CPU per request ÷ nginx's, POST of 1 KiB, 64 connections", "post-64", "penstock", "nginx", "cpu_us"
    ),
    Target(
        "gateway CPU per request ÷ HAProxy's, POST of 1 KiB, 64 connections", "post-64", "penstock", "HAProxy", "cpu_us"
    ),
    *_MATCH,
    Target(
        "gateway CPU per request ÷ nginx's, tenant, cached JWT, claims, rate limit, split and 1,000 routes",
        *("platform-64", "penstock, 1,000 routes", "nginx", "cpu_us"),
        must=0.85,
        aim=0.6,
    ),
    Target(
        "the same with 10,000 routes ÷ with 10",
        *("platform-64", "penstock, 10,000 routes", "penstock, 10 routes", "cpu_us"),
        must=1.1,
        aim=1.0,
    ),
    Target(
        "gateway CPU per request ÷ nginx's, with retries, hedges, breakers, learned limits, shedding and faults on",
        *("resilient-64", "penstock, resilient", "nginx", "cpu_us"),
        must=0.9,
        aim=0.65,
    ),
    Target(
        "the same ÷ with the defaults",
        *("resilient-64", "penstock, resilient", "penstock", "cpu_us"),
    ),
    Target(
        "CPU per request with 2 workers ÷ with 1, on one core",
        *("workers", "penstock, 2 workers", "penstock, 1 worker", "cpu_us"),
        must=1.1,
    ),
    Target(
        "CPU per request with all that is measured for people, access log off ÷ without",
        *("measures-64", "penstock", "penstock, no metrics", "cpu_us"),
        must=1.05,
    ),
    Target(
        "CPU per request with traces sampled at 1 % ÷ without",
        *("traces-64", SAMPLED, PLAIN, "cpu_us"),
        must=1.05,
    ),
    Target("the same with an access log of 1 % ÷ without", "traces-64", LINES, PLAIN, "cpu_us"),
    Target("the same with an access log of all ÷ without", "traces-64", ALL_LINES, PLAIN, "cpu_us"),
    Target(
        "time of /metrics with 1,000 routes under load, the slowest ÷ what is allowed (200 ms)",
        *("scrapes", "penstock", ALLOWED, "scrape_ms"),
        must=1.0,
        aim=0.5,
    ),
    Target(
        "p99 of requests beside scrapes ÷ without",
        *("scrapes", "penstock", QUIET, "p99_us"),
        must=1.2,
    ),
    Target(
        "longest turn of the loop under full load, p99.99 ÷ what is allowed (20 ms)",
        *("steps", "penstock", ALLOWED, "turn_ms"),
        must=1.0,
        aim=0.25,
    ),
    Target(
        "longest time that other tasks take meanwhile, likewise",
        *("steps", "penstock", ALLOWED, "away_ms"),
        must=1.0,
        aim=0.25,
    ),
    Target(
        "latest answer 504 after its deadline, beside 64 connections ÷ what is allowed (50 ms)",
        *("deadline", "penstock", ALLOWED, "late_ms"),
        must=1.0,
        aim=0.5,
    ),
    Target(
        "longest wait for an answer while 10,000 routes are reloaded ÷ what is allowed (50 ms)",
        *("reload", "penstock", ALLOWED, "stall_ms"),
        must=1.0,
        aim=0.2,
    ),
    Target(
        "start to end of penstock --version ÷ what is allowed (80 ms)",
        *("command", "penstock --version", ALLOWED, "start_ms"),
        must=1.0,
        aim=0.7,
    ),
    Target(
        "pool checkout and return, hit ÷ what is allowed (2 µs)",
        *("pool", "one", ALLOWED, "ns"),
        must=1.0,
        aim=0.5,
    ),
    Target("the same among 64 targets of four connections", *("pool", "among 256", ALLOWED, "ns"), must=1.0, aim=0.5),
    Target(
        "time to choose one of 4 instances, the less loaded of two ÷ to draw one (random.choice)",
        *("choice", DEFAULT, BLIND, "ns"),
        must=3.0,
    ),
    Target("the same while one of them has less than its share", "choice", UNEVEN, BLIND, "ns"),
    Target(
        "failed of 100,000 GETs and more, one of 4 instances killed (SIGKILL) at 80 % load",
        *("killed", "penstock", ALLOWED, "failed"),
        must=0.0,
    ),
    Target(
        "failed of 100,000 GETs, while all workers are replaced 20 times",
        *("restarts", "penstock", ALLOWED, "failed"),
        must=0.0,
    ),
    Target(
        "failed of 100,000 GETs, during 20 upgrades",
        *("upgrades", "penstock", ALLOWED, "failed"),
        must=0.0,
    ),
    Target(
        "failed GETs, one of 4 instances hung (SIGSTOP) at 80 % load ÷ what is allowed (0.1 %)",
        *("hung", "penstock", ALLOWED, "failed_percent"),
        must=1.0,
    ),
    Target(
        "time until p99 is as before again, likewise ÷ what is allowed (2 s)",
        *("hung", "penstock", ALLOWED, "back_s"),
        must=1.0,
    ),
    Target(
        "good answers per second at 4 x overload ÷ capacity",
        *("overload", "penstock", CAPACITY, "per_s"),
        must=0.8,
        aim=0.95,
        at_least=True,
    ),
    Target(
        "p99 of what is admitted at 4 x overload ÷ at 80 % of the capacity",
        *("overload", "penstock", USUAL, "p99_us"),
        must=2.0,
    ),
    Target(
        "all instances failing: requests sent upstream ÷ requests in",
        *("all-failing", "penstock", ALLOWED, "ratio"),
        must=1.25,
        aim=1.21,
    ),
    Target(
        "retry storm, two gateways in a row, all services down: attempts ÷ requests",
        *("storm", "penstock", ALLOWED, "ratio"),
        must=1.25,
        aim=1.21,
    ),
    Target(
        "connections closed by the service as they are used, 10,000 times: failed GETs",
        *("closing", "penstock", ALLOWED, "failed_gets"),
        must=0.0,
    ),
    Target("the same: doubled POSTs", *("closing", "penstock", ALLOWED, "doubled_posts"), must=0.0),
    *_BODIES,
    Target(
        "highest growth of resident memory, 200 downloads of 100 MiB to slow readers ÷ what is allowed",
        *("slow-readers", "penstock", ALLOWED, "growth_mib"),
        must=1.0,
    ),
    Target(
        "of it, growth from the second third of 15 s to the last ÷ what is allowed",
        *("slow-readers", "penstock", ALLOWED, "drift_mib"),
        must=1.0,
    ),
    Target(
        "highest growth of resident memory, 200 uploads of 100 MiB to a slow service ÷ what is allowed",
        *("slow-service", "penstock", ALLOWED, "growth_mib"),
        must=1.0,
    ),
    Target(
        "of it, growth from the second third of 15 s to the last ÷ what is allowed",
        *("slow-service", "penstock", ALLOWED, "drift_mib"),
        must=1.0,
    ),
    Target(
        "gateway CPU per request ÷ nginx's, GET by TLS 1.3, 64 connections",
        *("tls-64", "penstock", "nginx", "cpu_us"),
        must=0.9,
        aim=0.6,
    ),
    Target(
        "gateway CPU per request ÷ Hypercorn's on Trio, chunked POST of 1 KiB, 64 connections",
        *("chunked-64", "penstock", "Hypercorn", "cpu_us"),
        must=0.7,
        aim=0.3,
    ),
    Target(
        "the same, to an endpoint that streams",
        *("chunked-64", "penstock, streaming", "Hypercorn", "cpu_us"),
        must=0.7,
        aim=0.3,
    ),
)
