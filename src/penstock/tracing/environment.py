"""What the standard variables of OpenTelemetry say, beside those that its exporter reads itself.

Read: OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_QUEUE_SIZE
and OTEL_BSP_MAX_EXPORT_BATCH_SIZE. A value that cannot be used is as if it were not there, as the specification asks,
and the log says so.
"""

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

log = logging.getLogger("penstock.tracing")

QUEUE_MAX: Final = 2_048
BATCH_MAX: Final = 512
DELAY_S: Final = 1.0
"""Spans are looked for a moment after their request, and small batches keep no interpreter for long."""

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
