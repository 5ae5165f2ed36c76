"""What the standard variables of OpenTelemetry say.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and, for OTEL_EXPORTER_OTLP_*,
https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A value that cannot be used is as if it were not there, as
the specification asks, and the log says so; it does not repeat what may hold a key.
"""

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

log = logging.getLogger("penstock.tracing")

QUEUE_MAX: Final = 2_048
BATCH_MAX: Final = 512
DELAY_S: Final = 1.0
"""Spans are looked for a moment after their request, and small batches keep no interpreter for long."""

TIMEOUT_S: Final = 10.0
URL: Final = "http://localhost:4318"
PATH: Final = "/v1/traces"

_ALL, _NONE = 1.0, 0.0
_SAMPLERS: Final = {
    "always_on": _ALL,
    "parentbased_always_on": _ALL,
    "always_off": _NONE,
    "parentbased_always_off": _NONE,
    "traceidratio": None,  # as OTEL_TRACES_SAMPLER_ARG says
    "parentbased_traceidratio": None,
}


class BatchLimits(NamedTuple):
    """How spans are gathered. delay_s: how long the first one of a batch waits for others, at most."""

    queue_max: int = QUEUE_MAX
    batch_max: int = BATCH_MAX
    delay_s: float = DELAY_S


class CollectorPlace(NamedTuple):
    """Where a collector takes traces, and how it is asked. Files are paths, empty for none.

    compression: `none`, `gzip` or `deflate`; timeout_s: for a batch, with all that is done to get it through.
    """

    url: str
    headers: Mapping[str, str] = {}
    timeout_s: float = TIMEOUT_S
    compression: str = "none"
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = ""


def is_disabled(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry is switched off for this process."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def batch_limits(environment: Mapping[str, str]) -> BatchLimits:
    """Return how spans are gathered; a batch is never larger than the queue."""
    queue = _whole(environment, "OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX, 1_000_000)
    batch = _whole(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_MAX, 65_536)
    delay_ms = _whole(environment, "OTEL_BSP_SCHEDULE_DELAY", int(DELAY_S * 1000), 3_600_000)
    return BatchLimits(queue, min(batch, queue), delay_ms / 1000)


def sampled_ratio(environment: Mapping[str, str]) -> float | None:
    """Return the part of the traces begun here that is to be sampled; None where nothing says it."""
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not sampler:
        return None
    if sampler not in _SAMPLERS:
        _ignored("OTEL_TRACES_SAMPLER", sampler, f"one of {', '.join(_SAMPLERS)}")
        return None
    ratio = _SAMPLERS[sampler]
    return _ratio(environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()) if ratio is None else ratio


def _ratio(text: str) -> float:
    if not text:
        return _ALL
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if 0 <= ratio <= 1:
        return ratio
    _ignored("OTEL_TRACES_SAMPLER_ARG", text, "a number from 0 to 1")
    return _ALL


def _whole(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most:
        return int(text)
    _ignored(name, text, f"a whole number from 1 to {most:,}")
    return default


def _ignored(name: str, text: str, meant: str) -> None:
    log.warning("%s=%s is ignored: write %s", name, text[:64], meant)


def collector_place(environment: Mapping[str, str], url: str = "") -> CollectorPlace:
    """Return where spans go, and how. url: in place of what the variables say."""
    return CollectorPlace(
        url=url or _url(environment),
        headers=_headers(environment),
        timeout_s=_timeout(environment),
        compression=_compression(environment),
        certificate=_of_traces(environment, "CERTIFICATE")[1],
        client_certificate=_of_traces(environment, "CLIENT_CERTIFICATE")[1],
        client_key=_of_traces(environment, "CLIENT_KEY")[1],
    )


def resource_attributes(environment: Mapping[str, str], **default: str) -> dict[str, str]:
    """Return who makes spans. default: by names with `_` in place of `.`, for what the variables do not say."""
    found = {name.replace("_", "."): value for name, value in default.items()}
    found |= _pairs(environment, "OTEL_RESOURCE_ATTRIBUTES")
    if name := environment.get("OTEL_SERVICE_NAME", "").strip():
        found["service.name"] = name
    return found


def _of_traces(environment: Mapping[str, str], ending: str) -> tuple[str, str]:
    """Return the variable that counts, the one for traces before that for all, and its text."""
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{ending}", f"OTEL_EXPORTER_OTLP_{ending}")
    return next(((name, text) for name in names if (text := environment.get(name, "").strip())), (names[1], ""))


def _url(environment: Mapping[str, str]) -> str:
    name, text = _of_traces(environment, "ENDPOINT")
    if text and not _is_url(text):
        _ignored(name, "***", "a URL of http or https")
        text = ""
    if name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" and text:
        return text
    return (text or URL).rstrip("/") + PATH


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    name, _ = _of_traces(environment, "HEADERS")
    pairs = _pairs(environment, name)
    good = {key: value for key, value in pairs.items() if (key + value).isascii() and (key + value).isprintable()}
    if len(good) < len(pairs):
        _ignored(name, "***", "fields of printable ASCII, like x-api-key=...")
    return good


def _pairs(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """Return ``key=value,key=value``, each percent-encoded, as W3C Baggage has it."""
    text = environment.get(name, "").strip()
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not separator or not key.strip() for key, separator, _ in parts):
        _ignored(name, "***", "key=value, separated by commas")
        return {}
    return {unquote(key.strip()): unquote(value.strip()) for key, _, value in parts}


def _timeout(environment: Mapping[str, str]) -> float:
    """Seconds, as OpenTelemetry for Python reads it."""
    name, text = _of_traces(environment, "TIMEOUT")
    try:
        seconds = float(text) if text else TIMEOUT_S
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= 3_600:
        return seconds
    _ignored(name, text, "seconds, more than 0 and at most 3600")
    return TIMEOUT_S


def _compression(environment: Mapping[str, str]) -> str:
    name, text = _of_traces(environment, "COMPRESSION")
    if text.lower() in ("", "none", "gzip", "deflate"):
        return text.lower() or "none"
    _ignored(name, text, "none, gzip or deflate")
    return "none"
