"""Metrics of who may ask, how often, and how many at once: their names."""

from typing import Final

from proxy.admin.metric_name import MetricName

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
OF_RATES: Final = (RATE_REFUSALS, RATE_KEYS, RATE_CROWDED, RATE_FAILURES)

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
OF_ADMISSION: Final = (
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
OF_IDENTITY: Final = (
    CALLERS,
    CREDENTIALS_REFUSED,
    KEYS_MISSING,
    ISSUER_KEYS,
    ISSUER_AGE,
    ISSUER_STALE,
    ISSUER_FETCHES,
    ISSUER_FAILURES,
)
