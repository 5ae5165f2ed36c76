"""Who offers which route, kept up to date by the registry; read as one immutable value."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import astuple, replace

from frames.frame import Method
from proxy.breaker_state import BreakerState
from proxy.request.offer import Offer
from proxy.targets.health import CHOOSABLE, Health
from proxy.targets.instance import Change, Instance, RegisteredRoute, RouteKey


class _Entry(msgspec.Struct):
    """A route's offers by connection, those of instances that are not well among them."""

    path: str
    offers: dict[int, Offer] = msgspec.field(default_factory=dict)


class Routes:
    """The offers of all instances, by route. ``current`` is swapped whole by ``refresh``, and never changed."""

    def __init__(self) -> None:
        """Begin with no route."""
        self._entries: dict[RouteKey, _Entry] = {}
        self._owners: dict[tuple[Method, str], tuple[str, ...]] = {}
        self.current: Mapping[RouteKey, RegisteredRoute] = MappingProxyType({})

    def __len__(self) -> int:
        """How many routes are registered, counted before ``refresh`` too."""
        return len(self._entries)

    def __contains__(self, key: RouteKey) -> bool:
        """Whether the route is registered, before ``refresh`` too."""
        return key in self._entries

    def owners(self, method: Method, shape: str) -> tuple[str, ...]:
        """Return the services that have this method and shape: one, or several that are told apart by hosts."""
        return self._owners.get((method, shape), ())

    def path(self, key: RouteKey) -> str:
        """Return the template of a registered route, as its first instance wrote it."""
        return self._entries[key].path

    def enter(self, instance: Instance, before: Iterable[RouteKey] = ()) -> set[RouteKey]:
        """Let the instance offer what it says now. before: what it offered. Returns the keys to be refreshed."""
        left = self._take_back(instance.connection, [key for key in before if key not in instance.endpoints])
        for key, endpoint in instance.endpoints.items():
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(endpoint.path)
                self._owners[key[:2]] = (*self.owners(key[0], key[1]), key[2])
            elif list(entry.offers) == [instance.connection]:
                entry.path = endpoint.path
            entry.offers[instance.connection] = _kept(entry.offers.get(instance.connection), instance.offer(endpoint))
        return left.union(instance.endpoints)

    def leave(self, instance: Instance) -> set[RouteKey]:
        """Take back all that the instance offers, if it was entered. Returns the keys to be refreshed."""
        return self._take_back(instance.connection, instance.endpoints)

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

    def _take_back(self, connection: int, keys: Iterable[RouteKey]) -> set[RouteKey]:
        touched = set()
        for key in keys:
            entry = self._entries.get(key)
            if entry is None or entry.offers.pop(connection, None) is None:
                continue
            touched.add(key)
            if not entry.offers:
                self._remove(key)
        return touched

    def _remove(self, key: RouteKey) -> None:
        """Remove a route that nobody offers any more, and with it the service's right to it."""
        del self._entries[key]
        owners = tuple(service for service in self._owners[key[:2]] if service != key[2])
        if owners:
            self._owners[key[:2]] = owners
        else:
            del self._owners[key[:2]]

    def _route(self, key: RouteKey) -> RegisteredRoute | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        choosable = _choosable(entry.offers)
        everyone = tuple(entry.offers.values())
        return RegisteredRoute(key[0], entry.path, choosable, len(everyone), key[2], everyone)


def _kept(before: Offer | None, now: Offer) -> Offer:
    """Return the offer of before where it says the same, so that its route stays the same."""
    return before if before is not None and astuple(before) == astuple(now) else now


def _choosable(offers: dict[int, Offer]) -> tuple[Offer, ...]:
    """Return the offers of the healthy and degraded instances; one that says another state than is so is made anew."""
    for connection, offer in offers.items():
        instance = offer.instance
        is_degraded, breakers = instance.health is Health.DEGRADED, instance.breakers_of(offer.gauge)
        if breakers or offer.breakers:
            state = max((breaker.state for breaker in breakers), default=BreakerState.CLOSED)
            if state is not offer.breaker or breakers != offer.breakers:
                offer = offers[connection] = replace(offer, breaker=state, breakers=breakers)
        if offer.is_degraded is not is_degraded:
            offers[connection] = replace(offer, is_degraded=is_degraded)
    return tuple(offer for offer in offers.values() if offer.instance.health in CHOOSABLE)


def _same(before: RegisteredRoute, after: RegisteredRoute) -> bool:
    return (before.path, before.offers, before.everyone) == (after.path, after.offers, after.everyone)
