"""Samples of workers that say as little as can be."""

from typing import Any

from proxy.admin.top_sample import InstanceSample, RouteSample, TopSample, WorkerSample


def route(count: int, errors: int = 0, path: str = "/things", **more: Any) -> RouteSample:
    """A route of which so many requests were answered with 200 and with 500, each in 100 µs."""
    given: dict[str, Any] = {
        "in_flight": 0,
        "statuses": (count, 0, 0, errors),
        "times": {100: count + errors} if count else {},
    } | more
    return RouteSample(method="GET", path=path, service="things", **given)


def instance(name: str = "t-1", **more: Any) -> InstanceSample:
    """A healthy instance without anything to do."""
    given: dict[str, Any] = {"version": "1.0.0", "region": "eu-1", "health": "healthy", "why": "", "breaker": ""}
    given |= {"in_flight": 0, "latency_us": 0, "load_percent": None, "connections": 1, "connected_s": 1.0}
    return InstanceSample(service="things", instance=name, **(given | more))


def worker(at_s: float, requests: int = 0, name: str = "0.1", pid: int = 7, **more: Any) -> WorkerSample:
    """A worker that has begun at 0 s."""
    given: dict[str, Any] = {"started_at_s": 0.0, "cpu_s": 0.0, "rss_bytes": 1, "now": {}, "reasons": {}}
    given |= {"routes": [], "routes_now": 0, "instances": []}
    given |= {"totals": {"requests": requests, "responses_2xx": requests}}
    return WorkerSample(worker=name, pid=pid, at_s=at_s, **(given | more))


def sample(*workers: WorkerSample) -> TopSample:
    """A moment."""
    return TopSample("gw-1", "1.2.3", 1, list(workers))
