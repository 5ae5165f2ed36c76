"""Breakers in words, for the admin pages and `penstock explain`."""

from collections.abc import Iterable
from typing import Any

from proxy.breaker_state import BreakerState
from proxy.targets.breaker import Breaker
from proxy.targets.instance import Instance


def breaker_text(breaker: Breaker, now: float) -> str:
    """Return how a breaker that is not closed stands."""
    if breaker.state is BreakerState.OPEN:
        return f"out for {max(0.0, breaker.until - now):.1f} s more: {breaker.detail}"
    if breaker.state is BreakerState.HALF_OPEN:
        probed = "a request is probing it" if breaker.probing else "the next request that comes is to probe it"
        return f"half-open, {probed}; it was out: {breaker.detail}"
    return f"back, with {breaker.share(now):.0%} of its share; it was out: {breaker.detail}"


def why_out(breakers: Iterable[Breaker], now: float) -> str:
    """Return why an instance is no candidate by its breakers; empty where they do not say so."""
    out = [breaker for breaker in breakers if breaker.state >= BreakerState.HALF_OPEN]
    return breaker_text(max(out, key=lambda one: one.state), now) if out else ""


def instance_text(instance: Instance, now: float) -> str:
    """Return how an instance stands by its breakers, in one line; empty where all are closed."""
    if instance.breaker is not None:
        return breaker_text(instance.breaker, now)
    count = len(instance.breakers)
    return f"{count} of its {len(instance.endpoints)} endpoints have breakers that are not closed" if count else ""


def breakers_row(instance: Instance, now: float) -> dict[str, Any]:
    """Return how an instance's breakers stand: its own, and those of its endpoints, by route."""
    by_id = {endpoint.id: f"{endpoint.method} {endpoint.path}" for endpoint in instance.endpoints.values()}
    by_gauge = {gauge: by_id.get(endpoint_id, "") for endpoint_id, gauge in instance.gauges.items()}
    return {
        "breaker": "" if instance.breaker is None else breaker_text(instance.breaker, now),
        "endpoint_breakers": {
            by_gauge.get(gauge, ""): breaker_text(breaker, now) for gauge, breaker in instance.breakers.items()
        },
    }
