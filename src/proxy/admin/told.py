"""Who is told by name. Those beyond the bounds are told together, as `other`.

Whoever came first keeps its name: series that change what they are about would be worse than none. Only what is gone
makes room for newcomers; and what was told with the others stays with them, lest their sum fall.
"""

from collections.abc import Callable, Container, Generator, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from proxy.admin.figure_rules import BY_KEY
from proxy.admin.figures import Figures
from proxy.admin.merging import merge_two, put_together
from proxy.admin.metric_names import SERVICES_MAX
from proxy.admin.traffic_figures import InstanceFigures, RouteFigures

F = TypeVar("F", RouteFigures, InstanceFigures)

OTHER: Final = "other"


def present_of(figures: Figures) -> Figures:
    """Return figures without the instances and routes that nobody has any more, and with each of them once."""
    there = (instance for instance in figures.instances if instance.workers)
    return replace(
        figures,
        routes=[route for route in figures.routes if route.workers],
        instances=put_together(there, BY_KEY),  # one that is replaced is there twice
    )


class Names:
    """Who has a name, of one kind."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._named: dict[Hashable, None] = {}
        self._others: set[Hashable] = set()
        self._most = 0

    def choose(self, present: Iterable[Hashable], most: int) -> dict[Hashable, None]:
        """Return those that have a name now. most: how many may have one at once."""
        there = dict.fromkeys(present)
        if most != self._most:
            self._most, self._others = most, set()
            for key in list(self._named)[most:]:
                del self._named[key]
        new = [key for key in there if key not in self._named and key not in self._others]
        if len(self._named) + len(new) > most:
            self._named = {key: None for key in self._named if key in there}
            self._others &= there.keys()
        room = most - len(self._named)
        self._named.update(dict.fromkeys(new[:room]))
        self._others.update(new[room:])
        return self._named


class Told:
    """Who has a name on the pages of metrics of one gateway."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._routes, self._instances, self._services = Names(), Names(), Names()

    def bounded(self, figures: Figures) -> Generator[str, None, Figures]:
        """Return figures in which no more are told by name than may be. Yields nothing, between small steps."""
        named = self._routes.choose((route.key for route in figures.routes), figures.bounds.routes)
        routes = yield from _told_together(figures.routes, named, _other_route)
        named = self._instances.choose((one.key for one in figures.instances), figures.bounds.instances)
        instances = yield from _told_together(figures.instances, named, _other_instance)
        return replace(figures, routes=routes, instances=instances)

    def services(self, names: Iterable[str]) -> dict[str, str]:
        """Return what each service is called where only services are told."""
        names = dict.fromkeys(names)
        named = self._services.choose(names, SERVICES_MAX)
        return {name: name if name in named else OTHER for name in names}


def _told_together(
    figures: Sequence[F], named: Container[Hashable], other: Callable[[F], F]
) -> Generator[str, None, list[F]]:
    """Return those with names, and behind them the others: those that are the same as others are one."""
    told: list[F] = []
    others: dict[Hashable, F] = {}
    for one in figures:
        if one.key in named:
            told.append(one)
            continue
        one = other(one)
        others[one.key] = merge_two(others[one.key], one) if one.key in others else one
        yield ""
    told.extend(others.values())
    return told


def _other_route(route: RouteFigures) -> RouteFigures:
    return replace(route, path=OTHER, service=OTHER, shares={})


def _other_instance(instance: InstanceFigures) -> InstanceFigures:
    return replace(instance, service=OTHER, instance=OTHER)
