"""Split: which part of a route's requests gets which version (stage); and of which requests a copy is made.

Every key falls into one of 10,000 buckets, and every version has the buckets of its weight, in the order in which the
configuration has them. So a change from 95/5 to 90/10 moves the keys of five hundred buckets and no others. A request
without a key falls into a bucket at random.

The bucket is made of CRC-32, finished as MurmurHash3 finishes: CRC-32 alone is linear, so that keys that differ in a
few characters would lie in patterns; the two multiplications spread them evenly. It is much faster than BLAKE2, and
needs no secret: whoever may pick the key may as well pick the version. It is the same in every process, every gateway
and every route: a tenant that has the new version here has it there.

Cases come before weights; each has buckets of its own, so that ten percent of those whom the first case has left are
still ten percent for the second. A request that names its version is not split.

    a version with a weight and no instance   its buckets go to the others, in the proportion of their weights; nobody
                                              else's bucket moves
    all versions with a weight have none      503: a version without weight gets nothing, whatever happens
    a case whose version has no instance      the next cases and the weights decide, as if it were not there
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from zlib import crc32

from proxy.request.caller import remember
from proxy.request.exchange import VERSION_NAMED, Exchange
from proxy.request.stage import Stage, for_routes

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.choice import Candidates
    from proxy.route.split_parts import CompiledCase, Mirroring, Splitting
    from proxy.route.table import Route

BUCKETS: Final = 10_000
"""A weight is held to within 0.01 percent."""


def bucket_of(value: bytes, seed: int = 0) -> int:
    """Return the bucket that a key falls into, 0 to 9,999. seed: buckets of different seeds are independent."""
    mixed = crc32(value, seed)
    mixed = ((mixed ^ mixed >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return ((mixed ^ mixed >> 16) * BUCKETS) >> 32


def make_split(rand: Callable[[], float] = random.random) -> Stage:
    """Return the stage. rand: of 0 up to 1, for requests without a key."""

    @for_routes(_has_split)
    def split(exchange: Exchange) -> None:
        splitting: Splitting | None = exchange.route.choice.split
        if splitting is None or exchange.flags & VERSION_NAMED:
            return
        caller = exchange.caller
        if splitting.is_by_caller and caller is not None:
            offers = caller.memo.get(splitting)
            if offers is None:
                offers = choose(exchange, splitting)
                if splitting.read_key(exchange):  # without a key, chance decides each time anew
                    remember(caller, splitting, offers)
            exchange.offers = offers
            return
        exchange.offers = choose(exchange, splitting)

    def choose(exchange: Exchange, splitting: "Splitting") -> "tuple[Offer, ...]":
        value = splitting.read_key(exchange)
        if splitting.cases:
            case = find_case(exchange, splitting.cases, value, rand)
            if case is not None:
                return case.candidates.offers
        if not splitting.bounds:
            return exchange.offers
        bucket = bucket_of(value) if value else int(rand() * BUCKETS)
        return splitting.offers[bisect_right(splitting.bounds, bucket)]

    return split


def make_mirrored(rand: Callable[[], float] = random.random) -> "Callable[[Exchange], Candidates | None]":
    """Return the function that says where a copy of a request is to go, if anywhere.

    None, too, where the request itself goes to that version, or no instance of it may be chosen.
    """

    def mirrored(exchange: Exchange) -> "Candidates | None":
        mirroring: Mirroring | None = exchange.route.choice.mirror
        if mirroring is None or rand() >= mirroring.share:
            return None
        candidates = mirroring.candidates
        goes_there = bool(exchange.offers) and exchange.offers[0] in candidates.everywhere  # all are of one version
        return candidates if candidates.offers and not goes_there else None

    return mirrored


def _has_split(route: "Route") -> bool:
    return route.policy.split is not None


def find_case(
    exchange: Exchange, cases: "tuple[CompiledCase, ...]", value: bytes | None, rand: Callable[[], float]
) -> "CompiledCase | None":
    """Return the first case all of which holds."""
    caller, fields = exchange.caller, exchange.fields
    for case in cases:
        if case.tenants and (caller is None or caller.tenant not in case.tenants):
            continue
        if any(fields.named_field(exchange.id, name) != wanted for name, wanted in case.headers):
            continue
        if case.below < BUCKETS:
            bucket = bucket_of(value, case.seed) if value else int(rand() * BUCKETS)
            if bucket >= case.below:
                continue
        return case
    return None
