"""The parts of a split: its buckets and cases with their candidates, compiled once for a route in a snapshot.

It is loaded where a rule has a split or a mirror.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.request.request_key import ReadKey, key_reader
from proxy.request.route_policy import Case, KeyKind, Mirror, Split
from proxy.route.split import BUCKETS

if TYPE_CHECKING:
    from proxy.request.offer import Offer
    from proxy.route.choice import Candidates

Resolve = Callable[[str], "Candidates | None"]
"""The candidates for a version or a range."""


class CompiledCase(msgspec.Struct, frozen=True, eq=False):
    """A case, made to be asked quickly."""

    candidates: "Candidates"
    headers: tuple[tuple[bytes, bytes], ...]
    tenants: frozenset[bytes]
    below: int
    """The buckets that it takes, from 0; all 10,000 where it says no percent."""
    seed: int


_OF_CALLER: Final = frozenset((KeyKind.TENANT, KeyKind.PRINCIPAL))


class Splitting(msgspec.Struct, frozen=True, eq=False):
    """A split, with the candidates of each part."""

    read_key: ReadKey
    bounds: tuple[int, ...]
    """Where each part ends, in buckets; the last one ends at 10,000. Empty: no weights, so that the default stays."""
    offers: "tuple[tuple[Offer, ...], ...]"
    """Of each part."""
    cases: tuple[CompiledCase, ...] = ()
    is_by_caller: bool = False
    """Whether who asks is all that it depends on, so that it need be found out once for each caller."""


class Mirroring(msgspec.Struct, frozen=True, eq=False):
    """Where copies go. share: of the requests, 0 to 1; in_flight_max: copies at once."""

    candidates: "Candidates"
    share: float
    in_flight_max: int


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
        is_by_caller=split.key.kind in _OF_CALLER and not any(case.headers for case in split.cases),
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
