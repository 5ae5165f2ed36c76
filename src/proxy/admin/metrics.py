"""Figures become Prometheus metrics: `metric_names.METRICS`, in their order.

Nothing is counted here: a labelled counter of a metrics library costs about as much per request as the gateway's whole
decision, and its page of a thousand routes takes seconds. What the wire and the parts have counted is written down.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proxy.admin import breaker_metrics, metric_names, policy_metrics, process, traffic_metrics
from proxy.admin.exposition import Exposition, Samples, content_type_for
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, TlsFigures
from proxy.admin.told import Told, present_of
from proxy.admin.traffic_figures import HEALTHS, ProcessFigures

_UNKNOWN: Final = "unknown"


class Metrics:
    """The pages of one gateway, which go on telling by name whom they have told by name before."""

    def __init__(self, process: Callable[[], ProcessFigures] = process.own_figures) -> None:
        """process: what the process takes that answers."""
        self._told = Told()
        self._process = process

    def render(self, figures: Figures, accept: str) -> tuple[str, bytes]:
        """Return the content type and the body of /metrics, in the format that the Accept header asks for."""
        page = Exposition(content_type_for(accept))
        present = present_of(figures)
        named = self._told.services(each.service for each in present.instances)
        figures = self._told.bounded(present)
        page.add(metric_names.BUILD, [((figures.version, figures.revision or _UNKNOWN), 1)])
        page.add(metric_names.READY, [((), figures.ready)])
        traffic_metrics.write_routes(page, figures.routes)
        page.add(metric_names.REFUSALS, _refusals(figures))
        traffic_metrics.write_instances(page, figures.instances)
        page.add(metric_names.INSTANCES, _instances(present.instances, named))
        page.add(metric_names.SERVICE_IN_FLIGHT, _in_flight(present.instances, named))
        _write_bodies(page, figures.bodies)
        page.add(metric_names.DOUBTS, [((cause,), count) for cause, count in figures.doubts.items()])
        _write_tls(page, figures.tls)
        for family, samples in policy_metrics.families(present):
            page.add(family, samples)
        for family, samples in breaker_metrics.breaker_families(figures.breakers):
            page.add(family, samples)
        for field, name in metric_names.OF_WIRE.items():
            page.add(name, [((), figures.wire.get(field, 0))])
        traffic_metrics.write_loop(page, figures.loop)
        traffic_metrics.write_workers(page, figures.workforce)
        traffic_metrics.write_outputs(page, figures.outputs)
        traffic_metrics.write_process(page, self._process())
        return page.content_type, page.body()


def render(figures: Figures, accept: str) -> tuple[str, bytes]:
    """Return the page for a gateway that has told nothing before."""
    return Metrics().render(figures, accept)


def _refusals(figures: Figures) -> Samples:
    """The counts that Python keeps, and the one refusal that the wire answers and counts alone."""
    counts = Counter(figures.reasons)
    counts["exchanges_full"] += figures.wire.get("exchanges_full", 0)
    for code, count in counts.items():
        yield (code,), count


def _write_bodies(page: Exposition, bodies: BodyFigures) -> None:
    page.add(metric_names.STREAMS, [((), bodies.streams)])
    page.add(metric_names.HELD, [((), bodies.held_bytes)])
    page.add(metric_names.HELD_PEAK, [((), bodies.held_bytes_peak)])
    page.add(metric_names.HELD_REFUSED, [((), bodies.refused)])


def _write_tls(page: Exposition, tls: TlsFigures) -> None:
    whole = tls.handshakes - tls.resumed
    page.add(metric_names.TLS_HANDSHAKES, [(("true",), tls.resumed), (("false",), whole)])
    page.add(metric_names.TLS_FAILURES, [((cause,), count) for cause, count in tls.failures.items()])
    page.add(metric_names.TLS_SESSIONS, [((), tls.sessions)])
    page.add(metric_names.TLS_RELOADS, [(("true",), tls.reloads), (("false",), tls.bad_reloads)])
    left = tls.certificate_seconds_left
    page.add(metric_names.TLS_CERTIFICATE, [] if left is None else [((), left)])


def _instances(instances: Sequence[InstanceFigures], named: Mapping[str, str]) -> Samples:
    counts = Counter((named[instance.service], instance.health) for instance in instances)
    for service in dict.fromkeys(named.values()):
        for health in HEALTHS:
            yield (service, health), counts[service, health]


def _in_flight(instances: Sequence[InstanceFigures], named: Mapping[str, str]) -> Samples:
    sums: Counter[str] = Counter()
    for instance in instances:
        sums[named[instance.service]] += instance.in_flight
    for service, in_flight in sums.items():
        yield (service,), in_flight
