"""Figures become Prometheus metrics.

prometheus_client renders and knows the formats; it keeps no numbers here, since a labelled counter of its own costs
about as much per request as the gateway's whole decision. Its import takes some 10 MB and 50 ms, so it waits for the
first scrape, and then happens in the thread that renders.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from proxy.admin import breaker_metrics, latency, metric_names, policy_metrics
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, RouteFigures, TlsFigures
from proxy.admin.metric_names import MetricName
from proxy.admin.policy_metrics import Samples

if TYPE_CHECKING:
    from prometheus_client import Metric

ROUTES_MAX: Final = 1_000
"""Routes with series of their own, some twenty each: beyond, the series would outweigh what they tell."""

HEALTHS: Final = ("healthy", "degraded", "unhealthy", "draining")
"""Told for every service, also at zero, so that an alert need not know about absent series."""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Families(list["Metric"]):
    """What prometheus_client renders: anything with collect()."""

    def collect(self) -> Iterable["Metric"]:
        return self


def render(figures: Figures, accept: str) -> tuple[str, bytes]:
    """The content type and the body of /metrics, in the format that the Accept header asks for."""
    from prometheus_client import exposition
    from prometheus_client.openmetrics import exposition as openmetrics

    families = _Families(collect(figures))
    if any(part.split(";")[0].strip().lower() == "application/openmetrics-text" for part in accept.split(",")):
        return OPENMETRICS, openmetrics.generate_latest(families)  # type: ignore[no-untyped-call]
    return TEXT, exposition.generate_latest(families)


def collect(figures: Figures, routes_max: int = ROUTES_MAX) -> Iterator["Metric"]:
    """Every metric family: metric_names.METRICS in their order, and the process's own."""
    from prometheus_client import PROCESS_COLLECTOR

    routes = bounded(figures.routes, routes_max)
    yield _family(metric_names.BUILD, [((figures.version,), 1)])
    yield _family(metric_names.READY, [((), figures.ready)])
    yield _family(metric_names.REQUESTS, _requests(routes))
    yield _durations(routes)
    yield _family(metric_names.REFUSALS, _refusals(figures))
    yield _family(metric_names.INSTANCES, _instances(figures.instances))
    yield _family(metric_names.SERVICE_IN_FLIGHT, _in_flight(figures.instances))
    yield from _bodies(figures.bodies)
    yield _family(metric_names.DOUBTS, [((cause,), count) for cause, count in figures.doubts.items()])
    yield from _tls(figures.tls)
    for family, samples in policy_metrics.families(figures):
        yield _family(family, samples)
    for family, samples in breaker_metrics.breaker_families(figures.breakers):
        yield _family(family, samples)
    for field, name in metric_names.OF_WIRE.items():
        yield _family(name, [((), figures.wire.get(field, 0))])
    yield from PROCESS_COLLECTOR.collect()


def bounded(routes: Sequence[RouteFigures], routes_max: int) -> list[RouteFigures]:
    """The first routes_max routes as they are, and the others as one for each method, with the path `other`."""
    others: dict[str, RouteFigures] = {}
    for route in routes[routes_max:]:
        so_far = others.get(route.method, RouteFigures(route.method, "other", (0,) * 6))
        others[route.method] = RouteFigures(
            route.method,
            "other",
            _added(so_far.statuses, route.statuses),
            route.latency if so_far.latency is None else _added(so_far.latency, route.latency or ()),
        )
    return [*routes[:routes_max], *others.values()]


def _added(one: Sequence[int], other: Sequence[int]) -> Sequence[int]:
    return [a + b for a, b in zip(one, other, strict=True)] if other else one


def _family(name: MetricName, samples: Samples) -> "Metric":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    if name.kind == "info":
        info = InfoMetricFamily(name.name.removesuffix("_info"), name.help)
        for labels, _ in samples:
            info.add_metric([], dict(zip(name.labels, labels, strict=True)))
        return info
    kind = CounterMetricFamily if name.kind == "counter" else GaugeMetricFamily
    family = kind(name.name, name.help, labels=name.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _requests(routes: Iterable[RouteFigures]) -> Samples:
    for route in routes:
        for status_class in range(2, 6):  # 1xx is never a final response
            yield (route.path, route.method, f"{status_class}xx"), route.statuses[status_class]


def _durations(routes: Iterable[RouteFigures]) -> "Metric":
    from prometheus_client.metrics_core import HistogramMetricFamily
    from prometheus_client.utils import floatToGoString

    name = metric_names.DURATION
    family = HistogramMetricFamily(name.name, name.help, labels=name.labels)
    bounds = [
        floatToGoString(bound)  # type: ignore[no-untyped-call]
        for bound in (*latency.BOUNDS_S, float("inf"))
    ]
    for route in routes:
        if route.latency is not None:
            buckets = list(zip(bounds, latency.cumulative(route.latency), strict=True))
            family.add_metric([route.path, route.method], buckets, latency.sum_s(route.latency))
    return family


def _refusals(figures: Figures) -> Samples:
    """The counts that Python keeps, and the one refusal that the wire answers and counts alone."""
    counts = Counter(figures.reasons)
    counts["exchanges_full"] += figures.wire.get("exchanges_full", 0)
    for code, count in counts.items():
        yield (code,), count


def _bodies(bodies: BodyFigures) -> Iterator["Metric"]:
    yield _family(metric_names.STREAMS, [((), bodies.streams)])
    yield _family(metric_names.HELD, [((), bodies.held_bytes)])
    yield _family(metric_names.HELD_PEAK, [((), bodies.held_bytes_peak)])
    yield _family(metric_names.HELD_REFUSED, [((), bodies.refused)])


def _tls(tls: TlsFigures) -> Iterator["Metric"]:
    whole = tls.handshakes - tls.resumed
    yield _family(metric_names.TLS_HANDSHAKES, [(("true",), tls.resumed), (("false",), whole)])
    yield _family(metric_names.TLS_FAILURES, [((cause,), count) for cause, count in tls.failures.items()])
    yield _family(metric_names.TLS_SESSIONS, [((), tls.sessions)])
    yield _family(metric_names.TLS_RELOADS, [(("true",), tls.reloads), (("false",), tls.bad_reloads)])
    left = tls.certificate_seconds_left
    yield _family(metric_names.TLS_CERTIFICATE, [] if left is None else [((), left)])


def _instances(instances: Sequence[InstanceFigures]) -> Samples:
    counts = Counter((instance.service, instance.health) for instance in instances)
    for service in dict.fromkeys(instance.service for instance in instances):
        for health in HEALTHS:
            yield (service, health), counts[service, health]


def _in_flight(instances: Sequence[InstanceFigures]) -> Samples:
    sums: Counter[str] = Counter()
    for instance in instances:
        sums[instance.service] += instance.in_flight
    for service, in_flight in sums.items():
        yield (service,), in_flight
