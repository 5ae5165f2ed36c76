"""Rights: which service may call which, and as whom it is known there. The configuration says so, and nobody else."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from frames.wire_values import make_identity
from proxy.request.caller import Caller, Identity


class ServiceCall(Protocol):
    """One entry of ``services.calls``."""

    @property
    def caller(self) -> str:
        """The service that calls."""
        ...

    @property
    def callee(self) -> str:
        """The service that is called."""
        ...

    @property
    def claims(self) -> Mapping[str, Any]:
        """What its identity claims there."""
        ...


class Right:
    """One service's right to call another."""

    __slots__ = ("_wire", "identity")

    def __init__(self, caller: str, claims: Mapping[str, Any]) -> None:
        """Raises ValueError for claims that no frame carries."""
        self.identity = Identity(principal=f"service:{caller}", claims=dict(claims))
        self._wire = make_identity(
            self.identity.principal.encode(), msgspec.json.encode(self.identity.claims), drops_credentials=False
        )

    def caller(self, tenant: bytes) -> Caller:
        """Return who asks, for a tenant or, with none, for nobody."""
        return Caller(tenant=tenant, identity=self.identity, wire=self._wire)


class Rights:
    """All of them."""

    __slots__ = ("_rights",)

    def __init__(self, calls: Iterable[ServiceCall] = ()) -> None:
        """Take the entries of the configuration. Raises ValueError for claims that no frame carries."""
        self._rights = {(call.caller, call.callee): Right(call.caller, call.claims) for call in calls}

    def find(self, caller: str, callee: str) -> Right | None:
        """Return the right of one service to call another, or None."""
        return self._rights.get((caller, callee))
