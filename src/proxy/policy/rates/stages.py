"""The stages that count: admit, before anybody is known, and rate_limit, for the limits of a route.

What counts is loaded with the gateway's own limits, or with the first request of a route that has some.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from penstock.settings.rate import RateKey, RateLimit
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Stage, for_routes

if TYPE_CHECKING:
    from proxy.policy.rates.limiter import RateLimiter, Standing

GATEWAY = "gateway"
"""The scope of what holds for all routes; no service has it, since a service's begins with its kind."""

_KNOWN_EARLY = frozenset((RateKey.ROUTE, RateKey.ADDRESS))


if TYPE_CHECKING:

    class HasLimiter(Protocol):
        """Who has the limiter, or makes it when it is first asked for."""

        @property
        def limiter(self) -> "RateLimiter":
            """The one that serves all stages."""
            ...


class Rates:
    """Has the limiter of a gateway, which counts in memory."""

    def __init__(self, *, keys_max: int, is_open_on_failure: bool) -> None:
        """keys_max: how many keys are held; is_open_on_failure: what a store that fails lets through."""
        self._keys_max = keys_max
        self._is_open_on_failure = is_open_on_failure

    @cached_property
    def limiter(self) -> "RateLimiter":
        """What counts."""
        from proxy.policy.rates.limiter import RateLimiter

        return RateLimiter(keys_max=self._keys_max, is_open_on_failure=self._is_open_on_failure)

    def change(self, *, keys_max: int, is_open_on_failure: bool) -> None:
        """Go on with other bounds. What was counted stays."""
        self._keys_max, self._is_open_on_failure = keys_max, is_open_on_failure
        if "limiter" in self.__dict__:
            self.limiter.change(keys_max=keys_max, is_open_on_failure=is_open_on_failure)


def make_admit(limiter: "RateLimiter", limits: tuple[RateLimit, ...]) -> Stage:
    """Return the stage that holds every request to the gateway's own limits, before its identity is looked at.

    It is left out where there are none. ValueError for a limit by somebody who is not known yet.
    """
    if any(key not in _KNOWN_EARLY for limit in limits for key in limit.keys):
        raise ValueError("admission counts by route and address: nobody is known by then")
    plan = limiter.plan(GATEWAY, limits)
    check = limiter.check

    @for_routes(lambda route: bool(limits))
    def admit(exchange: Exchange) -> Answer | None:
        return check(exchange, plan)

    return admit


def make_rate_limit(rates: "HasLimiter") -> Stage:
    """Return the stage that holds a request to the limits of its route. It comes when the caller is known."""

    @for_routes(lambda route: bool(route.policy.rate_limits))
    def rate_limit(exchange: Exchange) -> Answer | None:
        limiter = rates.limiter
        return limiter.check(exchange, exchange.route.rates or limiter.plan_of(exchange))

    return rate_limit


def peek_rates(
    limiter: "RateLimiter", exchange: Exchange, admitted: tuple[RateLimit, ...] = ()
) -> "tuple[Standing, ...]":
    """Return how a request stands with the limits of the gateway and of its route; nothing is counted."""
    at_gateway = limiter.peek(exchange, limiter.plan(GATEWAY, admitted)) if admitted else ()
    of_route = limiter.peek(exchange, limiter.plan_of(exchange)) if exchange.route.policy.rate_limits else ()
    return (*at_gateway, *of_route)
