"""Who is told by name. Those beyond the bounds are told together, as `other`.

Whoever came first keeps its name: series that change what they are about would be worse than none. Only what is gone
makes room for newcomers; and what was told with the others stays with them, lest their sum fall.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from proxy.admin.figures import Figures
from proxy.admin.merging import merge_two
from proxy.admin.metric_names import SERVICES_MAX
from proxy.admin.traffic_figures import InstanceFigures, RouteFigures

F = TypeVar("F", RouteFigures, InstanceFigures)
T = TypeVar("T")

OTHER: Final = "other"


Steps = Generator[str, None, T]
"""Work in small steps, between which others have their turn: it yields nothing, and returns something."""


def present_of(figures: Figures) -> Steps[Figures]:
    """Return figures without the instances and routes that nobody has any more, and with each of them once."""
    instances: dict[Hashable, InstanceFigures] = {}
    for one in figures.instances:
        if one.workers:
            key = one.key
            instances[key] = merge_two(instances[key], one) if key in instances else one  # it is being replaced
            yield ""
    routes = [route for route in figures.routes if route.workers]
    return replace(figures, routes=routes, instances=list(instances.values()))


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

    def bounded(self, figures: Figures) -> Steps[Figures]:
        """Return figures in which no more are told by name than may be."""
        bounds = figures.bounds
        routes = yield from _bounded(figures.routes, self._routes, bounds.routes, _other_route)
        instances = yield from _bounded(figures.instances, self._instances, bounds.instances, _other_instance)
        return replace(figures, routes=routes, instances=instances)

    def services(self, names: Iterable[str]) -> dict[str, str]:
        """Return what each service is called where only services are told."""
        names = dict.fromkeys(names)
        named = self._services.choose(names, SERVICES_MAX)
        return {name: name if name in named else OTHER for name in names}


def _bounded(figures: Sequence[F], names: Names, most: int, other: Callable[[F], F]) -> Steps[list[F]]:
    """Return those with names, and behind them the others: those that are the same as others are one."""
    keys: list[Hashable] = []
    for one in figures:
        keys.append(one.key)
        yield ""
    named = names.choose(keys, most)
    told: list[F] = []
    others: dict[Hashable, F] = {}
    for key, one in zip(keys, figures, strict=True):
        if key in named:
            told.append(one)
        else:
            _add(others, other(one))
        yield ""
    told.extend(others.values())
    return told


def _add(others: dict[Hashable, F], one: F) -> None:
    if one.key not in others:
        others[one.key] = one
    elif _has_anything(one):
        others[one.key] = merge_two(others[one.key], one)


def _has_anything(one: RouteFigures | InstanceFigures) -> bool:
    """Whether there is anything to be added: most of ten thousand routes are seldom asked."""
    if one.in_flight or one.latency is not None or any(one.statuses):
        return True
    return isinstance(one, RouteFigures) and (one.total is not None or bool(one.reasons))


def _other_route(route: RouteFigures) -> RouteFigures:
    return replace(route, path=OTHER, service=OTHER, shares={})


def _other_instance(instance: InstanceFigures) -> InstanceFigures:
    return replace(instance, service=OTHER, instance=OTHER)
