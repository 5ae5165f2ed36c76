"""Who offers which route, kept up to date by the registry; read as one immutable value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.offer import Offer
from proxy.targets.health import Health
from proxy.targets.instance import Change, Instance, RegisteredRoute, RouteKey


@dataclass(slots=True)
class _Entry:
    """A route's offers by connection, those of instances that are not well among them."""

    path: str
    offers: dict[int, Offer] = field(default_factory=dict)


class Routes:
    """The offers of all instances, by route. ``current`` is swapped whole by ``refresh``, and never changed."""

    def __init__(self) -> None:
        """Begin with no route."""
        self._entries: dict[RouteKey, _Entry] = {}
        self.current: Mapping[RouteKey, RegisteredRoute] = MappingProxyType({})

    def __len__(self) -> int:
        """How many routes are registered, counted before ``refresh`` too."""
        return len(self._entries)

    def __contains__(self, key: RouteKey) -> bool:
        """Whether the route is registered, before ``refresh`` too."""
        return key in self._entries

    def enter(self, instance: Instance) -> set[RouteKey]:
        """Add all that the instance offers. Returns the keys to be refreshed."""
        for key, endpoint in instance.endpoints.items():
            entry = self._entries.setdefault(key, _Entry(endpoint.path))
            entry.offers[instance.connection] = instance.offer(endpoint)
        return set(instance.endpoints)

    def leave(self, instance: Instance) -> set[RouteKey]:
        """Take back all that the instance offers, if it was entered. Returns the keys to be refreshed."""
        keys = set()
        for key in instance.endpoints:
            entry = self._entries.get(key)
            if entry is None or entry.offers.pop(instance.connection, None) is None:
                continue
            keys.add(key)
            if not entry.offers:
                del self._entries[key]
        return keys

    def contested(self, instance: Instance) -> tuple[RouteKey, ...]:
        """Return the keys of what the instance offers and another service offers too."""
        return tuple(
            key
            for key in instance.endpoints
            if any(offer.instance.service != instance.service for offer in self._entries[key].offers.values())
        )

    def refresh(self, keys: Iterable[RouteKey]) -> Change:
        """Make the routes of these keys again and return the difference; ``current`` is swapped when there is one."""
        routes = dict(self.current)
        added, removed, changed = [], [], []
        for key in keys:
            before, after = routes.get(key), self._route(key)
            if after is None:
                if routes.pop(key, None):
                    removed.append(key)
            elif before is None:
                added.append(key)
                routes[key] = after
            elif not _same(before, after):
                changed.append(key)
                routes[key] = after
        change = Change(added=tuple(added), removed=tuple(removed), changed=tuple(changed))
        if change.is_routes:
            self.current = MappingProxyType(routes)
        return change

    def _route(self, key: RouteKey) -> RegisteredRoute | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        return RegisteredRoute(key[0], entry.path, _eligible(entry.offers.values()), len(entry.offers))


def _eligible(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return the offers of the healthy instances, or of the degraded ones when no healthy one is there."""
    by_health: dict[Health, list[Offer]] = {Health.HEALTHY: [], Health.DEGRADED: []}
    for offer in offers:
        by_health.get(offer.instance.health, []).append(offer)
    return tuple(by_health[Health.HEALTHY] or by_health[Health.DEGRADED])


def _same(before: RegisteredRoute, after: RegisteredRoute) -> bool:
    return (before.path, before.offers, before.registered) == (after.path, after.offers, after.registered)
