"""Metrics of what is kept of answers: by the cache, and for Idempotency-Keys. Their names."""

from typing import Final

from proxy.admin.metric_name import MetricName

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
OF_CACHE: Final = (
    CACHE_REQUESTS,
    CACHE_WAITING,
    CACHE_ANSWERS,
    CACHE_BYTES,
    CACHE_NOT_KEPT,
    CACHE_EVICTIONS,
    CACHE_INVALIDATIONS,
    CACHE_REFRESHES,
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
OF_KEYS: Final = (KEYS_KNOWN, KEYS_IN_FLIGHT, KEYS_BYTES, KEYS_REQUESTS, KEYS_EVICTIONS, KEYS_FAILURES)
