"""Choice: the offers of a route by version, and of each version those that are nearest. Compiled once for a snapshot.

A version is what semver.org calls equal: offers that differ in build metadata alone are of one version. Who asks for
``1.4.0`` gets any build of it, who asks for ``1.4.0+7`` that build.

The default version gets the requests that name none: what the route's policy says, a version or the highest of a range;
where it says nothing, or nothing that any instance has, the highest version, of which pre-releases only where there is
nothing else. A version of which instances are registered, but none may be chosen now, has candidates without offers: to
ask for it, or to have it as default, is answered with 503 and not with another version.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.request.route_policy import RoutePolicy
from proxy.route.regions import Regions

if TYPE_CHECKING:
    from penstock.semver import Range, Version
    from proxy.request.offer import Offer
    from proxy.route.split_parts import Mirroring, Splitting

RANGES_REMEMBERED_MAX: Final = 256
"""Of one route. There are more spellings of ranges than anybody needs, and clients may send them all."""


class Candidates(msgspec.Struct, eq=False):
    """The offers of one version. Compared by identity."""

    version: str
    """Without build metadata, unless one build was asked for."""
    offers: "tuple[Offer, ...]"
    """To be chosen among: those of the nearest tier that has any, its healthy ones if there are any."""
    everywhere: "tuple[Offer, ...]"
    """Of all regions, healthy or degraded."""
    by_shard: "dict[object, tuple[Offer, ...]]" = {}
    """What `place` remembers: the offers of a shard's instances."""


class Choice:
    """What version, split and place choose from. It answers for one route in one snapshot, and does not change."""

    __slots__ = (
        "_by_offers",
        "_by_version",
        "_exact",
        "_known",
        "default",
        "is_recovering",
        "mirror",
        "regions",
        "split",
        "takes_ranges",
    )

    default: Candidates
    """For a request that names no version."""
    split: "Splitting | None"
    mirror: "Mirroring | None"
    is_recovering: bool
    """Whether some breaker of the offers is not closed."""

    def __init__(
        self, offers: "tuple[Offer, ...]", regions: Regions, policy: RoutePolicy, registered: Iterable[str] = ()
    ) -> None:
        """Compile the choice. offers: all that may be chosen; registered: versions that are there, choosable or not."""
        self.regions = regions
        self.is_recovering = any(offer.breaker for offer in offers)
        self.takes_ranges = policy.versions.takes_ranges
        self._by_version = _group(offers, regions, registered)
        self._exact: dict[bytes, Candidates] | None = None
        self._known: dict[bytes, Candidates] = {}
        self._by_offers: dict[int, Candidates] | None = None
        self.default = self._find_default(policy.versions.default)
        self.split = self.mirror = None
        if policy.split is not None or policy.mirror is not None:
            self._compile_parts(policy)

    @property
    def is_panic(self) -> bool:
        """Whether there is a version of which too few instances are left by their breakers, so that all are used."""
        return self.is_recovering and any(_is_panic(group) for group in (self.default, *self._by_version.values()))

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that there are, the highest first."""
        return tuple(
            sorted(self._by_version, key=_precedence, reverse=True) if len(self._by_version) > 1 else self._by_version
        )

    @property
    def all(self) -> tuple[Candidates, ...]:
        """The candidates of each version, without build metadata."""
        return tuple(self._by_version.values())

    @property
    def everywhere(self) -> "list[Offer]":
        """The offers of all versions and regions."""
        return [offer for candidates in self._by_version.values() for offer in candidates.everywhere]

    def find(self, asked: bytes) -> Candidates | None:
        """Return the candidates for what a request asks for: a version, or, where the route takes them, a range."""
        found = self._known.get(asked)
        return found if found is not None else self._find(asked)

    def resolve(self, text: str) -> Candidates | None:
        """Return the candidates of a version, or of the highest version in a range; None where there is none.

        Of a range, one that has an instance to be chosen comes before a higher one that has none now.
        """
        exact = self._exactly().get(text.encode("latin-1", "replace"))
        if exact is not None:
            return exact
        wanted = _maybe_range(text)
        if wanted is None:
            return None
        matching = {version: group for version, group in self._parsed() if wanted.matches(version)}
        best = max((version for version, group in matching.items() if group.offers), default=None)
        best = best or max(matching, default=None)
        return None if best is None else matching[best]

    def candidates_of(self, offers: "tuple[Offer, ...]") -> Candidates:
        """Return the candidates whose offers these are: the very tuple that a stage has set."""
        if self._by_offers is None:
            everyone = (self.default, *self._by_version.values(), *self._exactly().values())
            self._by_offers = {id(candidates.offers): candidates for candidates in everyone}
        return self._by_offers[id(getattr(offers, "of", offers))]  # a probe's are of those that it would have had

    def _compile_parts(self, policy: RoutePolicy) -> None:
        from proxy.route.split_parts import compile_mirror, compile_split

        self.split = compile_split(policy.split, self.resolve) if policy.split is not None else None
        self.mirror = compile_mirror(policy.mirror, self.resolve) if policy.mirror is not None else None

    def _find(self, asked: bytes) -> Candidates | None:
        """Find what was not asked for before, and remember it. What is not there is not remembered."""
        found = self._exactly().get(asked)
        if found is None and self.takes_ranges:
            found = self.resolve(asked.decode("latin-1"))
        if found is not None:
            if len(self._known) >= len(self._exactly()) + RANGES_REMEMBERED_MAX:
                self._known.clear()
            self._known[asked] = found
        return found

    def _find_default(self, wanted: str) -> Candidates:
        if len(self._by_version) == 1 and not wanted:
            return next(iter(self._by_version.values()))
        found = self.resolve(wanted) if wanted else None
        if found is not None:
            return found
        ranked = [
            ((bool(group.offers), not version.is_pre_release, version), group) for version, group in self._parsed()
        ]
        return max(ranked, key=lambda entry: entry[0])[1] if ranked else Candidates("", (), ())

    def _exactly(self) -> dict[bytes, Candidates]:
        """Return the candidates by version, with and without build metadata."""
        if self._exact is None:
            builds = {
                build: Candidates(build, self.regions.nearest(of_build), of_build)
                for group in self._by_version.values()
                for build, of_build in _by_build(group).items()
            }
            self._exact = {text.encode(): group for text, group in (builds | self._by_version).items()}
        return self._exact

    def _parsed(self) -> "list[tuple[Version, Candidates]]":
        return [(_precedence(text), group) for text, group in self._by_version.items()]

    def __repr__(self) -> str:
        """Return versions and default on one line."""
        return f"<Choice versions={' '.join(self.versions)} default={self.default.version}>"


def _group(offers: "tuple[Offer, ...]", regions: Regions, registered: Iterable[str]) -> dict[str, Candidates]:
    """Return candidates by version without build metadata."""
    if offers and not registered and all(offer.version == offers[0].version for offer in offers):
        version = _without_build(offers[0].version)
        return {version: Candidates(version, regions.nearest(offers), offers)}
    groups: dict[str, list[Offer]] = {_without_build(version): [] for version in registered}
    for offer in offers:
        groups.setdefault(_without_build(offer.version), []).append(offer)
    return {version: Candidates(version, regions.nearest(group), tuple(group)) for version, group in groups.items()}


def _is_panic(group: Candidates) -> bool:
    return getattr(group.offers, "is_panic", False)


def _without_build(version: str) -> str:
    return version.partition("+")[0]


def _by_build(group: Candidates) -> "dict[str, tuple[Offer, ...]]":
    """Return the offers by version with build metadata, where there is any."""
    builds: dict[str, list[Offer]] = {}
    for offer in group.everywhere:
        if "+" in offer.version:
            builds.setdefault(offer.version, []).append(offer)
    return {build: tuple(offers) for build, offers in builds.items()}


# The reader of versions is loaded where there are several, or where one is asked for that is not there.


def _maybe_range(text: str) -> "Range | None":
    """Return a range that is no version: a version that is not there is not to be found as a range of one."""
    from penstock.semver import VersionError, is_version, parse_range

    if is_version(text):
        return None
    try:
        return parse_range(text)
    except VersionError:
        return None


def _precedence(text: str) -> "Version":
    """Return the version; HELLO takes no other, so what is none comes last and harms nobody."""
    from penstock.semver import LOWEST, Version, VersionError, parse_version

    try:
        return parse_version(text)
    except VersionError:
        return Version(-1, 0, 0, LOWEST)
