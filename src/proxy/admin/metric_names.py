"""Every metric by name, kind, labels and help: what `metrics.py` yields, and what docs/metrics.md is made from.

Names follow Prometheus' conventions: base units at the end, `_total` for what only rises. Here are those of the edge
and of the gateway itself; the others stand in files by topic, which are imported below.
"""

from typing import Final

from proxy.admin.answer_names import OF_CACHE, OF_KEYS
from proxy.admin.attempt_names import INJECTED, OF_FANOUTS, OF_HEDGES, OF_RETRIES
from proxy.admin.breaker_metrics import OF_BREAKERS
from proxy.admin.metric_name import MetricName as MetricName
from proxy.admin.policy_names import OF_ADMISSION, OF_IDENTITY, OF_RATES
from proxy.admin.service_names import OF_CALLS, OF_CHOICE, OF_DIALLED, OF_REGISTRY
from proxy.admin.traffic_names import OF_INSTANCES, OF_LOOP, OF_OUTPUTS, OF_PROCESS, OF_ROUTES, OF_WORKERS
from proxy.admin.wire_names import OF_WIRE as OF_WIRE

BUILD: Final = MetricName(
    "penstock_build_info",
    "info",
    "The running version, and the revision of the source that it was built of: unknown where that is not known.",
    ("version", "git_sha"),
)
SERVICES_MAX: Final = 500
"""Services that are told by name, of metrics that have a label for the service, and none for its instances."""

READY: Final = MetricName("penstock_ready", "gauge", "1 when /ready answers 200, else 0.")
REFUSALS: Final = MetricName(
    "penstock_refusals_total",
    "counter",
    "Exchanges that were not simply answered by a service, by reason; docs/reasons.md tells them.",
    ("reason",),
)
INSTANCES: Final = MetricName(
    "penstock_instances", "gauge", "Instances of a service, by health.", ("service", "health")
)
SERVICE_IN_FLIGHT: Final = MetricName(
    "penstock_service_requests_in_flight",
    "gauge",
    "Requests that the instances of a service have not answered yet.",
    ("service",),
)
STREAMS: Final = MetricName("penstock_streams", "gauge", "Exchanges whose bodies stream, or are waited for, now.")
HELD: Final = MetricName("penstock_body_bytes_held", "gauge", "Bytes that are held for bodies, all together.")
HELD_PEAK: Final = MetricName(
    "penstock_body_bytes_held_max", "gauge", "Most bytes that were held for bodies at once since the start."
)
HELD_REFUSED: Final = MetricName(
    "penstock_body_holds_refused_total",
    "counter",
    "Times that bytes of a body did not fit beside what is held already; see reason bytes_in_flight_full.",
)
DOUBTS: Final = MetricName(
    "penstock_forwarded_doubts_total",
    "counter",
    "Requests of trusted proxies whose word on the client was not taken, by cause.",
    ("cause",),
)
TLS_HANDSHAKES: Final = MetricName(
    "penstock_tls_handshakes_total",
    "counter",
    "TLS handshakes of clients that were finished, by whether a session was resumed.",
    ("resumed",),
)
TLS_FAILURES: Final = MetricName(
    "penstock_tls_failures_total",
    "counter",
    "Client connections that ended because of TLS, by cause; docs/tls.md tells them.",
    ("cause",),
)
TLS_SESSIONS: Final = MetricName("penstock_tls_sessions", "gauge", "Client connections that speak TLS now.")
TLS_RELOADS: Final = MetricName(
    "penstock_tls_certificate_reloads_total",
    "counter",
    "Times that certificates were read anew, by whether what was read is served.",
    ("served",),
)
TLS_CERTIFICATE: Final = MetricName(
    "penstock_tls_certificate_seconds_left",
    "gauge",
    "Seconds until the first of the served certificates runs out; negative when one has.",
)

RELOADS: Final = MetricName(
    "penstock_reloads_total",
    "counter",
    "Times that settings were read again, by whether they were applied.",
    ("applied",),
)
RELOADED: Final = MetricName(
    "penstock_reload_last_success_timestamp_seconds", "gauge", "When settings were last applied, seconds since 1970."
)
REVISION: Final = MetricName("penstock_settings_revision", "gauge", "Revision of the settings; 1 at the start.")

OF_SERVICES: Final = (
    *OF_CHOICE,
    *OF_RATES,
    *OF_ADMISSION,
    *OF_IDENTITY,
    *OF_REGISTRY,
    *OF_DIALLED,
    *OF_CALLS,
    *OF_FANOUTS,
    *OF_RETRIES,
    *OF_HEDGES,
    INJECTED,
    *OF_CACHE,
    *OF_KEYS,
    RELOADS,
    RELOADED,
    REVISION,
)
"""Of what `policy_metrics.py` yields, in its order."""

METRICS: Final = (
    BUILD,
    READY,
    *OF_ROUTES,
    REFUSALS,
    *OF_INSTANCES,
    INSTANCES,
    SERVICE_IN_FLIGHT,
    STREAMS,
    HELD,
    HELD_PEAK,
    HELD_REFUSED,
    DOUBTS,
    TLS_HANDSHAKES,
    TLS_FAILURES,
    TLS_SESSIONS,
    TLS_RELOADS,
    TLS_CERTIFICATE,
    *OF_SERVICES,
    *OF_BREAKERS,
    *OF_WIRE.values(),
    *OF_LOOP,
    *OF_WORKERS,
    *OF_OUTPUTS,
    *OF_PROCESS,
)


def reference_page() -> str:
    """The text of docs/metrics.md. To write it anew: PYTHONPATH=src python -m proxy.admin.metric_names"""
    return _PAGE.format(
        rows="\n".join(_row(metric) for metric in METRICS),
        of_route=sum(_series_of(metric) for metric in OF_ROUTES if "reason" not in metric.labels),
        of_instance=sum(_series_of(metric) for metric in OF_INSTANCES),
        services=SERVICES_MAX,
    )


def _series_of(metric: MetricName) -> int:
    """Of one route, or one instance."""
    if metric.kind == "histogram":
        return len(metric.bounds) + 3
    return 4 if "status_class" in metric.labels else 1


def _row(metric: MetricName) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


_PAGE = """\
# Metrics

`GET /metrics` on the admin listener answers in Prometheus' text format, or as OpenMetrics where the client accepts it.
This page is made from `src/proxy/admin/metric_names.py`.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
{rows}

## What is bounded

A route is a path template and never a path. Routes past the first `metrics.routes_max` are told together, as route and
service `other`, and instances past the first `metrics.instances_max` as instance and service `other`; services past the
first {services} likewise, where a metric is told by service alone. Who came first keeps its name. No other label holds
what a client or a service can choose freely.

One route has up to {of_route} series, and one for each reason for which the gateway has answered in place of a service;
one instance has up to {of_instance}.

## What is measured

The buckets of a duration are never too kind: a request that is counted as within a bound was within it. What was
within the last 1 % below a bound may be counted as above it; of `penstock_gateway_duration_seconds` and
`penstock_instance_duration_seconds`, and of those of the loop, within the last 6 %.

The time of a request ends with its answer, so that of a WebSocket is as long as that is open.

With `metrics.enabled` off, the gateway takes no times: of the histograms there is only
`penstock_service_duration_seconds`, which it needs itself. Instances have no counts of their own then, and refusals are
not told by route. All other metrics are there.

## Several workers

The page of a gateway with several workers tells the sum of them: of what one worker has told before it ended, too, so
that no counter falls. What is the same in each worker (`penstock_routes`, `penstock_queue_delay_seconds` and their
like) is told once, as the highest. Metrics with the label `worker` are by slot, which a new worker takes over from an
old one; `process_` metrics are those of the process that answers.
"""

if __name__ == "__main__":
    print(reference_page(), end="")
