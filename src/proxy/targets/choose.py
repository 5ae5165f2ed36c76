"""Pick, as a stage: which instance gets the request."""

import random
from collections.abc import Callable, Sequence

from proxy.errors import NO_INSTANCE
from proxy.exchange import Exchange
from proxy.stage import Answer, Stage
from proxy.targets.pick import pick

_NO_INSTANCE = Answer(NO_INSTANCE)


def make_pick(
    in_flight: Sequence[int], latency_us: Sequence[float], rand: Callable[[], float] = random.random
) -> Stage:
    """Return the stage that chooses among the candidates by these arrays of the wire."""

    def pick_offer(exchange: Exchange) -> Answer | None:
        offers = exchange.offers
        offer = offers[0] if len(offers) == 1 else pick(offers, in_flight, latency_us, rand)
        if offer is None:
            return _NO_INSTANCE
        exchange.offer = offer
        return None

    return pick_offer
