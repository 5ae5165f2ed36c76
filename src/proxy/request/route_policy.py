"""The policy of a route: what its services declared and what the configuration's rules say of it, put together once.

A stage reads from it what it holds an exchange to. It is made when a route is, by `proxy.route.rules`; nothing in it is
looked up by name while traffic flows. ``origins`` says of each field which service or which line of which file made it
so, for `penstock explain`.
"""

from collections.abc import Mapping
from enum import Enum
from itertools import count

import msgspec

from penstock.settings.rate import RateLimit


class Access(Enum):
    """Who may ask at all."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"


class TenantRule(Enum):
    """Whether a request must name its tenant."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class Claim(msgspec.Struct, frozen=True, order=True):
    """What an identity must claim: one of the values, or, with none given, any value."""

    name: str
    values: tuple[str, ...] = ()
    """In order of the alphabet, none twice."""


class KeyKind(Enum):
    """By what a share of requests is told apart, so that one asker always falls into the same part."""

    NONE = "none"
    TENANT = "tenant"
    PRINCIPAL = "principal"
    ADDRESS = "address"
    HEADER = "header"
    COOKIE = "cookie"
    PARAMETER = "parameter"  # of the path


class Key(msgspec.Struct, frozen=True):
    """Where the key is read. name: of the header field (lower case), the cookie or the parameter, else empty."""

    kind: KeyKind = KeyKind.NONE
    name: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a version regardless of weights: all that is given must hold. percent: of the split's key, 0 to 100."""

    version: str
    headers: Mapping[str, str] = {}
    tenants: frozenset[str] = frozenset()
    percent: float | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the requests gets which version. Cases are tried first, in their order.

    weights: (version or range, weight above or equal to 0); they add up to 100.
    """

    weights: tuple[tuple[str, float], ...] = ()
    key: Key = Key()
    cases: tuple[Case, ...] = ()


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of some requests goes to another version, whose answers are thrown away.

    percent: of the requests; in_flight_max: copies at once, above which none is made.
    """

    version: str
    percent: float = 100.0
    in_flight_max: int = 16


class FaultKind(Enum):
    """What is done to a request on purpose."""

    DELAY = "delay"
    ABORT = "abort"
    CUT = "cut"
    SLOW = "slow"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault on purpose, and whom it hits. headers: names in lower case and values, all of which a request must have.

    amount: milliseconds of a delay, the status of an abort, bytes of the answer before a cut, bytes per second of a
    slow answer; jitter_ms: up to so much is added to a delay; percent: of the requests, 0 to 100.
    """

    kind: FaultKind
    amount: int
    jitter_ms: int = 0
    percent: float = 100.0
    headers: tuple[tuple[bytes, bytes], ...] = ()


class BalancePolicy(Enum):
    """By what one of several instances is chosen; see ``proxy.targets.balance``."""

    TWO_CHOICES = "two_choices"
    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"
    CONSISTENT_HASH = "consistent_hash"


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """How one of several instances is chosen. None: as the gateway's settings say.

    key: for consistent hashing; load_factor: how many times its fair share an instance may have in flight there, at
    least 1; weights: by instance, of which every other one has 1. An instance of weight 0 gets nothing while there is
    another one.
    """

    policy: BalancePolicy | None = None
    key: Key = Key()
    load_factor: float | None = None
    weights: Mapping[str, float] = {}

    @property
    def says_anything(self) -> bool:
        """Whether anything is other than the gateway's settings say."""
        return self != Balance()


class CacheScope(Enum):
    """Among whom an answer is shared."""

    TENANT = "tenant"
    PRINCIPAL = "principal"


class CacheRule(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to GET may be kept, and given to others who ask the same.

    ttl_ms: how long one is fresh that does not say so itself; ttl_max_ms: and at most, whatever it says; stale_ms: how
    long it may be given beyond that, while another is fetched. 0 for ttl_max_ms: nothing is kept.
    """

    ttl_ms: int = 1_000
    ttl_max_ms: int = 60_000
    stale_ms: int = 0
    shared_by: CacheScope = CacheScope.TENANT


class IdempotencyRule(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to an Idempotency-Key is kept, and given again. ttl_ms: for how long; 0: nothing is kept."""

    ttl_ms: int = 86_400_000
    is_required: bool = False


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests may be with a route, and with its service, at once. None: as many as come.

    is_adaptive: the service's limit is learned, between service_min and service_max; else service_max is what it is.
    waiting: for a place, at most; wait_ms: each, at most; priority: of a request that names none, a word.
    """

    route_max: int | None = None
    service_max: int | None = None
    service_min: int = 1
    is_adaptive: bool = False
    waiting: int = 256
    wait_ms: int = 100
    priority: str = "normal"

    @property
    def is_limit(self) -> bool:
        """Whether it holds anybody back."""
        return self.route_max is not None or self.service_max is not None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Which version a request gets that names none (empty: the highest but for pre-releases), and what it may name."""

    default: str = ""
    takes_ranges: bool = False


class RoutePolicy(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """All that holds for the requests of one route. Compared by identity."""

    access: Access = Access.AUTHENTICATED
    claims: tuple[Claim, ...] = ()
    """All must hold. A name may be there twice: the service wants one of these values, and a rule one of those."""
    tenant: TenantRule = TenantRule.OPTIONAL
    rate_limits: tuple[RateLimit, ...] = ()
    deadline_ms: int | None = None
    body_bytes: int | None = None
    versions: Versions = Versions()
    split: Split | None = None
    mirror: Mirror | None = None
    placement: str = ""
    """The kind of placement map, such as ``aggregate_placement``; empty for none."""
    balance: Balance | None = None
    """How one of several instances is chosen; None: as the gateway's settings say."""
    retries: str = ""
    """The name of the retry profile; empty: the one that its method has by default."""
    stream_idle_ms: int | None = None
    """How long nothing may move on a stream; None: the edge's."""
    faults: tuple[Fault, ...] = ()
    """Injected on purpose, in their order."""
    concurrency: Concurrency | None = None
    """How many of its requests may be with its service at once; None: as many as come."""
    cache: CacheRule | None = None
    idempotency: IdempotencyRule | None = None
    origins: Mapping[str, str] = {}
    """By field's name: who said so, as ``billing 1.4.0`` or ``penstock.yaml:12``. What nobody set is left out."""
    demand: int = -1
    """What it asks of a caller, as a number: the same for all policies that ask the same, and never of two meanings."""

    def __post_init__(self) -> None:
        """Find the number of what is asked. It outlives the policy, so that what is remembered by it stays true."""
        key = (self.access, self.claims, self.tenant)
        msgspec.structs.force_setattr(self, "demand", _demands.setdefault(key, next(_numbers)))


_numbers = count()
_demands: dict[tuple[Access, tuple[Claim, ...], TenantRule], int] = {}
"""Every demand that was ever made, with its number: as many as there are combinations in the configuration."""


OPEN = RoutePolicy(access=Access.PUBLIC)
"""Nothing is asked of anybody: for tests, and for routes of which nothing was said where that is allowed."""
