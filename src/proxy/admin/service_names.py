"""Metrics of services: who gets how much, what they say, how they are dialled, whom they call. Their names."""

from typing import Final

from proxy.admin.metric_name import MetricName

VERSIONS: Final = MetricName(
    "penstock_service_version_instances", "gauge", "Instances of a service, by version.", ("service", "version")
)
SHARES: Final = MetricName(
    "penstock_split_share_ratio",
    "gauge",
    "Part of a route's requests that its split gives to a version now, as far as weights decide: 0 to 1.",
    ("route", "method", "version"),
)
STARTING: Final = MetricName(
    "penstock_instances_starting",
    "gauge",
    "Instances that have come within balancing.slow_start, and get less than their fair share.",
)
HASH_MOVED: Final = MetricName(
    "penstock_balance_moved_total",
    "counter",
    "Requests by consistent hashing whose own instance had no room, so that another one got them.",
)
HASH_KEYLESS: Final = MetricName(
    "penstock_balance_keyless_total",
    "counter",
    "Requests by consistent hashing that had no key, so that one of two at random got them.",
)
OF_CHOICE: Final = (VERSIONS, SHARES, STARTING, HASH_MOVED, HASH_KEYLESS)

ROUTES: Final = MetricName("penstock_routes", "gauge", "Routes that services offer now.")
HELLOS: Final = MetricName("penstock_service_hellos_total", "counter", "Times that services said what they offer.")
SLIM: Final = MetricName(
    "penstock_service_slim_hellos_total",
    "counter",
    "Times that services said a digest in place of what they offer, by whether it was known.",
    ("known",),
)
HEARTBEATS: Final = MetricName("penstock_service_heartbeats_total", "counter", "Heartbeats of services.")
REPLACEMENTS: Final = MetricName(
    "penstock_service_replacements_total", "counter", "Instances that came again by a newer connection."
)
SILENCES: Final = MetricName(
    "penstock_service_silences_total",
    "counter",
    "Times that nothing was heard of a healthy instance for services.degraded_after: it has missed its heartbeats.",
)
REMOVALS: Final = MetricName(
    "penstock_service_removals_total", "counter", "Instances removed since nothing was heard of them."
)
FAULTS: Final = MetricName(
    "penstock_service_faults_total", "counter", "Services that were turned away, by cause.", ("cause",)
)
OF_REGISTRY: Final = (ROUTES, HELLOS, SLIM, HEARTBEATS, REPLACEMENTS, SILENCES, REMOVALS, FAULTS)

DIALLED: Final = MetricName("penstock_dialled_services", "gauge", "Addresses of services that are dialled.")
DIALLED_OPEN: Final = MetricName(
    "penstock_dialled_service_connections_open", "gauge", "Connections to services that were dialled."
)
DIALLED_ATTEMPTS: Final = MetricName(
    "penstock_service_dials_total",
    "counter",
    "Times that services were dialled, by whether they could be reached.",
    ("reached",),
)
POOL_DORMANT: Final = MetricName(
    "penstock_pool_dormant_instances", "gauge", "Instances without a connection, dialled when they are asked."
)
POOL_WAITING: Final = MetricName(
    "penstock_pool_requests_waiting", "gauge", "Requests that wait for a connection to a dialled service."
)
POOL_CHECKOUTS: Final = MetricName(
    "penstock_pool_checkouts_total",
    "counter",
    "Requests for dialled services, by whether there was a connection with room at once.",
    ("hit",),
)
POOL_SERVED: Final = MetricName(
    "penstock_pool_waits_served_total", "counter", "Requests that waited, and were given a connection."
)
POOL_REFUSALS: Final = MetricName(
    "penstock_pool_waits_refused_total",
    "counter",
    "Requests that waited in vain or were not let into the line, by why: full, dead (the deadline), unreachable.",
    ("why",),
)
POOL_EVICTIONS: Final = MetricName(
    "penstock_pool_evictions_total",
    "counter",
    "Connections to dialled services that the gateway gave up: idle, age, room (for others), silent, removed.",
    ("cause",),
)
OF_DIALLED: Final = (
    DIALLED,
    DIALLED_OPEN,
    DIALLED_ATTEMPTS,
    POOL_DORMANT,
    POOL_WAITING,
    POOL_CHECKOUTS,
    POOL_SERVED,
    POOL_REFUSALS,
    POOL_EVICTIONS,
)

CALLS: Final = MetricName(
    "penstock_service_calls_in_flight", "gauge", "Calls of services to services, not answered yet."
)
CALLS_ANSWERED: Final = MetricName(
    "penstock_service_calls_total",
    "counter",
    "Calls of services that another service has answered; callee is empty where it may not be called.",
    ("caller", "callee"),
)
CALLS_NOT_ANSWERED: Final = MetricName(
    "penstock_service_calls_failed_total",
    "counter",
    "Calls of services that the gateway has answered for the callee; penstock_refusals_total has the reasons.",
    ("caller", "callee"),
)
CALLS_REFUSED: Final = MetricName(
    "penstock_service_calls_refused_total", "counter", "Requests of services that were no calls, and so were REFUSED."
)
COPIES: Final = MetricName(
    "penstock_mirror_copies_total",
    "counter",
    "Copies of requests for mirrors: sent, of those failed, or dropped before.",
    ("outcome",),
)
OF_CALLS: Final = (CALLS, CALLS_ANSWERED, CALLS_NOT_ANSWERED, CALLS_REFUSED, COPIES)
