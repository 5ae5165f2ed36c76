"""Settings of a rule's ``cache`` and ``idempotency``: whose answers are kept, and for how long."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from penstock.settings import Setting
from penstock.settings.errors import BadValueError
from penstock.settings.tables import NOWHERE, Places
from penstock.settings.types import Duration, Flag
from penstock.settings.words import Word
from proxy.request.route_policy import CacheRule, CacheScope, IdempotencyRule

_MS = Duration("ms")


class CacheTable(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache may do with answers to GET."""

    ttl_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "1s",
            "how long an answer is fresh that does not say so itself; 0s: it must say so",
            "nobody sees anything that is older, and a thousand requests become one",
            at_most="24h",
        ),
    ]
    ttl_max_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "1m",
            "how long an answer is fresh at most, whatever it says; 0s: nothing is kept",
            "nobody can take an answer back that is kept here",
            at_most="24h",
        ),
    ]
    stale_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "0s",
            "how long an answer that is not fresh any more is still given, while another is fetched",
            "only the operator knows where old is better than late",
            at_most="24h",
        ),
    ]
    shared_by: Annotated[
        CacheScope,
        Setting(
            Word(CacheScope),
            "tenant",
            "among whom answers are shared: all of a tenant, or nobody but the principal who has asked",
            "most answers are for all of a tenant; what goes to who is known is not kept unless it is marked public",
        ),
    ]
    where: Places = NOWHERE


class IdempotencyTable(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of requests with an Idempotency-Key."""

    ttl_ms: Annotated[
        int,
        Setting(
            Duration("ms"),
            "24h",
            "how long the first answer is kept, and given again; 0s: no answer is kept",
            "who has no answer after a day asks a person",
            at_most="720h",
        ),
    ]
    is_required: Annotated[
        bool,
        Setting(
            Flag(), "false", "whether a request must have a key", "clients that know of none go on", name="required"
        ),
    ]
    where: Places = NOWHERE


def check_cache(table: CacheTable) -> Iterator[BadValueError]:
    """Yield what is wrong with a table whose keys are right one by one. With a ``ttl_max`` of 0 nothing is kept."""
    if 0 < table.ttl_max_ms < table.ttl_ms:
        why = f"{_MS.render(table.ttl_ms)} is more than ttl_max, {_MS.render(table.ttl_max_ms)}"
        yield BadValueError(why, "lower it, or raise ttl_max", path=("ttl",))


def make_cache_rule(table: CacheTable) -> CacheRule:
    """Return the rule of a table that was read."""
    return CacheRule(
        ttl_ms=table.ttl_ms, ttl_max_ms=table.ttl_max_ms, stale_ms=table.stale_ms, shared_by=table.shared_by
    )


def make_idempotency_rule(table: IdempotencyTable) -> IdempotencyRule:
    """Return the rule of a table that was read."""
    return IdempotencyRule(ttl_ms=table.ttl_ms, is_required=table.is_required)
