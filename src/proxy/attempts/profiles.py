"""Retry profiles: how often a request may be sent, after which answers, and how soon; and what of it a route has.

Two questions are kept apart. A profile says how often, and when. What a request *is* says whether it may be repeated at
all once a service may have started it: a proxy must not repeat on its own what is not idempotent (RFC 9110, section
9.2.2). What no service has started may always be sent again.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from frames.frame import Method
from frames.wire_values import SendHow

SAFE_METHODS: Final = frozenset((Method.GET, Method.HEAD, Method.OPTIONS))
"""They only ask (RFC 9110, section 9.2.1)."""

_KEEP: Final = int(SendHow.KEEP)
_HOLD: Final = int(SendHow.HOLD)


class Repeats(Enum):
    """Which requests may be sent again, although a service may have started them."""

    SAFE = "safe"
    """GET, HEAD and OPTIONS; and what carries an Idempotency-Key, where the endpoint declares that it is idempotent."""
    DECLARED = "declared"
    """Also what carries no key, where the endpoint declares that it is idempotent."""
    KEYED = "keyed"
    """Only what carries a key, where the endpoint declares that it is idempotent."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are sent again."""

    name: str
    attempts: int = 3
    """In all; 1: none is sent again."""
    statuses: frozenset[int] = frozenset((502, 503, 504))
    """Answers of services after which it is tried again: 429, or above 499."""
    backoff_ms: int = 25
    """The first wait is drawn from 0 to this; each later one from twice as much."""
    backoff_max_ms: int = 250
    attempt_ms: int = 0
    """After so long without an answer, another attempt takes its place, if there may be one; 0: never."""
    elsewhere: bool = True
    """Whether an instance that was not asked yet comes first."""
    repeats: Repeats = Repeats.SAFE
    hedge: float = 0.0
    """Of the requests, how many percent get a second attempt beside a first one that takes long; 0: none."""


READ: Final = Profile(name="read")
MUTATION: Final = Profile(name="mutation", repeats=Repeats.KEYED)
NONE: Final = Profile(name="none", attempts=1)

BUILT_IN: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (READ, MUTATION, NONE)}
"""Those that are always there, and cannot be defined otherwise: what they mean is the same everywhere."""


class Plan(msgspec.Struct, frozen=True):
    """What holds for the requests of a route: its profile, and what its method and its endpoint make of that."""

    profile: Profile
    repeats: bool = False
    """Whether a request may be sent again that a service may have started."""
    repeats_with_key: bool = False
    """Whether it may where it carries an Idempotency-Key."""
    hedges: bool = False
    """Whether a second attempt may be made beside the first: only of what only asks."""

    @property
    def is_none(self) -> bool:
        """Whether nothing is ever sent again."""
        return self.profile.attempts < 2

    @property
    def how(self) -> int:
        """How to send (`SendHow`) a first attempt: keep a copy, and hold an answer that may not be the last."""
        if self.is_none:
            return 0
        may_repeat = self.repeats or self.repeats_with_key
        return _KEEP | (_HOLD if may_repeat and self.profile.statuses else 0)

    @property
    def attempt_ms(self) -> int:
        """The time of one attempt; 0: no limit of its own, since it could not be followed by another."""
        return self.profile.attempt_ms if self.repeats and not self.is_none else 0


NO_PLAN: Final = Plan(NONE)


def plan_of(method: int, *, is_idempotent: bool, name: str = "", profiles: Mapping[str, Profile] = BUILT_IN) -> Plan:
    """Return the plan of a route.

    is_idempotent: whether every instance declares it of the endpoint; name: of the profile that the rules name, if
    they do; profiles: all that there are. A name that is not there is `none`: nobody knows what was meant by it.
    """
    is_safe = method in SAFE_METHODS
    profile = profiles.get(name, NONE) if name else (READ if is_safe else MUTATION)
    repeats = {
        Repeats.SAFE: is_safe,
        Repeats.DECLARED: is_safe or is_idempotent,
        Repeats.KEYED: False,
    }[profile.repeats]
    hedges = is_safe and repeats and profile.attempts > 1 and profile.hedge > 0
    return Plan(profile, repeats, is_idempotent and not repeats, hedges)
