"""What `penstock top` shows, as titled tables of text: plain functions of the figures, for any terminal or none."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from proxy.admin.top import Top, TopInstance, TopRoute, TopWorker

from .columns import printable, seconds

BAD: Final = "bad"
WARN: Final = "warn"
GOOD: Final = "good"
SOFT: Final = "soft"


class Cell(NamedTuple):
    """A text, and how it is meant: BAD, WARN, GOOD, SOFT, or as any other."""

    text: str
    tone: str = ""


class Section(NamedTuple):
    """A table. right: columns of numbers, which stand to the right; none: what is said where it has no rows; wide:
    columns that a narrow terminal does without.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    right: frozenset[int]
    none: str = ""
    wide: frozenset[int] = frozenset()


SORTS: Final[dict[str, Callable[[TopRoute], float]]] = {
    "rate": lambda row: row.rate,
    "errors": lambda row: row.error_rate,
    "p99": lambda row: row.p99_us or 0,
    "in-flight": lambda row: row.in_flight,
}
"""What routes can be put in order by, the highest first."""


def summary(top: Top) -> list[Cell]:
    """Return the figures of all requests together, the most telling first."""
    requests, ratio = top.requests, top.requests.error_ratio
    bad = BAD if ratio is not None and ratio > 0.01 else ""
    return [
        Cell(f"{rate(requests.rate)} req/s"),
        Cell(f"5xx {percent(ratio)}", bad),
        Cell(f"refused {rate(requests.refused_rate)}/s"),
        Cell(f"p50 {time(requests.took.p50_us)}"),
        Cell(f"p99 {time(requests.took.p99_us)}"),
        Cell(f"p99.9 {time(requests.took.p999_us)}"),
        Cell(f"in the gateway p99 {time(requests.gateway.p99_us)}"),
        Cell(f"{requests.in_flight:,} in flight"),
        Cell(f"{top.flow.clients:,} clients"),
        Cell(f"{top.flow.streams:,} streams"),
        Cell(f"in {size(top.flow.bytes_in_rate)}/s"),
        Cell(f"out {size(top.flow.bytes_out_rate)}/s"),
    ]


def resilience(top: Top) -> list[Cell]:
    """Return what was done about failures and overload, where anything was."""
    extra = top.extra
    told = [
        (extra.retry_rate, "sent again {}/s"),
        (extra.hedge_rate, "hedged {}/s"),
        (extra.shed_rate, "shed {}/s"),
        (extra.rate_limited_rate, "over a rate limit {}/s"),
        (extra.waiting, "{} waiting"),
    ]
    cells = [Cell(words.format(rate(value)), WARN) for value, words in told if value]
    cells += [Cell(f"breakers: {each.count} {each.state} ({each.service})", WARN) for each in top.breakers]
    if top.pool is not None:
        cells.append(Cell(f"pool: {top.pool.connections} connections, {top.pool.waiting} waiting"))
    return cells


def routes(top: Top, sort: str) -> Section:
    """Return the routes. sort: one of SORTS."""
    rows = sorted(top.routes, key=SORTS[sort], reverse=True)
    title = f"routes: {len(rows)} of {top.routes_now:,}, by {sort}"
    cells = [_route(row) for row in rows]
    return Section(title, ROUTE_HEAD, cells, frozenset(range(2, 8)), "no route was asked yet", frozenset((1, 4, 6)))


def instances(top: Top) -> Section:
    """Return the instances, those that are not well first."""
    told = ", ".join(f"{count:,} {health}" for health, count in top.instances_now.items() if count)
    rows = [_instance(row) for row in top.instances]
    right, wide = frozenset((2, 3, 4, 5, 6)), frozenset((3, 6, 7))
    return Section(f"instances: {told or 'none'}", INSTANCE_HEAD, rows, right, "no service has registered", wide)


def refusals(top: Top) -> Section:
    """Return the reasons that are given now, or were."""
    rows = [
        [Cell(each.reason), Cell(str(each.status or "-")), Cell(rate(each.rate)), Cell(f"{each.total:,}")]
        for each in top.refusals
    ]
    return Section("refused, by reason", REFUSAL_HEAD, rows, frozenset((1, 2, 3)))


def workers(top: Top) -> Section:
    """Return the processes."""
    rows = [_worker(row) for row in top.workers]
    return Section("workers", WORKER_HEAD, rows, frozenset(range(1, 9)), "no worker answers", frozenset((1, 3, 7)))


ROUTE_HEAD: Final = ("ROUTE", "SERVICE", "REQ/S", "ERR/S", "P50", "P99", "GATEWAY", "IN FLIGHT")
INSTANCE_HEAD: Final = ("INSTANCE", "HEALTH", "REQ/S", "ERR/S", "IN FLIGHT", "LATENCY", "LOAD", "VERSION", "WHY")
REFUSAL_HEAD: Final = ("REASON", "STATUS", "PER S", "SINCE START")
WORKER_HEAD: Final = ("WORKER", "PID", "REQ/S", "IN FLIGHT", "CLIENTS", "CPU", "MEMORY", "TURN P99", "UP")
_HEALTH_TONES: Final = {"healthy": GOOD, "degraded": WARN, "unhealthy": BAD, "draining": SOFT}


def _route(row: TopRoute) -> list[Cell]:
    return [
        Cell(printable(f"{row.method} {row.path}")),
        Cell(printable(row.service), SOFT),
        Cell(rate(row.rate)),
        _errors(row.error_rate, row.rate),
        Cell(time(row.p50_us)),
        Cell(time(row.p99_us)),
        Cell(time(row.gateway_p99_us)),
        Cell(f"{row.in_flight:,}"),
    ]


def _instance(row: TopInstance) -> list[Cell]:
    return [
        Cell(printable(f"{row.service}/{row.instance}")),
        Cell(row.health, _HEALTH_TONES.get(row.health, BAD)),
        Cell(rate(row.rate)),
        _errors(row.error_rate, row.rate or 0.0),
        Cell(f"{row.in_flight:,}"),
        Cell(time(row.latency_us or None)),
        Cell("-" if row.load_percent is None else f"{row.load_percent:.0f} %"),
        Cell(printable(row.version)),
        Cell(printable(row.breaker or row.why), BAD if row.breaker else WARN),
    ]


def _worker(row: TopWorker) -> list[Cell]:
    return [
        Cell(row.worker or "single"),
        Cell(str(row.pid)),
        Cell(rate(row.rate)),
        Cell(f"{row.in_flight:,}"),
        Cell(f"{row.clients:,}"),
        Cell(percent(row.cpu), WARN if row.cpu > 0.9 else ""),
        Cell(size(row.rss_bytes)),
        Cell(time(row.turn_p99_us)),
        Cell(seconds(row.up_s)),
    ]


def _errors(errors: float | None, of: float) -> Cell:
    return Cell(rate(errors), BAD if errors is not None and errors > of / 100 else "")


# ---- numbers ----


def rate(value: float | None) -> str:
    """Return a number per second, with as many digits as tell something."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def time(microseconds: float | None) -> str:
    """Return a duration; a dash for none."""
    if microseconds is None or microseconds < 0:
        return "-"
    if microseconds < 100:
        return f"{microseconds / 1_000:.3f} ms"
    if microseconds < 10_000:
        return f"{microseconds / 1_000:.2f} ms"
    return f"{microseconds / 1_000:,.0f} ms" if microseconds < 1_000_000 else f"{microseconds / 1_000_000:.1f} s"


def percent(ratio: float | None) -> str:
    """Return a part of 1 as percent; a dash for none."""
    return "-" if ratio is None else f"{100 * ratio:.{2 if 0 < ratio < 0.1 else 1}f} %"


def size(count: float) -> str:
    """Return bytes: ``312 B``, ``1.5 KiB``, ``38 MiB``."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= length:
            return f"{count / length:.{1 if count < 10 * length else 0}f} {unit}"
    return f"{count:.0f} B"
