"""Metrics of requests that become several, by fan-outs, retries and hedges, or get a fault: their names."""

from typing import Final

from proxy.admin.metric_name import MetricName

FANOUTS: Final = MetricName("penstock_fanouts_in_flight", "gauge", "Requests that ask several services now.")
FANOUT_LEGS_NOW: Final = MetricName("penstock_fanout_legs_in_flight", "gauge", "Legs of fan-outs that are asked now.")
FANOUT_KEPT: Final = MetricName(
    "penstock_fanout_kept_bytes", "gauge", "Bytes of answers of fan-outs that may be given again."
)
FANOUT_REQUESTS: Final = MetricName(
    "penstock_fanout_requests_total",
    "counter",
    "Requests of routes that ask several, by what became of them: complete, partial, failed, late (504), gone (the"
    " client left), shared (waited for the answer of another), kept (given an answer again).",
    ("fanout", "outcome"),
)
FANOUT_LEGS: Final = MetricName(
    "penstock_fanout_legs_total",
    "counter",
    "Legs of fan-outs that are over, those of GET /fleet included: good, bad_status, or the reason why there is no"
    " answer (docs/reasons.md).",
    ("result",),
)
OF_FANOUTS: Final = (FANOUTS, FANOUT_LEGS_NOW, FANOUT_KEPT, FANOUT_REQUESTS, FANOUT_LEGS)

RETRIES: Final = MetricName(
    "penstock_retries_total",
    "counter",
    "Requests sent again, by what had become of the attempt before: lost, refused, slow (the time of one attempt),"
    " answered (a status of the profile), bad (a response that cannot be passed on).",
    ("after",),
)
RETRIES_LIMITED: Final = MetricName(
    "penstock_retries_limited_total",
    "counter",
    "Requests that failed, might have been sent again, and were not, by the limit: attempts, buffer (too long to be"
    " kept), deadline (the wait would be longer), budget, nested (another gateway sends them again).",
    ("limit",),
)
RETRIES_WAITING: Final = MetricName("penstock_retries_waiting", "gauge", "Requests that wait to be sent again.")
RETRY_BUDGET: Final = MetricName(
    "penstock_retry_budget_left",
    "gauge",
    "Attempts beyond the first, hedges included, that a service may be sent now; for services that were sent one.",
    ("service",),
)
OF_RETRIES: Final = (RETRIES, RETRIES_LIMITED, RETRIES_WAITING, RETRY_BUDGET)

HEDGES_NOW: Final = MetricName(
    "penstock_hedges_in_flight", "gauge", "Second attempts that are under way beside first ones."
)
HEDGES: Final = MetricName(
    "penstock_hedges_total",
    "counter",
    "Second attempts beside first ones that are over: won, lost (the first was faster, or nobody waited any more) or"
    " failed.",
    ("outcome",),
)
HEDGES_NOT_MADE: Final = MetricName(
    "penstock_hedges_limited_total",
    "counter",
    "Requests that took long enough for a second attempt and got none, by why: rate (of the profile), budget (shared"
    " with retries), instance (there is no other), buffer (too long to be kept).",
    ("limit",),
)
OF_HEDGES: Final = (HEDGES_NOW, HEDGES, HEDGES_NOT_MADE)

INJECTED: Final = MetricName(
    "penstock_faults_injected_total",
    "counter",
    "Faults that were injected on purpose, as faults.enabled and rules say, by service and kind.",
    ("service", "fault"),
)
