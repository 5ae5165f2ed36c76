"""What is live, for operators: the rows of /services and /routes, a page at a time.

Ten thousand routes are put in order in a thread, once for each snapshot; the rows of a page are made in small steps,
so that nobody who asks a service waits for somebody who looks at a list.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from frames.frame import HealthStatus, Method
from frames.template import template_shape
from frames.wire import Wire
from frames.wire_values import slot_of
from proxy.admin.state import Rows, Selection
from proxy.beside_traffic import beside_traffic
from proxy.gateway.assembly import SLICE_S
from proxy.overview.breaker_words import breakers_row
from proxy.request.offer import Offer
from proxy.request.policy_words import concurrency_row, fanout_text, policy_row
from proxy.request.snapshot import Snapshot
from proxy.route.table import Route
from proxy.targets.health import CHOOSABLE, Health
from proxy.targets.instance import Instance

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

T = TypeVar("T")
Keyed = tuple[str, T]
"""A thing, and the text by which it stands in its list."""

_RUN: Final = 256
"""As many are put in order at once: a thread that sorts more of them would let nobody else run for milliseconds."""


class Lists:
    """The lists of one gateway."""

    def __init__(self, gateway: "Gateway") -> None:
        """Look at this gateway."""
        self._gateway = gateway
        self._sorted: tuple[Snapshot | None, list[Keyed[Route]]] = (None, [])

    async def sorted_routes(self) -> list[Route]:
        """Return the routes in the order in which people look for them."""
        return [route for _, route in await self._keyed_routes()]

    async def routes(self, selection: Selection) -> Rows:
        """Return routes, and who offers them."""
        keyed = await self._keyed_routes()
        chosen, following = await _page(keyed, selection, lambda route: _is_route_wanted(route, selection))
        return Rows(await in_slices(self.route_row, chosen), following)

    async def services(self, selection: Selection) -> Rows:
        """Return the instances."""
        keyed = sorted(((each.name, each) for each in self._gateway.registry.instances), key=_key)
        chosen, following = await _page(keyed, selection, lambda each: _is_instance_wanted(each, selection))
        return Rows(await in_slices(self.instance_row, chosen), following)

    async def _keyed_routes(self) -> list[Keyed[Route]]:
        snapshot, keyed = self._sorted
        current = self._gateway.lane.snapshot
        if snapshot is not current:
            keyed = await trio.to_thread.run_sync(_sort_beside_traffic, current)
            self._sorted = (current, keyed)
        return keyed

    def instance_row(self, instance: Instance) -> dict[str, Any]:
        """Return an instance, as operators look at it."""
        wire, slot, ring = self._gateway.wire, instance.slot, instance.ring
        now = trio.current_time()
        return {
            "service": instance.service,
            "version": instance.version,
            "instance": instance.instance,
            "region": instance.region,
            "peer": wire.peer(instance.connection) if ring is None else str(ring.target.key),
            "by": "dialled in" if ring is None else "dialled",
            "connections": len(instance.connections),
            "health": instance.health.value,
            "why": why(instance, now),
            **breakers_row(instance, now),
            "in_flight": in_flight_of(wire, instance),
            "latency_us": round(wire.latency_us[slot]),
            "load_percent": None if instance.reported_load is None else instance.reported_load / 100,
            "unsent_bytes": wire.unsent[slot],
            "endpoints": len(instance.endpoints),
            "connected_s": round(max(0.0, now - instance.connected_at), 1),
        }

    def route_row(self, route: Route) -> dict[str, Any]:
        """Return a route, as operators look at it."""
        gateway = self._gateway
        key = (Method(route.method), template_shape(route.template), route.service)
        registered = gateway.registry.routes.get(key)
        statuses = gateway.wire.route_statuses(route.index)
        return {
            "method": Method(route.method).name,
            "path": route.template,
            "service": route.service,
            "hosts": list(gateway.configured.terms.hosts.patterns_of(route.service)),
            "deadline_ms": route.deadline_ms,
            "streams": route.streams,
            "fanout": fanout_text(route.fanout) if route.fanout else "",
            "versions": _versions(route, registered.everyone if registered else route.offers),
            "policy": policy_row(route.policy),
            "concurrency": concurrency_row(gateway.admitting.standing_of(route)),
            "origins": dict(route.policy.origins),
            "responses": {f"{number}xx": statuses[number] for number in range(2, 6)},
        }


async def in_slices(
    make: Callable[[T], Any],
    of: Iterable[T],
    slice_s: float = SLICE_S,
    give_way: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
) -> list[Any]:
    """Return what is made of each thing; the traffic goes on in between."""
    made: list[Any] = []
    yields_at = trio.current_time() + slice_s
    for each in of:
        made.append(make(each))
        if trio.current_time() > yields_at:
            await give_way()
            yields_at = trio.current_time() + slice_s
    return made


async def _page(
    keyed: list[Keyed[T]], selection: Selection, is_wanted: Callable[[T], bool]
) -> tuple[list[T], str | None]:
    """Return the things of a page, and what is to be asked for the next one."""
    chosen: list[T] = []
    last = ""
    yields_at = trio.current_time() + SLICE_S
    for key, each in keyed[bisect_right(keyed, selection.after, key=_key) :]:
        if is_wanted(each):
            if len(chosen) == selection.limit:
                return chosen, last
            chosen.append(each)
            last = key
        if trio.current_time() > yields_at:
            await trio.lowlevel.checkpoint()
            yields_at = trio.current_time() + SLICE_S
    return chosen, None


def _sort_beside_traffic(snapshot: Snapshot) -> list[Keyed[Route]]:
    with beside_traffic():
        keyed = [(f"{each.template} {Method(each.method).name} {each.service}", each) for each in snapshot.routes]
        runs = [sorted(keyed[start : start + _RUN], key=_key) for start in range(0, len(keyed), _RUN)]
        return list(merge(*runs, key=_key))


def _key(keyed: Keyed[Any]) -> str:
    return keyed[0]


def _is_route_wanted(route: Route, selection: Selection) -> bool:
    return route.service == (selection.service or route.service) and route.template.startswith(selection.path)


def _is_instance_wanted(instance: Instance, selection: Selection) -> bool:
    if selection.service and instance.service != selection.service:
        return False
    return not selection.path or any(each.path.startswith(selection.path) for each in instance.endpoints.values())


def _versions(route: Route, everyone: Sequence[Offer]) -> list[dict[str, Any]]:
    """Return the instances of each version, the highest version first; those that are not well say how they are."""
    default = route.choice.default.version if route.choice else ""
    by_version: dict[str, list[str]] = {version: [] for version in (route.choice.versions if route.choice else ())}
    for offer in everyone:
        health = offer.instance.health
        text = offer.instance.instance if health is Health.HEALTHY else f"{offer.instance.instance} ({health.value})"
        by_version.setdefault(offer.version.partition("+")[0], []).append(text)
    return [
        {"version": version, "default": version == default, "instances": instances}
        for version, instances in by_version.items()
    ]


def in_flight_of(wire: Wire, instance: Instance) -> int:
    """Return how many requests an instance has not answered, over all of its connections."""
    return sum(wire.in_flight[slot_of(connection)] for connection in instance.connections)


def why(instance: Instance, now: float) -> str:
    """Return why an instance is not healthy, in words; empty where it is."""
    if instance.is_dormant:
        return "it has no connection now, and is dialled when somebody asks"
    if instance.health is Health.HEALTHY:
        return ""
    if instance.is_going:
        return "it goes: it finishes what it has, and closes"
    silent_s = now - instance.last_heard
    said = instance.reported
    if said is HealthStatus.DRAINING or (said is HealthStatus.DEGRADED and instance.health in CHOOSABLE):
        return f"it says so itself: {said.name.lower()}"
    return f"nothing was heard of it for {silent_s:.1f} s"
