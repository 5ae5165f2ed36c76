"""Who asks: the tenant and the identity of a client, verified once and then found again by what the client sends.

The same value serves every request that says the same, so it never changes. ``limits`` and ``allowed`` are what stages
remember about a caller: whether a route's claims are met need not be asked twice.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


class Identity(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What a token or a key proved. Compared by identity."""

    principal: str
    claims: Mapping[str, Any]
    tenants: frozenset[str] | None = None
    """The tenants that it may act for; None: any."""
    expires_at_s: float = float("inf")
    """Of `time.time`."""


class Caller(msgspec.Struct, eq=False, kw_only=True):
    """What a client said about itself, as far as it was found true. Compared by identity."""

    tenant: bytes = b""
    """Empty where there is none."""
    identity: Identity | None = None
    wire: Any = None
    """The identity as the wire writes it into REQUEST (`frames.wire_values.make_identity`); None: nothing to write."""
    allowed: dict[int, bool] = {}
    """By id of the policy: whether that policy's access and claims are met. Filled by authorize."""
