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
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from proxy.exchange import VERSION_NAMED, Exchange
from proxy.route.split_key import ReadKey, key_reader
from proxy.route_policy import Case, Mirror, Split
from proxy.stage import Stage, for_routes

if TYPE_CHECKING:
    from proxy.offer import Offer
    from proxy.route.choice import Candidates
    from proxy.route.table import Route

BUCKETS: Final = 10_000
"""A weight is held to within 0.01 percent."""

Resolve = Callable[[str], "Candidates | None"]
"""The candidates for a version or a range."""


def bucket_of(value: bytes, seed: int = 0) -> int:
    """Return the bucket that a key falls into, 0 to 9,999. seed: buckets of different seeds are independent."""
    mixed = crc32(value, seed)
    mixed = ((mixed ^ mixed >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return ((mixed ^ mixed >> 16) * BUCKETS) >> 32


class CompiledCase(msgspec.Struct, frozen=True, eq=False):
    """A case, made to be asked quickly."""

    candidates: "Candidates"
    headers: tuple[tuple[bytes, bytes], ...]
    tenants: frozenset[bytes]
    below: int
    """The buckets that it takes, from 0; all 10,000 where it says no percent."""
    seed: int


class Splitting(msgspec.Struct, frozen=True, eq=False):
    """A split, with the candidates of each part."""

    read_key: ReadKey
    bounds: tuple[int, ...]
    """Where each part ends, in buckets; the last one ends at 10,000. Empty: no weights, so that the default stays."""
    offers: "tuple[tuple[Offer, ...], ...]"
    """Of each part."""
    cases: tuple[CompiledCase, ...] = ()


class Mirroring(msgspec.Struct, frozen=True, eq=False):
    """Where copies go. share: of the requests, 0 to 1; in_flight_max: copies at once."""

    candidates: "Candidates"
    share: float
    in_flight_max: int


def make_split(rand: Callable[[], float] = random.random) -> Stage:
    """Return the stage. rand: of 0 up to 1, for requests without a key."""

    @for_routes(_has_split)
    def split(exchange: Exchange) -> None:
        splitting: Splitting | None = exchange.route.choice.split
        if splitting is None or exchange.flags & VERSION_NAMED:
            return
        value = splitting.read_key(exchange)
        if splitting.cases:
            case = _find_case(exchange, splitting.cases, value, rand)
            if case is not None:
                exchange.offers = case.candidates.offers
                return
        if splitting.bounds:
            bucket = bucket_of(value) if value else int(rand() * BUCKETS)
            exchange.offers = splitting.offers[bisect_right(splitting.bounds, bucket)]

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
        return candidates if candidates.offers and candidates.offers is not exchange.offers else None

    return mirrored


def _has_split(route: "Route") -> bool:
    return route.policy.split is not None


def _find_case(
    exchange: Exchange, cases: tuple[CompiledCase, ...], value: bytes | None, rand: Callable[[], float]
) -> CompiledCase | None:
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


# ---- when a snapshot is made ----


def compile_split(split: Split, resolve: Resolve) -> Splitting | None:
    """Return the split, made to be asked quickly; None where it says nothing."""
    if not split.weights and not split.cases:
        return None
    parts = _parts([(weight, resolve(version)) for version, weight in split.weights])
    cases = (_compile_case(case, resolve(case.version), seed) for seed, case in enumerate(split.cases, 1))
    return Splitting(
        read_key=key_reader(split.key),
        bounds=tuple(end for end, _ in parts),
        offers=tuple(offers for _, offers in parts),
        cases=tuple(case for case in cases if case is not None),
    )


def compile_mirror(mirror: Mirror, resolve: Resolve) -> Mirroring | None:
    """Return where copies go; None where there is no such version, or nothing is copied."""
    candidates = resolve(mirror.version)
    if candidates is None or not mirror.percent:
        return None
    return Mirroring(candidates, mirror.percent / 100, mirror.in_flight_max)


def _compile_case(case: Case, candidates: "Candidates | None", seed: int) -> CompiledCase | None:
    if candidates is None or not candidates.offers:
        return None
    return CompiledCase(
        candidates,
        tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in case.headers.items()),
        frozenset(tenant.encode() for tenant in case.tenants),
        BUCKETS if case.percent is None else round(case.percent * BUCKETS / 100),
        seed,
    )


def _parts(weights: "list[tuple[float, Candidates | None]]") -> "list[tuple[int, tuple[Offer, ...]]]":
    """Return the end of each part in buckets, and its offers. One without offers is divided among the others."""
    if not any(weight for weight, _ in weights):
        return []
    present = [(weight, found.offers) for weight, found in weights if weight and found is not None and found.offers]
    parts: list[tuple[int, tuple[Offer, ...]]] = []
    start = 0
    for end, (_, found) in zip(_ends([weight for weight, _ in weights], BUCKETS), weights, strict=True):
        if found is not None and found.offers:
            parts.append((end, found.offers))
        elif end > start:
            ends = _ends([weight for weight, _ in present], end - start)
            inner = [(start + part, offers) for part, (_, offers) in zip(ends, present, strict=True)]
            parts += inner or [(end, ())]
        start = end
    return parts


def _ends(weights: Iterable[float], width: int) -> list[int]:
    """Return where each part of a width ends, in the proportion of the weights."""
    weights = list(weights)
    total, so_far = sum(weights), 0.0
    ends: list[int] = []
    for weight in weights:
        so_far += weight
        ends.append(round(so_far * width / total))
    return ends
