"""The stages that count: admit, before anybody is known, and rate_limit, for the limits of a route."""

from penstock.settings.rate import RateKey, RateLimit
from proxy.exchange import Exchange
from proxy.policy.rates.keys import route_name
from proxy.policy.rates.limiter import RateLimiter, Standing
from proxy.policy.rates.plan import Plan
from proxy.stage import Answer, Stage, for_routes

GATEWAY = "gateway"
"""The scope of what holds for all routes; no service has it, since a service's begins with its kind."""

_KNOWN_EARLY = frozenset((RateKey.ROUTE, RateKey.ADDRESS))


def make_admit(limiter: RateLimiter, limits: tuple[RateLimit, ...]) -> Stage:
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


def make_rate_limit(limiter: RateLimiter) -> Stage:
    """Return the stage that holds a request to the limits of its route. It comes when the caller is known."""
    check = limiter.check

    @for_routes(lambda route: bool(route.policy.rate_limits))
    def rate_limit(exchange: Exchange) -> Answer | None:
        return check(exchange, exchange.route.rates or plan_of(limiter, exchange))

    return rate_limit


def plan_of(limiter: RateLimiter, exchange: Exchange) -> Plan:
    """Return the plan of a request's route, which remembers it."""
    route = exchange.route
    plan: Plan | None = route.rates
    if plan is None:
        plan = limiter.plan(f"service {route.service}", route.policy.rate_limits, route=route_name(exchange))
        route.rates = plan
    return plan


def peek_rates(limiter: RateLimiter, exchange: Exchange, admitted: tuple[RateLimit, ...] = ()) -> tuple[Standing, ...]:
    """Return how a request stands with the limits of the gateway and of its route; nothing is counted."""
    at_gateway = limiter.peek(exchange, limiter.plan(GATEWAY, admitted)) if admitted else ()
    of_route = limiter.peek(exchange, plan_of(limiter, exchange)) if exchange.route.policy.rate_limits else ()
    return (*at_gateway, *of_route)
