"""Figures become Prometheus metrics: `metric_names.METRICS`, in their order.

Nothing is counted here: a labelled counter of a metrics library costs about as much per request as the gateway's whole
decision, and its page of a thousand routes takes seconds. What the wire and the parts have counted is written down.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from proxy.admin import breaker_metrics, metric_names, policy_metrics, traffic_metrics
from proxy.admin.exposition import Exposition, Samples
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, TlsFigures
from proxy.admin.told import Told, present_of
from proxy.admin.traffic_figures import HEALTHS, ProcessFigures

_UNKNOWN: Final = "unknown"


class Metrics:
    """The pages of one gateway, which go on telling by name whom they have told by name before."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._told = Told()

    def text(self, figures: Figures, content_type: str, process: ProcessFigures) -> Iterator[str]:
        """Yield the page in a format, piece by piece: each takes some microseconds, and may be empty.

        process: what the process takes that answers.
        """
        page = Exposition(content_type)
        present = yield from present_of(figures)
        named = self._told.services(each.service for each in present.instances)
        figures = yield from self._told.bounded(present)
        yield from page.plain(metric_names.BUILD, [((figures.version, figures.revision or _UNKNOWN), 1)])
        yield from page.plain(metric_names.READY, [((), figures.ready)])
        yield from traffic_metrics.routes_text(page, figures.routes)
        yield from page.plain(metric_names.REFUSALS, _refusals(figures))
        yield from traffic_metrics.instances_text(page, figures.instances)
        yield from page.plain(metric_names.INSTANCES, _instances(present.instances, named))
        yield from page.plain(metric_names.SERVICE_IN_FLIGHT, _in_flight(present.instances, named))
        yield from _bodies_text(page, figures.bodies)
        yield from page.plain(metric_names.DOUBTS, [((cause,), count) for cause, count in figures.doubts.items()])
        yield from _tls_text(page, figures.tls)
        for family, samples in policy_metrics.families(present):
            yield from page.plain(family, samples)
        for family, samples in breaker_metrics.breaker_families(figures.breakers):
            yield from page.plain(family, samples)
        for field, name in metric_names.OF_WIRE.items():
            yield from page.plain(name, [((), figures.wire.get(field, 0))])
        yield from traffic_metrics.loop_text(page, figures.loop)
        yield from traffic_metrics.workers_text(page, figures.workforce)
        yield from traffic_metrics.outputs_text(page, figures.outputs)
        yield from traffic_metrics.process_text(page, process)
        yield from page.end()


def _refusals(figures: Figures) -> Samples:
    """The counts that Python keeps, and the one refusal that the wire answers and counts alone."""
    counts = Counter(figures.reasons)
    counts["exchanges_full"] += figures.wire.get("exchanges_full", 0)
    for code, count in counts.items():
        yield (code,), count


def _bodies_text(page: Exposition, bodies: BodyFigures) -> Iterator[str]:
    yield from page.plain(metric_names.STREAMS, [((), bodies.streams)])
    yield from page.plain(metric_names.HELD, [((), bodies.held_bytes)])
    yield from page.plain(metric_names.HELD_PEAK, [((), bodies.held_bytes_peak)])
    yield from page.plain(metric_names.HELD_REFUSED, [((), bodies.refused)])


def _tls_text(page: Exposition, tls: TlsFigures) -> Iterator[str]:
    whole = tls.handshakes - tls.resumed
    yield from page.plain(metric_names.TLS_HANDSHAKES, [(("true",), tls.resumed), (("false",), whole)])
    yield from page.plain(metric_names.TLS_FAILURES, [((cause,), count) for cause, count in tls.failures.items()])
    yield from page.plain(metric_names.TLS_SESSIONS, [((), tls.sessions)])
    yield from page.plain(metric_names.TLS_RELOADS, [(("true",), tls.reloads), (("false",), tls.bad_reloads)])
    left = tls.certificate_seconds_left
    yield from page.plain(metric_names.TLS_CERTIFICATE, [] if left is None else [((), left)])


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
