"""Which routes the stages are for: an answer that streams, or is made of several, is not kept."""

from typing import TYPE_CHECKING, Final

from frames.frame import Method

if TYPE_CHECKING:
    from proxy.route.table import Route

UNSAFE: Final = frozenset((Method.POST, Method.PUT, Method.PATCH, Method.DELETE))


def is_cached(route: "Route") -> bool:
    """Whether the cache has something to say about a route: keeps its answers, or makes void what they change."""
    return route.policy.cache is not None and not route.streams and route.fanout is None


def takes_keys(route: "Route") -> bool:
    """Whether answers to Idempotency-Keys of a route are kept: there is nothing to repeat where nothing is changed."""
    is_apt = route.method in UNSAFE and not route.streams and route.fanout is None
    return route.policy.idempotency is not None and is_apt
