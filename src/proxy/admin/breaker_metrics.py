"""Metrics of breakers: their names, and their samples."""

from collections.abc import Iterator, Sequence
from typing import Final

from proxy.admin.breaker_figures import BreakerFigures as BreakerFigures
from proxy.admin.metric_name import MetricName

SERIES_MAX: Final = 500
"""Of one metric; what is over it is not told by labels, but in sum."""

STATE: Final = MetricName(
    "penstock_breakers",
    "gauge",
    "Breakers that are not closed, by service, by whether they are of an instance or an endpoint, and by state.",
    ("service", "scope", "state"),
)
OPENED: Final = MetricName(
    "penstock_breaker_opens_total",
    "counter",
    "Times that a breaker opened, by service, by whether it is of an instance or an endpoint, and by cause.",
    ("service", "scope", "cause"),
)
FAILURES: Final = MetricName(
    "penstock_attempt_failures_total",
    "counter",
    "Attempts that a service did not answer well, by service and kind; pressure and other are no failures.",
    ("service", "kind"),
)
PROBES: Final = MetricName(
    "penstock_breaker_probes_total",
    "counter",
    "Requests that were sent to somebody half-open, by what became of them; sent counts all.",
    ("result",),
)
PANICS: Final = MetricName(
    "penstock_panics_total",
    "counter",
    "Times that too few instances of a service were left by their breakers, so that all were used.",
    ("service",),
)
PANIC_ROUTES: Final = MetricName(
    "penstock_panic_routes",
    "gauge",
    "Routes of which all instances are used now, since too few are left.",
    ("service",),
)
RESCUED: Final = MetricName(
    "penstock_requests_rescued_total",
    "counter",
    "Attempts that were ended early, since their instance had fallen silent.",
)
GAUGES: Final = MetricName(
    "penstock_gauges", "gauge", "Endpoints of instances whose good answers are counted for their breakers."
)
GAUGES_MISSING: Final = MetricName(
    "penstock_gauges_missing_total", "counter", "Endpoints of instances that have no breaker, since there are too many."
)

OF_BREAKERS: Final = (
    STATE,
    OPENED,
    FAILURES,
    PROBES,
    PANICS,
    PANIC_ROUTES,
    RESCUED,
    GAUGES,
    GAUGES_MISSING,
)

Samples = Sequence[tuple[tuple[str, ...], float]]


def breaker_families(figures: BreakerFigures) -> Iterator[tuple[MetricName, Samples]]:
    """Return every family of `OF_BREAKERS`, in its order."""
    yield STATE, _bounded(list(figures.states.items()))
    yield OPENED, _bounded(list(figures.opened.items()))
    yield FAILURES, _bounded(list(figures.failures.items()))
    yield PROBES, [((result,), count) for result, count in figures.probes.items()]
    yield PANICS, _bounded([((service,), count) for service, count in figures.panics.items()])
    yield PANIC_ROUTES, _bounded([((service,), count) for service, count in figures.panic_routes.items()])
    yield RESCUED, [((), figures.rescued)]
    yield GAUGES, [((), figures.gauges)]
    yield GAUGES_MISSING, [((), figures.gauges_missing)]


def _bounded(samples: Samples) -> Samples:
    kept, others = samples[:SERIES_MAX], samples[SERIES_MAX:]
    if not others:
        return kept
    return [*kept, (("other",) * len(others[0][0]), sum(value for _, value in others))]
