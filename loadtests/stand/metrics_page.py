"""The gateway's figures, out of the text of /metrics (docs/metrics.md) and the rows of /workers."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loadtests.record import GatewaySample, WorkerSample

Labels = dict[str, str]

_LINE: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")

_PLAIN: Final = {
    "tasks": "penstock_tasks",
    "exchanges": "penstock_exchanges_in_flight",
    "streams": "penstock_streams",
    "handovers": "penstock_handovers_open",
    "clients": "penstock_edge_connections_open",
    "services": "penstock_service_connections_open",
    "pool_waiting": "penstock_pool_requests_waiting",
    "held_bytes": "penstock_body_bytes_held",
    "buffers": "penstock_buffers",
    "kept_requests": "penstock_kept_requests",
    "calls": "penstock_service_calls_in_flight",
    "requests_total": "penstock_edge_requests_total",
    "answers_total": "penstock_edge_answers_total",
    "service_answers_total": "penstock_edge_service_answers_total",
    "clients_gone_total": "penstock_clients_gone_total",
    "bad_requests_total": "penstock_edge_bad_requests_total",
}
"""Fields of a sample that are one metric each, summed over its labels."""


def lines_of(page: str) -> Iterator[tuple[str, Labels, float]]:
    """Yield name, labels and value of each line that tells one."""
    for line in page.splitlines():
        if line.startswith("#") or (found := _LINE.match(line)) is None:
            continue
        labels = {name: _ESCAPED.sub(_unescaped, text) for name, text in _LABEL.findall(found[2] or "")}
        yield found[1], labels, float(found[3])


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]


def gateway_sample(page: str, workers: Iterable[Mapping[str, Any]], *, is_ready: bool) -> GatewaySample:
    """Return what the page tells. workers: the rows of /workers."""
    sums: defaultdict[str, float] = defaultdict(float)
    refusals: Counter[str] = Counter()
    by_class: Counter[str] = Counter()
    calls = dropped = 0
    for name, labels, value in lines_of(page):
        sums[name] += value
        if name == "penstock_refusals_total" and value:
            refusals[labels["reason"]] += int(value)
        elif name == "penstock_requests_total" and value:
            by_class[labels["status_class"]] += int(value)
        elif name in ("penstock_service_calls_total", "penstock_service_calls_failed_total"):
            calls += int(value)
        elif name in ("penstock_output_dropped_total", "penstock_output_failures_total"):
            dropped += int(value) if labels.get("output") == "log" else 0
    plain = {field: int(sums[name]) for field, name in _PLAIN.items() if name in sums}
    return GatewaySample(
        **plain,
        refusals_total=dict(refusals),
        answered_by_services_total=dict(by_class),
        calls_total=calls,
        dropped_lines_total=dropped,
        workers=[WorkerSample(id=row["worker"], pid=row["pid"], state=row["state"]) for row in workers],
        is_ready=is_ready,
    )
