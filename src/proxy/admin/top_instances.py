"""The instances of `/top`: what several workers say of the same one becomes one row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from proxy.admin.top import TopInstance
from proxy.admin.top_sample import InstanceSample

_FROM_WORST: Final = ("unhealthy", "degraded", "draining", "healthy")

Seen = tuple[Sequence[InstanceSample], Sequence[InstanceSample], float]
"""The instances of one worker, before and after, and the seconds in between."""


def instance_rows(seen: Iterable[Seen], service: str = "") -> tuple[list[TopInstance], dict[str, int]]:
    """Return a row for each instance, those that are not well first and then the busiest; and how many there are by
    health. service: whose rows are wanted, empty for all.
    """
    views: dict[tuple[str, str], list[InstanceSample]] = {}
    rates: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for before, after, seconds in seen:
        known = {(each.service, each.instance): each for each in before}
        for each in after:
            key = (each.service, each.instance)
            views.setdefault(key, []).append(each)
            rate = _rates(known.get(key), each, seconds)
            if rate is not None:
                rates.setdefault(key, []).append(rate)
    rows = [_row(of_workers, rates.get(key)) for key, of_workers in views.items()]
    by_health = Counter(row.health for row in rows)
    rows = [row for row in rows if service in ("", row.service)]
    rows.sort(key=_order)
    return rows, {health: by_health[health] for health in reversed(_FROM_WORST)}


def _rates(before: InstanceSample | None, after: InstanceSample, seconds: float) -> tuple[float, float] | None:
    """Return answers and 5xx per second; None where nobody counts them. Where counts fell, they began anew."""
    if after.statuses is None:
        return None
    old = before.statuses if before is not None and before.statuses is not None else (0, 0, 0, 0)
    grown = [now - then for now, then in zip(after.statuses, old, strict=True)]
    if min(grown) < 0:
        grown = list(after.statuses)
    return sum(grown) / seconds, grown[3] / seconds


def _row(views: Sequence[InstanceSample], rates: Sequence[tuple[float, float]] | None) -> TopInstance:
    worst = min(views, key=lambda each: (_rank(each.health), not each.breaker))
    measured = [each.latency_us for each in views if each.latency_us]
    loads = [each.load_percent for each in views if each.load_percent is not None]
    return TopInstance(
        service=worst.service,
        instance=worst.instance,
        version=worst.version,
        region=worst.region,
        health=worst.health,
        why=worst.why,
        breaker=next((each.breaker for each in views if each.breaker), ""),
        workers=len(views),
        connections=sum(each.connections for each in views),
        in_flight=sum(each.in_flight for each in views),
        latency_us=round(sum(measured) / len(measured)) if measured else 0,
        load_percent=max(loads, default=None),
        connected_s=max(each.connected_s for each in views),
        rate=None if rates is None else round(sum(rate for rate, _ in rates), 2),
        error_rate=None if rates is None else round(sum(errors for _, errors in rates), 2),
    )


def _rank(health: str) -> int:
    return _FROM_WORST.index(health) if health in _FROM_WORST else 0


def _order(row: TopInstance) -> tuple[bool, int, float, int, str, str]:
    return (not row.breaker, _rank(row.health), -(row.rate or 0.0), -row.in_flight, row.service, row.instance)
