"""What is told of answers that are kept: by the cache, and for Idempotency-Keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from frames.frame import Method
from proxy.answers.routes import UNSAFE, is_cached, takes_keys
from proxy.explain.told import Line
from proxy.request.exchange import NEEDS_TASK
from proxy.request.policy_words import cache_text, idempotency_text

if TYPE_CHECKING:
    from proxy.explain.words import View


def cache(view: "View") -> Iterator[Line]:
    """Tell whether the answer would be kept; this explanation looks at nothing that is."""
    exchange, route = view.exchange, view.exchange.route
    if route.policy.cache is None:
        return
    origin = view.origins.policy(route, "cache")
    text = cache_text(route.policy.cache)
    if not is_cached(route):
        yield Line(f"{text}; nothing is kept: the endpoint streams, or several are asked", origin)
    elif exchange.method in UNSAFE:
        yield Line("a good answer makes void what is kept for this target", origin)
    elif exchange.method not in (Method.GET, Method.HEAD) or exchange.flags & NEEDS_TASK:
        yield Line(f"{text}; not for this one: only plain GET and HEAD are", origin)
    else:
        yield Line(text, origin)


def idempotency(view: "View") -> Iterator[Line]:
    """Tell whether the answer would be kept for a key."""
    exchange, route = view.exchange, view.exchange.route
    if route.policy.idempotency is None:
        return
    origin = view.origins.policy(route, "idempotency")
    text = idempotency_text(route.policy.idempotency)
    if not takes_keys(route):
        yield Line(f"{text}; not here: it changes nothing, the endpoint streams, or several are asked", origin)
    elif exchange.fields.named_field(exchange.id, b"idempotency-key") is None:
        yield Line(f"{text}; this one has no key", origin)
    else:
        yield Line(f"{text}; the first request with this key goes on, and its answer is given again", origin)
