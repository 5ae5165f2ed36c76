"""Every metric by name, kind, labels and help: what `metrics.py` yields, and what docs/metrics.md is made from.

Names follow Prometheus' conventions: base units at the end, `_total` for what only rises.
"""

from typing import Final

from proxy.admin.breaker_metrics import OF_BREAKERS
from proxy.admin.metric_name import MetricName as MetricName
from proxy.admin.traffic_names import OF_INSTANCES, OF_LOOP, OF_OUTPUTS, OF_PROCESS, OF_ROUTES, OF_WORKERS

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
RATE_REFUSALS: Final = MetricName(
    "penstock_rate_limit_refusals_total",
    "counter",
    "Requests that a rate limit refused, by whose limit it is and its text.",
    ("scope", "limit"),
)
RATE_KEYS: Final = MetricName("penstock_rate_limit_keys", "gauge", "Keys that requests are counted by now.")
RATE_CROWDED: Final = MetricName(
    "penstock_rate_limit_crowded_total",
    "counter",
    "Times that a newcomer was counted together with others, since rates.keys_max keys were held.",
)
RATE_FAILURES: Final = MetricName(
    "penstock_rate_limit_store_failures_total",
    "counter",
    "Requests that could not be counted; rates.on_store_failure says what becomes of them.",
)
LIMITS: Final = MetricName(
    "penstock_concurrency_limit",
    "gauge",
    "Requests that may be with a service, or with one of its routes, at once now.",
    ("service", "route"),
)
LIMITED_IN_FLIGHT: Final = MetricName(
    "penstock_concurrency_in_flight", "gauge", "Requests that are, of what has a limit.", ("service", "route")
)
LIMITED_WAITING: Final = MetricName(
    "penstock_concurrency_waiting", "gauge", "Requests that wait for a place now.", ("service", "route")
)
WAITED: Final = MetricName(
    "penstock_concurrency_waited_total", "counter", "Requests that were let in after they had waited.", ("service",)
)
WAITED_SECONDS: Final = MetricName(
    "penstock_concurrency_waited_seconds_total", "counter", "Time that these have waited, together.", ("service",)
)
NOT_ADMITTED: Final = MetricName(
    "penstock_concurrency_refusals_total",
    "counter",
    "Requests that were given no place: none was free (full), nor in the line (line_full), they waited for as long as"
    " they may (too_slow), or for longer than their deadline leaves time for (hopeless).",
    ("service", "cause"),
)
SHED: Final = MetricName(
    "penstock_shed_total", "counter", "Requests that were shed, by what the gateway was short of.", ("cause",)
)
SHED_SHARE: Final = MetricName(
    "penstock_shed_share_ratio",
    "gauge",
    "How much is shed now of what may be, which is all that is not critical: 0 to 1.",
    ("cause",),
)
DELAY: Final = MetricName(
    "penstock_queue_delay_seconds", "gauge", "How late the gateway comes to its work: see shedding.queue_delay."
)
ACCEPTING_HELD: Final = MetricName(
    "penstock_accepting_held_total", "counter", "Times that no client's connection was accepted for a while."
)
INJECTED: Final = MetricName(
    "penstock_faults_injected_total",
    "counter",
    "Faults that were injected on purpose, as faults.enabled and rules say, by service and kind.",
    ("service", "fault"),
)
CALLERS: Final = MetricName("penstock_callers", "gauge", "Callers with a proven identity that are remembered now.")
CREDENTIALS_REFUSED: Final = MetricName(
    "penstock_credentials_refused_total",
    "counter",
    "Tokens and keys that were judged and proved nothing, by cause; those that were remembered are not judged again.",
    ("cause",),
)
KEYS_MISSING: Final = MetricName(
    "penstock_issuer_keys_missing_total", "counter", "Requests refused since no keys of their issuer were there."
)
ISSUER_KEYS: Final = MetricName("penstock_issuer_keys", "gauge", "Keys of an issuer that are used now.", ("issuer",))
ISSUER_AGE: Final = MetricName(
    "penstock_issuer_keys_age_seconds", "gauge", "Seconds since an issuer's keys were last seen.", ("issuer",)
)
ISSUER_STALE: Final = MetricName(
    "penstock_issuer_keys_stale", "gauge", "1 when keys are used though their source is down, else 0.", ("issuer",)
)
ISSUER_FETCHES: Final = MetricName(
    "penstock_issuer_key_fetches_total", "counter", "Times that an issuer's keys were fetched.", ("issuer",)
)
ISSUER_FAILURES: Final = MetricName(
    "penstock_issuer_key_fetch_failures_total", "counter", "Fetches of an issuer's keys that failed.", ("issuer",)
)
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
COPIES: Final = MetricName(
    "penstock_mirror_copies_total",
    "counter",
    "Copies of requests for mirrors: sent, of those failed, or dropped before.",
    ("outcome",),
)
CACHE_REQUESTS: Final = MetricName(
    "penstock_cache_requests_total",
    "counter",
    "Requests to routes with a cache: answered with what was kept (hit, stale, or unchanged: 304), sent to a service"
    " (miss), given the answer to another that asked the same (collapsed), or none of its business (bypass).",
    ("outcome",),
)
CACHE_WAITING: Final = MetricName(
    "penstock_cache_waiting", "gauge", "Requests that wait for the answer to another that asks the same now."
)
CACHE_ANSWERS: Final = MetricName("penstock_cache_answers", "gauge", "Answers that are kept now.")
CACHE_BYTES: Final = MetricName("penstock_cache_bytes", "gauge", "Memory that they take, of cache.memory_bytes.")
CACHE_NOT_KEPT: Final = MetricName(
    "penstock_cache_not_kept_total", "counter", "Answers that the cache might have kept and did not, by why.", ("why",)
)
CACHE_EVICTIONS: Final = MetricName(
    "penstock_cache_evictions_total", "counter", "Answers that had to go before their time, since others needed room."
)
CACHE_INVALIDATIONS: Final = MetricName(
    "penstock_cache_invalidations_total", "counter", "Answers that were made void by requests that change something."
)
CACHE_REFRESHES: Final = MetricName(
    "penstock_cache_refreshes_total",
    "counter",
    "Answers that were fetched anew while the old one was given, by whether that brought a good one.",
    ("success",),
)
KEYS_KNOWN: Final = MetricName("penstock_idempotency_keys", "gauge", "Idempotency-Keys that are known now.")
KEYS_IN_FLIGHT: Final = MetricName(
    "penstock_idempotency_in_flight", "gauge", "Of these, those whose first request has no answer yet."
)
KEYS_BYTES: Final = MetricName("penstock_idempotency_bytes", "gauge", "Bytes of the answers that are kept for them.")
KEYS_REQUESTS: Final = MetricName(
    "penstock_idempotency_requests_total",
    "counter",
    "Requests with a new key (begun), and what became of them: kept, freed (no service has done it), lost (nobody"
    " knows); and those that were given an answer that was kept (replayed). Refusals are counted by their reasons.",
    ("outcome",),
)
KEYS_EVICTIONS: Final = MetricName(
    "penstock_idempotency_evictions_total",
    "counter",
    "Answers that had to go before their time, since others needed room: their requests could be done twice.",
)
KEYS_FAILURES: Final = MetricName(
    "penstock_idempotency_store_failures_total",
    "counter",
    "Times that answers could not be written to their file, or read from it.",
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
    VERSIONS,
    SHARES,
    STARTING,
    HASH_MOVED,
    HASH_KEYLESS,
    RATE_REFUSALS,
    RATE_KEYS,
    RATE_CROWDED,
    RATE_FAILURES,
    LIMITS,
    LIMITED_IN_FLIGHT,
    LIMITED_WAITING,
    WAITED,
    WAITED_SECONDS,
    NOT_ADMITTED,
    SHED,
    SHED_SHARE,
    DELAY,
    ACCEPTING_HELD,
    CALLERS,
    CREDENTIALS_REFUSED,
    KEYS_MISSING,
    ISSUER_KEYS,
    ISSUER_AGE,
    ISSUER_STALE,
    ISSUER_FETCHES,
    ISSUER_FAILURES,
    ROUTES,
    HELLOS,
    SLIM,
    HEARTBEATS,
    REPLACEMENTS,
    SILENCES,
    REMOVALS,
    FAULTS,
    DIALLED,
    DIALLED_OPEN,
    DIALLED_ATTEMPTS,
    POOL_DORMANT,
    POOL_WAITING,
    POOL_CHECKOUTS,
    POOL_SERVED,
    POOL_REFUSALS,
    POOL_EVICTIONS,
    CALLS,
    CALLS_ANSWERED,
    CALLS_NOT_ANSWERED,
    CALLS_REFUSED,
    COPIES,
    FANOUTS,
    FANOUT_LEGS_NOW,
    FANOUT_KEPT,
    FANOUT_REQUESTS,
    FANOUT_LEGS,
    RETRIES,
    RETRIES_LIMITED,
    RETRIES_WAITING,
    RETRY_BUDGET,
    HEDGES_NOW,
    HEDGES,
    HEDGES_NOT_MADE,
    INJECTED,
    CACHE_REQUESTS,
    CACHE_WAITING,
    CACHE_ANSWERS,
    CACHE_BYTES,
    CACHE_NOT_KEPT,
    CACHE_EVICTIONS,
    CACHE_INVALIDATIONS,
    CACHE_REFRESHES,
    KEYS_KNOWN,
    KEYS_IN_FLIGHT,
    KEYS_BYTES,
    KEYS_REQUESTS,
    KEYS_EVICTIONS,
    KEYS_FAILURES,
    RELOADS,
    RELOADED,
    REVISION,
)
"""Of what `policy_metrics.py` yields, in its order."""

_EDGE, _SERVICE = "penstock_edge_connections", "penstock_service_connections"

OF_WIRE: Final[dict[str, MetricName]] = {
    "steps": MetricName("penstock_wire_steps_total", "counter", "Batches that were taken in."),
    "events": MetricName("penstock_wire_events_total", "counter", "Events that needed a decision."),
    "batch_requests_max": MetricName(
        "penstock_wire_batch_requests_max", "gauge", "Most requests that one batch has held since the start."
    ),
    "edge_accepted": MetricName(f"{_EDGE}_accepted_total", "counter", "Client connections accepted."),
    "edge_closed": MetricName(f"{_EDGE}_closed_total", "counter", "Client connections closed, by either side."),
    "edge_open_now": MetricName(f"{_EDGE}_open", "gauge", "Client connections that are open."),
    "edge_paused": MetricName(
        f"{_EDGE}_paused_total",
        "counter",
        "Times that accepting paused, since as many connections as allowed were open.",
    ),
    "edge_idle_closed": MetricName(
        f"{_EDGE}_idle_closed_total", "counter", "Client connections closed for being idle."
    ),
    "edge_write_timeouts": MetricName(
        f"{_EDGE}_write_timeouts_total",
        "counter",
        "Client connections closed since the client did not read its answer.",
    ),
    "requests": MetricName("penstock_edge_requests_total", "counter", "Whole requests that came from clients."),
    "requests_bad": MetricName(
        "penstock_edge_bad_requests_total", "counter", "Requests that were malformed, too slow or not carried."
    ),
    "answers": MetricName(
        "penstock_edge_answers_total",
        "counter",
        "Answers given to clients, by services or by us, that the wire has written itself: no streams, no upgrades.",
    ),
    "answers_from_services": MetricName(
        "penstock_edge_service_answers_total", "counter", "Answers given to clients that came from services."
    ),
    "clients_gone": MetricName(
        "penstock_clients_gone_total", "counter", "Clients that closed before their exchange was answered."
    ),
    "exchanges_now": MetricName("penstock_exchanges_in_flight", "gauge", "Exchanges that have no answer yet."),
    "exchanges_full": MetricName(
        "penstock_exchanges_full_total",
        "counter",
        "Requests refused since as many exchanges as allowed were in flight.",
    ),
    "expired": MetricName(
        "penstock_deadlines_expired_total", "counter", "Exchanges whose deadline passed at a service."
    ),
    "framed_accepted": MetricName(f"{_SERVICE}_accepted_total", "counter", "Connections from services accepted."),
    "framed_closed": MetricName(
        f"{_SERVICE}_closed_total", "counter", "Connections to services closed, by either side."
    ),
    "framed_open_now": MetricName(f"{_SERVICE}_open", "gauge", "Connections to services that are open."),
    "frames_in": MetricName("penstock_frames_received_total", "counter", "Frames that came from services."),
    "frames_out": MetricName("penstock_frames_sent_total", "counter", "Frames written to services."),
    "late_responses": MetricName(
        "penstock_late_responses_total", "counter", "Responses dropped since their exchange was over."
    ),
    "foreign_responses": MetricName(
        "penstock_foreign_responses_total",
        "counter",
        "Responses dropped since no such exchange was on that connection.",
    ),
    "edge_bytes_in": MetricName("penstock_edge_received_bytes_total", "counter", "Bytes that came from clients."),
    "edge_bytes_out": MetricName("penstock_edge_sent_bytes_total", "counter", "Bytes sent to clients."),
    "framed_bytes_in": MetricName("penstock_service_received_bytes_total", "counter", "Bytes that came from services."),
    "framed_bytes_out": MetricName("penstock_service_sent_bytes_total", "counter", "Bytes sent to services."),
    "accept_errors": MetricName(
        "penstock_accept_errors_total", "counter", "Connections that could not be accepted; out of descriptors, mostly."
    ),
    "buffers_now": MetricName("penstock_buffers", "gauge", "Buffers in use; an idle connection holds none."),
    "buffer_bytes_now": MetricName("penstock_buffer_bytes", "gauge", "Bytes of the buffers in use."),
    "handed_over": MetricName(
        "penstock_handovers_total", "counter", "Requests whose connection was handed over to the task lane."
    ),
    "handed_over_now": MetricName(
        "penstock_handovers_open", "gauge", "Client connections that the task lane reads and writes now."
    ),
    "edge_refused_by_address": MetricName(
        f"{_EDGE}_refused_by_address_total",
        "counter",
        "Client connections refused since as many as allowed were open from their address.",
    ),
    "edge_addresses_now": MetricName("penstock_edge_addresses", "gauge", "Client addresses with an open connection."),
    "edge_requests_reached": MetricName(
        f"{_EDGE}_at_requests_total",
        "counter",
        "Client connections that closed at their number of requests (PENSTOCK_EDGE_CONNECTION_REQUESTS).",
    ),
    "edge_age_reached": MetricName(
        f"{_EDGE}_at_age_total",
        "counter",
        "Client connections that closed at their age (PENSTOCK_EDGE_CONNECTION_AGE).",
    ),
    "edge_bytes_reached": MetricName(
        f"{_EDGE}_at_bytes_total",
        "counter",
        "Client connections that closed at their number of bytes (PENSTOCK_EDGE_CONNECTION_BYTES).",
    ),
    "begun": MetricName(
        "penstock_begun_total", "counter", "Requests of the gateway's own: copies, and calls between services."
    ),
    "again": MetricName(
        "penstock_again_total", "counter", "Requests sent from a copy: again, beside another, or after a wait."
    ),
    "kept_now": MetricName("penstock_kept_requests", "gauge", "Requests of which a copy is kept."),
    "kept_bytes_now": MetricName("penstock_kept_bytes", "gauge", "Bytes of copies of requests."),
    "kept_refused": MetricName(
        "penstock_kept_refused_total",
        "counter",
        "Requests of which no copy was kept: too long (retries.buffer_bytes), or all copies would have been"
        " (retries.buffer_total_bytes).",
    ),
}
"""The metric for each field of wire_counters (csrc/wire.h)."""

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
