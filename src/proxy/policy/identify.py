"""Identify: who asks, and for which tenant (after match: what a route does not need is not looked for).

A request that says nothing of either passes by. All others are told apart by what they say, in one lookup; who says
something for the first time is judged in `proxy.policy.identity.callers`. Whether that is enough for the route, is for
authorize to say.
"""

from typing import Final

from frames.frame import FieldId
from frames.wire_values import HEAD_HAS_MORE, HEAD_HAS_TENANT
from proxy.policy.authorize import is_public
from proxy.policy.identity.callers import Callers
from proxy.policy.identity.tenant import INVALID
from proxy.request.caller import Caller
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Await, Stage, for_flags

_SAYS: Final = HEAD_HAS_TENANT | HEAD_HAS_MORE
_TENANT: Final = FieldId.TENANT


def make_identify(callers: Callers) -> Stage:
    """Return the stage. It sets the exchange's caller, and the tenant where the identity selects it."""
    known, now = callers.known, callers.wall_clock

    @for_flags(_SAYS)
    def identify(exchange: Exchange) -> Answer | Await | None:
        if not exchange.flags & _SAYS:
            exchange.caller = None
            return None
        said = exchange.fields.caller(exchange.id)
        caller = known.young.get(said)
        if caller is None or now() >= caller.expires_at_s:
            if not said:  # what it has is another of the fields that few requests have
                exchange.caller = None
                return _set_tenant(exchange, b"")
            found = callers.find(said, is_public=is_public(exchange.route.policy))
            if not isinstance(found, Caller):
                return found
            caller = found
        exchange.caller = caller
        return None if caller.selected is None else _set_tenant(exchange, caller.selected)

    return identify


def _set_tenant(exchange: Exchange, selected: bytes) -> Answer | None:
    """Set the tenant for a client that names none. A field without a value is no way to name none."""
    if exchange.flags & HEAD_HAS_TENANT:
        return INVALID
    if selected:
        exchange.fields.set_context(exchange.id, _TENANT, selected)
    return None
