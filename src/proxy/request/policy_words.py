"""A route's policy as operators read it: plain values for JSON, and short texts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from penstock.settings.types import Duration
from proxy.request.route_policy import (
    Balance,
    CacheRule,
    Case,
    Claim,
    Concurrency,
    Fault,
    FaultKind,
    IdempotencyRule,
    Key,
    Mirror,
    RoutePolicy,
    Split,
    Versions,
)

if TYPE_CHECKING:
    from proxy.admission.admitting import Standing
    from proxy.fanout.plan import FanOutPlan

_DURATION: Final = Duration("ms")


def policy_row(policy: RoutePolicy) -> dict[str, Any]:
    """Return a policy as plain values; what it says nothing about is None or empty."""
    return {
        "access": policy.access.value,
        "claims": [claim_text(claim) for claim in policy.claims],
        "tenant": policy.tenant.value,
        "rate_limits": [str(limit) for limit in policy.rate_limits],
        "deadline_ms": policy.deadline_ms,
        "body_bytes": policy.body_bytes,
        "versions": versions_text(policy.versions),
        "split": split_text(policy.split) if policy.split else "",
        "mirror": mirror_text(policy.mirror) if policy.mirror else "",
        "placement": policy.placement,
        "concurrency": concurrency_text(policy.concurrency) if policy.concurrency else "",
        "balance": balance_text(policy.balance) if policy.balance else "",
        "retries": policy.retries,
        "stream_idle_ms": policy.stream_idle_ms,
        "faults": [fault_text(fault) for fault in policy.faults],
        "cache": cache_text(policy.cache) if policy.cache else "",
        "idempotency": idempotency_text(policy.idempotency) if policy.idempotency else "",
    }


def claim_text(claim: Claim) -> str:
    """Return a claim: ``scope: a or b``."""
    return f"{claim.name}: {' or '.join(claim.values) if claim.values else 'any value'}"


def versions_text(versions: Versions) -> str:
    """Return which version is the default, and whether ranges may be asked for."""
    default = versions.default or "the highest"
    return f"default {default}{', ranges are taken' if versions.takes_ranges else ''}"


def split_text(split: Split) -> str:
    """Return a split: its parts, its key, and its cases first."""
    weights = ", ".join(f"{version} {weight:g} %" for version, weight in split.weights)
    cases = [_case_text(case) for case in split.cases]
    return "; ".join([*cases, *([weights] if weights else [])]) + key_text(split.key)


def key_text(key: Key) -> str:
    """Return by what requests are told apart: `` by tenant``; nothing where they are split at random."""
    name = f" {key.name}" if key.name else ""
    return "" if key == Key() else f" by {key.kind.value}{name}"


def balance_text(balance: Balance) -> str:
    """Return what is other than the settings say of how one of several instances is chosen."""
    policy = balance.policy.value if balance.policy else ""
    factor = f"load factor {balance.load_factor:g}" if balance.load_factor else ""
    parts = (f"{policy}{key_text(balance.key)}".strip(), factor, weights_text(balance.weights))
    return ", ".join(part for part in parts if part)


def weights_text(weights: Mapping[str, float]) -> str:
    """Return the weights of instances; nothing where there are none."""
    shown = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    return f"weights {shown}" if shown else ""


def mirror_text(mirror: Mirror) -> str:
    """Return what is copied, and where it goes."""
    return f"{mirror.percent:g} % to {mirror.version}, at most {mirror.in_flight_max} at once"


def concurrency_text(concurrency: Concurrency) -> str:
    """Return the limits, and who waits: ``8 of the route, 2 to 64 of the service, learned; 256 wait up to 100 ms``."""
    limits = []
    if concurrency.route_max is not None:
        limits.append(f"{concurrency.route_max} of the route")
    if concurrency.is_adaptive:
        limits.append(f"{concurrency.service_min} to {concurrency.service_max} of the service, learned")
    elif concurrency.service_max is not None:
        limits.append(f"{concurrency.service_max} of the service")
    waiting = f"{concurrency.waiting} wait up to {concurrency.wait_ms} ms" if concurrency.waiting else "nobody waits"
    return f"{', '.join(limits)}; {waiting}"


def concurrency_row(standing: "Standing | None") -> dict[str, Any] | None:
    """Return how it stands with the limits of a route now; None where it has none."""
    if standing is None:
        return None
    return {
        "route_max": standing.route_max,
        "service_max": standing.service_max,
        "in_flight": standing.in_flight,
        "waiting": standing.waiting,
        "is_standing": standing.is_standing,
        "service_ms": round(standing.latency_s * 1000, 3) or None,
    }


def cache_text(cache: CacheRule) -> str:
    """Return for how long answers are kept: ``1s, at most 1m, stale 10s, by tenant``."""
    stale = f", stale {_DURATION.render(cache.stale_ms)}" if cache.stale_ms else ""
    fresh = f"{_DURATION.render(cache.ttl_ms)}, at most {_DURATION.render(cache.ttl_max_ms)}"
    return f"{fresh}{stale}, by {cache.shared_by.value}"


def idempotency_text(idempotency: IdempotencyRule) -> str:
    """Return for how long answers to keys are kept, and whether a key is required."""
    required = ", required" if idempotency.is_required else ""
    return f"{_DURATION.render(idempotency.ttl_ms)}{required}"


def fault_text(fault: Fault) -> str:
    """Return what is done on purpose, and to whom: ``10 % delayed by 200 ms to 250 ms, with x-fault: yes``."""
    fields = " and ".join(f"{name.decode()}: {value.decode('utf-8', 'replace')}" for name, value in fault.headers)
    return f"{fault.percent:g} % {_done_to(fault)}{f', with {fields}' if fields else ''}"


def _done_to(fault: Fault) -> str:
    amount = fault.amount
    if fault.kind is FaultKind.DELAY:
        return f"delayed by {amount} ms{f' to {amount + fault.jitter_ms} ms' if fault.jitter_ms else ''}"
    if fault.kind is FaultKind.ABORT:
        return f"answered {amount}"
    if fault.kind is FaultKind.SLOW:
        return f"answered at {amount:,} bytes per second"
    return f"cut after {amount:,} bytes of the answer" if amount else "cut without an answer"


def fanout_text(plan: "FanOutPlan") -> str:
    """Return who is asked, and what is made of it: ``dashboard: merge of billing, orders``."""
    return f"{plan.name}: {plan.combine.value} of {', '.join(leg.name for leg in plan.legs)}"


def _case_text(case: Case) -> str:
    parts = [f"{name}: {value}" for name, value in sorted(case.headers.items())]
    if case.tenants:
        parts.append(f"tenant {' or '.join(sorted(case.tenants))}")
    if case.percent is not None:
        parts.append(f"{case.percent:g} %")
    return f"{case.version} for {' and '.join(parts) or 'everybody'}"
