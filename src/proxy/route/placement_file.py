"""Placement maps in files, one for each kind. YAML, or JSON where there are very many tenants.

kind: aggregate_placement
revision: 7
shards:
  one: [billing-a, billing-b]
  two: [billing-c]
tenants:
  acme: one
  umbrella: two
default: one
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from penstock.settings.errors import Problem, SettingsError, did_you_mean
from proxy.route.placement import PlacementMap

if TYPE_CHECKING:
    from proxy.config.rule import Rule


def read_maps(paths: Sequence[Path]) -> tuple[PlacementMap, ...]:
    """Return the maps of some files, or raise `SettingsError`. What reads them is loaded where there are files."""
    if not paths:
        return ()
    from proxy.route.placement_reader import read_placement

    return read_placement(paths)


class FilePlacement:
    """The maps of some files; a `PlacementSource`. What is wrong with any of them leaves all as they are."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        """Begin without maps; `load` reads them."""
        self.paths = tuple(paths)
        self._maps: dict[str, PlacementMap] = {}
        self._subscribers: list[Callable[[PlacementMap], None]] = []

    @property
    def maps(self) -> Mapping[str, PlacementMap]:
        """The maps that hold now, by kind."""
        return self._maps

    def subscribe(self, changed: Callable[[PlacementMap], None]) -> None:
        """Have this called with each map that comes to hold, after it does."""
        self._subscribers.append(changed)

    def load(self) -> None:
        """Read the files and swap the maps. Raises `SettingsError`."""
        self.swap(read_maps(self.paths))

    async def reload(self) -> None:
        """Do the same beside the traffic: the files are read in a thread. Raises `SettingsError`."""
        self.swap(await trio.to_thread.run_sync(read_maps, self.paths))

    def check(self, maps: Iterable[PlacementMap]) -> list[Problem]:
        """Return why these maps may not replace those that hold: a revision must rise with every change."""
        return [problem for placement in maps for problem in self._check_revision(placement)]

    def swap(self, maps: Sequence[PlacementMap]) -> None:
        """Let these maps hold, and no others. Raises `SettingsError`."""
        problems = self.check(maps)
        if problems:
            raise SettingsError(problems)
        before = self._maps
        self._maps = {new.kind: self._kept(new) for new in maps}
        for placement in self._maps.values():
            if before.get(placement.kind) is not placement:
                for changed in self._subscribers:
                    changed(placement)

    def _kept(self, new: PlacementMap) -> PlacementMap:
        """Return the old map where the new one is the same, so that what is remembered by it stays."""
        old = self._maps.get(new.kind)
        return old if old is not None and old.revision == new.revision else new

    def _check_revision(self, new: PlacementMap) -> Iterator[Problem]:
        old = self._maps.get(new.kind)
        if old is None or new.revision > old.revision:
            return
        if new.revision < old.revision:
            why = f"revision {new.revision} is below {old.revision}, which is in use"
        elif not old.is_like(new):
            why = f"revision {new.revision} is in use with other content"
        else:
            return
        yield Problem("placement_revision", new.kind, new.origin, why, f"write revision: {old.revision + 1}, or more")


def unknown_kinds(rules: "Iterable[Rule]", maps: Iterable[PlacementMap]) -> list[Problem]:
    """Return the rules that name a kind of map that is not there."""
    kinds = [placement.kind for placement in maps]
    return [
        Problem(
            "unknown_placement",
            "placement",
            rule.origin,
            f"there is no map of the kind {rule.placement!r}",
            did_you_mean(rule.placement, kinds, otherwise="name the map's file in placement.maps, or leave this out"),
        )
        for rule in rules
        if rule.placement and rule.placement not in kinds
    ]
