"""Who asks: the tenant and the identity of a client, verified once and then found again by what the client sends.

The same value serves every request that says the same, so it never changes, but for ``allowed`` and
``memo``: what stages remember of it, so that nothing is worked out twice.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class Identity(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What a token or a key proved. Compared by identity."""

    principal: str
    claims: Mapping[str, Any]
    tenants: frozenset[str] | None = None
    """The tenants that it may act for; None: any."""
    expires_at_s: float = float("inf")
    """Of `time.time`, with the skew that is allowed: from then on it proves nothing."""
    issuer: str = ""
    """Who says so: the name that the configuration gives the issuer; empty for a key."""

    def __repr__(self) -> str:
        """Who it is, without what is claimed: that belongs into no log."""
        return f"<Identity {self.principal!r} issuer={self.issuer!r}>"


class Caller(msgspec.Struct, eq=False, kw_only=True):
    """What a client said about itself, as far as it was found true. Compared by identity."""

    tenant: bytes = b""
    """Empty where there is none."""
    identity: Identity | None = None
    wire: Any = None
    """The identity as the wire writes it into REQUEST (`frames.wire_values.make_identity`, `NO_IDENTITY`)."""
    expires_at_s: float = float("inf")
    """The identity's."""
    selected: bytes | None = None
    """Where the client names no tenant: the one that the identity stands for, to be set with each request, or empty."""
    has_bad_token: bool = False
    """Whether it sent a token that proved nothing (RFC 6750, section 3.1, asks us to say so)."""
    allowed: set[int] = set()
    """Each `RoutePolicy.demand` that was found to be met. Filled by authorize."""
    memo: dict[object, Any] = {}
    """What stages have worked out about it: by the plan or the split that they worked with. Filled by `remember`."""


MEMO_MAX: Final = 16
"""Of one caller: as much as one that asks several routes needs. To work it out again costs half a microsecond."""


def remember(caller: Caller, about: object, value: Any) -> None:
    """Keep what was worked out about a caller; everything kept before is forgotten where there is no room."""
    if len(caller.memo) >= MEMO_MAX:
        caller.memo.clear()
    caller.memo[about] = value
