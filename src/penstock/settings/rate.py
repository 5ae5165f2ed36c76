"""How often something may be asked: ``100/s by tenant burst 20``, in settings, rules and what services declare."""

from enum import Enum

import msgspec


class RateKey(Enum):
    """By what requests are counted together."""

    ROUTE = "route"
    TENANT = "tenant"
    PRINCIPAL = "principal"
    ADDRESS = "address"


class RateLimit(msgspec.Struct, frozen=True):
    """requests: how many, in period_ms milliseconds, for each value of the keys; burst: how many at once, 1 or more."""

    requests: int
    period_ms: int
    burst: int
    keys: tuple[RateKey, ...] = (RateKey.ROUTE,)
