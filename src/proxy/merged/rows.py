"""Lists of several workers become one: a page of each, in the order of their keys.

Each worker gives its first rows behind the same place, as many as are wanted of all. So the first of all of them
together are whole: what stands there in one worker's list stands no later in the page that it gave.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from proxy.admin.state import Rows

Row = dict[str, Any]
Pages = Mapping[str, Rows]
"""What each worker gave, by its id."""

HEALTHS: Final = ("healthy", "degraded", "unhealthy", "draining")
"""The worse, the later."""


def merge_services(pages: Pages, limit: int) -> Rows:
    """Return the instances of all workers: counts added up, the worst health, and which workers have each."""
    return _merge(pages, limit, _instance_key, lambda rows: _instance(rows, list(pages)))


def merge_routes(pages: Pages, limit: int) -> Rows:
    """Return the routes of all workers: counts added up, the instances that any of them has."""
    return _merge(pages, limit, _route_key, _route)


def _merge(pages: Pages, limit: int, key_of: Callable[[Row], str], make: Callable[[Mapping[str, Row]], Row]) -> Rows:
    by_key: dict[str, dict[str, Row]] = {}
    for worker, page in pages.items():
        for row in page.rows:
            by_key.setdefault(key_of(row), {})[worker] = row
    keys = sorted(by_key)
    chosen = keys[:limit]
    has_more = len(keys) > limit or any(page.next is not None for page in pages.values())
    return Rows([make(by_key[key]) for key in chosen], chosen[-1] if has_more and chosen else None)


def _instance_key(row: Row) -> str:
    return f"{row['service']}/{row['instance']}"


def _route_key(row: Row) -> str:
    return f"{row['path']} {row['method']} {row['service']}"


def _total(rows: Mapping[str, Row], name: str) -> Any:
    return sum(row[name] for row in rows.values())


def _instance(rows: Mapping[str, Row], workers: Sequence[str]) -> Row:
    """Return one instance, as those workers see it that have it. workers: all that were asked."""
    worst = max(rows, key=lambda worker: HEALTHS.index(rows[worker]["health"]))
    merged = dict(rows[worst])
    for name in ("in_flight", "connections", "unsent_bytes"):
        merged[name] = _total(rows, name)
    merged["connected_s"] = max(row["connected_s"] for row in rows.values())
    times = [row["latency_us"] for row in rows.values() if row["latency_us"]]
    merged["latency_us"] = round(sum(times) / len(times)) if times else 0
    merged["load_percent"] = next(
        (row["load_percent"] for row in rows.values() if row["load_percent"] is not None), None
    )
    merged["why"] = _why(rows, worst, [worker for worker in workers if worker not in rows])
    merged["breaker"] = _breaker({worker: row["breaker"] for worker, row in rows.items()})
    merged["endpoint_breakers"] = {
        endpoint: _breaker({worker: row["endpoint_breakers"].get(endpoint, "") for worker, row in rows.items()})
        for endpoint in dict.fromkeys(each for row in rows.values() for each in row["endpoint_breakers"])
    }
    merged["workers"] = list(rows)
    return merged


def _why(rows: Mapping[str, Row], worst: str, missing: Sequence[str]) -> str:
    """Return why an instance is not well, with the workers that see it so where others do not."""
    why = str(rows[worst]["why"])
    alike = [worker for worker, row in rows.items() if row["health"] == rows[worst]["health"]]
    said = [f"{why} (in {_names(alike)})" if why and len(alike) < len(rows) else why]
    said += [f"it is not connected to {_names(missing)}"] if missing else []
    return "; ".join(filter(None, said))


def _breaker(texts: Mapping[str, str]) -> str:
    """Return how a breaker stands. Each worker has one of its own."""
    out = {worker: text for worker, text in texts.items() if text}
    if not out:
        return ""
    first = next(iter(out.values()))
    return first if len(out) == len(texts) else f"{first} (in {_names(list(out))})"


def _names(workers: Sequence[str]) -> str:
    return f"worker {workers[0]}" if len(workers) == 1 else f"workers {', '.join(workers)}"


def _route(rows: Mapping[str, Row]) -> Row:
    first = next(iter(rows.values()))
    merged = dict(first)
    merged["responses"] = {
        name: sum(row["responses"].get(name, 0) for row in rows.values()) for name in first["responses"]
    }
    merged["versions"] = _versions(rows.values())
    standing = [row["concurrency"] for row in rows.values() if row["concurrency"] is not None]
    if standing:  # the limits are each worker's own: they are told as they are, what goes on is added up
        sums = {name: sum(each[name] for each in standing) for name in ("in_flight", "waiting")}
        merged["concurrency"] = {**standing[0], **sums, "is_standing": any(each["is_standing"] for each in standing)}
    return merged


def _versions(rows: Any) -> list[Row]:
    """Return the versions that any worker knows, in the order of the first one that does; each with all instances."""
    by_version: dict[str, Row] = {}
    for row in rows:
        for each in row["versions"]:
            known = by_version.setdefault(each["version"], {**each, "instances": []})
            known["default"] = known["default"] or each["default"]
            known["instances"] += [name for name in each["instances"] if name not in known["instances"]]
    return list(by_version.values())
