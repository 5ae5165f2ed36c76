"""Authorize: may who asks ask this? (After identify; routes that anybody may ask leave it out.)

The answers are the same for whatever is missing: no token, a bad one, one that is over: 401; no claim, another value:
403. The one difference is that of RFC 6750, section 3.1: who sent a token is told that it was not good.
"""

from typing import TYPE_CHECKING, Final, Protocol

from proxy.errors import FORBIDDEN, TENANT_MISSING, UNAUTHENTICATED
from proxy.policy.identity.claims import claims_met
from proxy.request.caller import Caller
from proxy.request.exchange import Exchange
from proxy.request.route_policy import Access, RoutePolicy, TenantRule
from proxy.request.stage import Answer, for_routes

_REMEMBERED_MAX: Final = 32
"""Demands that are remembered of a caller: as many as one usually meets."""

_CHALLENGE: Final = b'Bearer realm="penstock"'
_NO_IDENTITY: Final = Answer(UNAUTHENTICATED, headers=((b"www-authenticate", _CHALLENGE),))
_BAD_TOKEN: Final = Answer(UNAUTHENTICATED, headers=((b"www-authenticate", _CHALLENGE + b', error="invalid_token"'),))
_FORBIDDEN: Final = Answer(FORBIDDEN)
_NO_TENANT: Final = Answer(TENANT_MISSING)


def is_public(policy: RoutePolicy) -> bool:
    """Whether anybody may ask."""
    return policy.access is Access.PUBLIC and not policy.claims


if TYPE_CHECKING:

    class _Route(Protocol):
        @property
        def policy(self) -> RoutePolicy: ...


def _asks(route: "_Route") -> bool:
    return not is_public(route.policy) or route.policy.tenant is TenantRule.REQUIRED


@for_routes(_asks)
def authorize(exchange: Exchange) -> Answer | None:
    """Let a request go on if its caller meets what the route's policy asks."""
    caller, policy = exchange.caller, exchange.route.policy
    if caller is not None and policy.demand in caller.allowed:
        return None
    answer = judge(caller, policy)
    if answer is None and caller is not None:
        if len(caller.allowed) >= _REMEMBERED_MAX:
            caller.allowed.clear()
        caller.allowed.add(policy.demand)
    return answer


def judge(caller: Caller | None, policy: RoutePolicy) -> Answer | None:
    """Return the answer for whom a policy does not let pass, or None.

    The tenant is asked for last: who may not ask at all learns nothing of what else is needed.
    """
    identity = caller.identity if caller is not None else None
    if identity is None and not is_public(policy):
        return _BAD_TOKEN if caller is not None and caller.has_bad_token else _NO_IDENTITY
    if identity is not None and not claims_met(identity.claims, policy.claims):
        return _FORBIDDEN
    if policy.tenant is TenantRule.REQUIRED and (caller is None or not caller.tenant):
        return _NO_TENANT
    return None


def demands_of(policy: RoutePolicy) -> tuple[str, ...]:
    """Return what a policy asks of a caller, in words: for operators, never for clients."""
    words = [] if is_public(policy) else ["an identity"]
    for claim in policy.claims:
        words.append(f"the claim {claim.name}: {' or '.join(claim.values) if claim.values else 'any value'}")
    if policy.tenant is TenantRule.REQUIRED:
        words.append("a tenant")
    return tuple(words)
