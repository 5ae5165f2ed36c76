"""Which routes the stages are for: an answer that streams, or is made of several, is not kept."""

from typing import Any, Final, Protocol

from frames.frame import Method
from proxy.request.route_policy import RoutePolicy

UNSAFE: Final = frozenset((Method.POST, Method.PUT, Method.PATCH, Method.DELETE))


class RouteFacts(Protocol):
    """What is looked at of a route."""

    method: int
    policy: RoutePolicy
    streams: bool
    fanout: Any


def is_cached(route: RouteFacts) -> bool:
    """Whether the cache has something to say about a route: keeps its answers, or makes void what they change."""
    return route.policy.cache is not None and not route.streams and route.fanout is None


def takes_keys(route: RouteFacts) -> bool:
    """Whether answers to Idempotency-Keys of a route are kept: there is nothing to repeat where nothing is changed."""
    is_apt = route.method in UNSAFE and not route.streams and route.fanout is None
    return route.policy.idempotency is not None and is_apt
