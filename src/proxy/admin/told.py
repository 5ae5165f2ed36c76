"""Who is told by name. Those beyond the bounds are told together, as `other`.

Whoever came first keeps its name: series that change what they are about would be worse than none. Only what is gone
makes room for newcomers; and what was told with the others stays with them, lest their sum fall.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from proxy.admin.figure_rules import BY_KEY
from proxy.admin.figures import Figures
from proxy.admin.merging import put_together
from proxy.admin.metric_names import SERVICES_MAX
from proxy.admin.traffic_figures import InstanceFigures, RouteFigures

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

    def bounded(self, figures: Figures) -> Figures:
        """Return figures in which no more are told by name than may be."""
        return replace(
            figures,
            routes=self._bounded_routes(figures.routes, figures.bounds.routes),
            instances=self._bounded_instances(figures.instances, figures.bounds.instances),
        )

    def services(self, names: Iterable[str]) -> dict[str, str]:
        """Return what each service is called where only services are told."""
        names = dict.fromkeys(names)
        named = self._services.choose(names, SERVICES_MAX)
        return {name: name if name in named else OTHER for name in names}

    def _bounded_routes(self, routes: Sequence[RouteFigures], most: int) -> Sequence[RouteFigures]:
        named = self._routes.choose((route.key for route in routes), most)
        if all(route.key in named for route in routes):
            return routes
        others = (replace(route, path=OTHER, service=OTHER, shares={}) for route in routes if route.key not in named)
        return [*(route for route in routes if route.key in named), *put_together(others, BY_KEY)]

    def _bounded_instances(self, instances: Sequence[InstanceFigures], most: int) -> Sequence[InstanceFigures]:
        named = self._instances.choose((instance.key for instance in instances), most)
        if all(instance.key in named for instance in instances):
            return instances
        others = (
            replace(instance, service=OTHER, instance=OTHER) for instance in instances if instance.key not in named
        )
        return [*(one for one in instances if one.key in named), *put_together(others, BY_KEY)]
