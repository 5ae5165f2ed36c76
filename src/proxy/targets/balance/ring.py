"""A ring for consistent hashing: which of several names a key belongs to.

Each name has many points on a ring of 2^32, and a key belongs to the name whose point comes next (D. Karger et al.,
"Consistent Hashing and Random Trees", 1997). So when a name comes, it takes keys from all others and no key moves
between those; when one goes, its keys alone move. Points follow from names alone: every gateway has the same ring.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zlib import crc32

POINTS: Final = 100
"""Of a name of weight 1: shares differ by some 10 % then, which the bound on loads evens out where it matters."""

_POINT_BYTES: Final = 4
_POINTS_OF_DIGEST: Final = 64 // _POINT_BYTES
RINGS_MAX: Final = 64
"""Remembered: all routes of a service have the same one."""


class Ring:
    """Points in order, and the name that each belongs to, as its place among the names."""

    __slots__ = ("count", "owners", "points")

    def __init__(self, names: Sequence[str], weights: Sequence[float]) -> None:
        """weights: how many times `POINTS` a name has."""
        placed = sorted((point, at) for at, name in enumerate(names) for point in _points(name, _count_of(weights[at])))
        self.count = len(names)
        self.points = [point for point, _ in placed]  # a list, since it is searched
        self.owners = array("H", (at for _, at in placed))

    def preferred(self, key: bytes) -> int:
        """Return the name that a key belongs to, as its place among the names."""
        at = bisect_right(self.points, hash_of(key))
        return self.owners[at if at < len(self.owners) else 0]

    def preference(self, key: bytes) -> Iterator[int]:
        """Yield all names in the order in which a key would go to them, each once."""
        owners = self.owners
        start = bisect_right(self.points, hash_of(key))
        seen: set[int] = set()
        for at in range(start - len(owners), start):  # once round, beginning at start
            owner = owners[at]
            if owner not in seen:
                seen.add(owner)
                yield owner
                if len(seen) == self.count:
                    return


@lru_cache(RINGS_MAX)
def ring_of(names: tuple[str, ...], weights: tuple[float, ...]) -> Ring:
    """Return the ring for these names, which is made once for all who ask."""
    return Ring(names, weights)


def hash_of(key: bytes) -> int:
    """Return where a key lies on the ring: CRC-32, finished as MurmurHash3 finishes, as for splits (`route.split`).

    Its start is another one, so that who is in one part of a split is not always on the same instances.
    """
    mixed = crc32(key, 0x9E3779B9)
    mixed = ((mixed ^ mixed >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return mixed ^ mixed >> 16


def _count_of(weight: float) -> int:
    return max(1, round(POINTS * weight))


def _points(name: str, count: int) -> Iterator[int]:
    """Yield the points of a name; those of a smaller count are the first of a larger one."""
    for start in range(0, count, _POINTS_OF_DIGEST):
        digest = blake2b(f"{name}/{start}".encode()).digest()
        for at in range(0, min(count - start, _POINTS_OF_DIGEST) * _POINT_BYTES, _POINT_BYTES):
            yield int.from_bytes(digest[at : at + _POINT_BYTES], "big")
