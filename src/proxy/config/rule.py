"""Rules: what the configuration says of routes. Read from settings; ``proxy.route.rules`` joins them into policies.

A rule holds for all routes of its service, methods and path, whichever of these it names. Of what it says nothing
about, None stands here. Rules hold in their order: of a single value the later one wins; what restricts only adds up.
"""

from collections.abc import Mapping

import msgspec

from frames.frame import Method
from penstock.settings.rate import RateLimit
from proxy.request.route_policy import (
    Access,
    Balance,
    CacheRule,
    Concurrency,
    Fault,
    IdempotencyRule,
    Mirror,
    Split,
    TenantRule,
)


class VersionsRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says about versions. default: a version or a range, empty for the highest; see `Versions`."""

    default: str | None = None
    takes_ranges: bool | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. The kind that reads it has checked every value by itself: that versions and ranges are such, that the
    weights of a split add up to 100, that a placement is the name of a kind of map.
    """

    origin: str
    """Where it stands: ``penstock.yaml:12``, or the variable."""
    name: str = ""
    """For people; empty where it has none."""
    service: str | None = None
    """Holds for this service's routes only."""
    path: str | None = None
    """Holds for this path and all below it, by whole segments; a parameter covers any one segment."""
    methods: frozenset[Method] | None = None
    """Holds for these methods only. Who says GET says HEAD, too, whether or not a service offers a HEAD of its own."""
    access: Access | None = None
    claims: Mapping[str, frozenset[str]] | None = None
    """By claim's name: the values of which one is needed; empty: any value."""
    tenant: TenantRule | None = None
    rate_limits: tuple[RateLimit, ...] | None = None
    deadline_ms: int | None = None
    body_bytes: int | None = None
    versions: VersionsRule | None = None
    split: Split | None = None
    """Without weights and cases: no split, although a rule before this one has one."""
    mirror: Mirror | None = None
    """Of 0 percent: none."""
    placement: str | None = None
    """The kind of placement map; empty: none, although a rule before this one has one."""
    balance: Balance | None = None
    """Without anything: as the gateway's settings say, although a rule before this one says otherwise."""
    retries: str | None = None
    """The name of a retry profile."""
    stream_idle_ms: int | None = None
    faults: tuple[Fault, ...] | None = None
    """Empty: none, although a rule before this one has some."""
    concurrency: Concurrency | None = None
    """Without a limit: none, although a rule before this one has one."""
    cache: CacheRule | None = None
    """Of ttl_max_ms 0: nothing is kept, although a rule before this one says so."""
    idempotency: IdempotencyRule | None = None
    """Of ttl_ms 0: likewise."""

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.name} ({self.origin})" if self.name else self.origin
