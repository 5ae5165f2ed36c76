"""The services that are connected: who they are, what they offer, how they are.

Rules of this file:

1. Pure: no I/O and no clock. ``now`` is seconds of one clock that only rises. Each method says by a ``Change`` what
   became different and what the caller is to do; the routes are swapped whole, so whoever holds the ones of before
   can go on using them.
2. An instance is one service and instance id; a connection carries one instance. A newer connection of the same
   instance replaces the older: that one offers nothing from then on, is to be sent GOAWAY, and stays listed until it
   is lost. Whoever goes has said its last HELLO: another one from it changes nothing. The same HELLO again changes
   nothing either. Where the gateway itself has dialled an instance several times, it has all of these connections, and
   what it said last holds for all; where it has let go of the last one since nobody asked, the instance stays, dormant.
3. What changes an instance's health goes through ``_assess``, and only there does it change.
4. An unknown connection is not an error: what it said may have been on its way when it was given up.
5. A method and path belong to one service, to the first that came, until its last instance has left. Several services
   have them only where hosts tell them apart, which ``hosts_overlap`` knows.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from frames.errors import GreetingError
from frames.events import HeartbeatReceived
from frames.frame import FaultCode, Method
from frames.greeting import EndpointOffer, Hello
from proxy.targets.declared import check_declared, check_ids, check_owners
from proxy.targets.gauges import Gauges
from proxy.targets.health import CHOOSABLE, Health, HealthThresholds, health_of
from proxy.targets.instance import (
    NO_CHANGE,
    Change,
    Instance,
    RegisteredRoute,
    RegistryStatistics,
    RouteKey,
    Transition,
    keyed,
)
from proxy.targets.routes import Routes

if TYPE_CHECKING:
    from proxy.pooled import Holder
    from proxy.targets.breakers import Move
    from proxy.targets.pool_values import Ring

ROUTES_MAX = 65_536
"""As many as the wire keeps counts for (WIRE_ROUTES_MAX in csrc/wire_values.h)."""
GONE_MAX = 1_024
"""Connections that are gone and still known by name: some minutes of restarts."""


class Registry:
    """The instances of all services, and the routes that they offer."""

    def __init__(
        self,
        thresholds: HealthThresholds | None = None,
        routes_max: int = ROUTES_MAX,
        *,
        hosts_overlap: Callable[[str, str], bool] = lambda _one, _other: True,
        required: Iterable[str] = (),
        gauges: Gauges | None = None,
    ) -> None:
        """Begin empty.

        hosts_overlap: whether a request may be meant for either of two services; required: names of services that must
        be there. Both may be set anew at any time. gauges: gives each endpoint of each instance its number.
        """
        self.thresholds = thresholds or HealthThresholds()
        self.hosts_overlap = hosts_overlap
        self.required = tuple(required)
        self.gauges = gauges or Gauges()
        self.reserved: Mapping[tuple[Method, str], str] = {}
        """Methods and paths that the configuration gives to a service, whoever is there. To be set anew at any time."""
        self.ring_of: Callable[[int, Holder, float, float], Ring | None] = _no_ring
        """Tells the pool who is at the other end of a connection that was dialled: connection, holder, now, patience.

        To be set at any time.
        """
        self.before_drop: Callable[[Instance, int], None] = _nobody_looks
        """Told of a connection of an instance that is forgotten. To be set at any time."""
        self._routes_max = routes_max
        self._routes = Routes()
        self._by_connection: dict[int, Instance] = {}
        self._gone: dict[int, tuple[str, str, str]] = {}
        self._dormant: dict[Holder, Instance] = {}
        self._by_identity: dict[tuple[str, str], Instance] = {}
        self._hellos = self._heartbeats = self._replacements = self._removals = self._silences = 0

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Registry instances={len(self.instances)} routes={len(self._routes)}>"

    @property
    def routes(self) -> Mapping[RouteKey, RegisteredRoute]:
        """The routes as one immutable value; another one after a change of routes."""
        return self._routes.current

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances, in the order in which they connected, those that go included."""
        return tuple(dict.fromkeys((*self._by_connection.values(), *self._dormant.values())))

    def maybe_instance(self, connection: int) -> Instance | None:
        """Return the instance that the connection carries, if any."""
        return self._by_connection.get(connection)

    def instances_by_connection(self) -> Mapping[int, Instance]:
        """Return whose each connection is, those included by which nobody is asked any more. To be read at once."""
        return self._by_connection

    def who_was(self, connection: int) -> tuple[str, str, str] | None:
        """Return service, instance and version of who is on a connection, or was not long ago."""
        instance = self._by_connection.get(connection)
        return self._gone.get(connection) if instance is None else _told(instance)

    def said(self, connection: int) -> Hello | None:
        """Return the HELLO that is registered for the connection, without its token, if there is one."""
        instance = self._by_connection.get(connection)
        return instance.said if instance else None

    def is_there(self, service: str, instance: str) -> bool:
        """Whether an instance of this name is connected."""
        return (service, instance) in self._by_identity

    def missing(self) -> tuple[str, ...]:
        """Return the required services of which no instance can be chosen, in the order of ``required``."""
        there = {instance.service for instance in self.instances if instance.health in CHOOSABLE}
        return tuple(service for service in self.required if service not in there)

    def hello(self, connection: int, hello: Hello, now: float) -> Change:
        """Register the instance, or replace what it said before. The HELLO has its list of endpoints.

        GreetingError, and nothing is changed, when it declares what means nothing here, claims what another service
        has, gives an id to another endpoint than before, or when there would be more routes than routes_max. That the
        connection does not change its service or instance is the session's rule.
        """
        self._hellos += 1
        instance = self._by_connection.get(connection)
        if instance is not None and (instance.is_going or instance.said == msgspec.structs.replace(hello, token=None)):
            return self.heard(connection, now)
        check_declared(hello)
        endpoints = keyed(hello)
        self._check_owners(hello.service, endpoints)
        self._check_room(endpoints)
        if instance is not None:
            check_ids(instance, hello)
        holder = (hello.service, hello.instance)
        older = self._by_identity.get(holder)
        if instance is not None and older in (None, instance):
            return self._register(instance, hello, now)
        ring = self.ring_of(connection, holder, now, self.thresholds.patience(hello.heartbeat_ms / 1000))
        if older is None:
            return self._register(Instance(*holder, connection, now, ring=ring), hello, now)
        if ring is not None and older.ring is ring and not older.is_going:
            return self._join(older, connection, hello, now)
        self._replacements += 1
        older.is_going = True
        left, transitions = self._routes.leave(older), self._assess(older, older.last_heard)
        if self._dormant.pop(holder, None) is not None and older.ring is not None:
            older.ring.is_dormant = False  # it is here by a connection of its own; when that is lost, it is dialled
        change = self._register(Instance(*holder, connection, now, ring=ring), hello, now, left)
        transitions += change.transitions
        return msgspec.structs.replace(change, transitions=transitions, replaced=older.connections)

    def check_again(self, connection: int) -> None:
        """Raise GreetingError when the instance has what is another service's, since hosts overlap that did not."""
        instance = self._by_connection.get(connection)
        if instance is not None:
            self._check_owners(instance.service, instance.endpoints)

    def heartbeat(self, connection: int, beat: HeartbeatReceived, now: float) -> Change:
        """Take in what the instance says of itself."""
        instance = self._by_connection.get(connection)
        if instance is None:
            return NO_CHANGE
        if connection not in instance.connections:  # it was told to go there, and may say so; it stays by others
            return self.heard(connection, now)
        self._heartbeats += 1
        instance.last_heard = now
        instance.reported, instance.reported_load, instance.reported_in_flight = beat.status, beat.load, beat.in_flight
        return self._settle(self._assess(instance, now))

    def heard(self, connection: int, now: float) -> Change:
        """Note that anything came from the instance: it is not silent."""
        instance = self._by_connection.get(connection)
        if instance is None:
            return NO_CHANGE
        instance.last_heard = now
        return self._settle(self._assess(instance, now))

    def draining(self, connection: int, now: float) -> Change:
        """Note that the instance goes: it gets nothing new, finishes what it has, and stays listed until it is lost."""
        instance = self._by_connection.get(connection)
        if instance is None or connection not in instance.connections:
            return NO_CHANGE
        instance.last_heard = now
        if instance.others:
            return self._leave_connection(instance, connection)
        if instance.ring is not None and instance.ring.is_dormant:
            return self._sleep(instance)
        instance.is_going = True
        return self._settle(self._assess(instance, now))

    def lost(self, connection: int) -> Change:
        """Forget the instance, unless it has other connections, or needs none for now: this one is closed."""
        instance = self._by_connection.get(connection)
        if instance is None:
            return NO_CHANGE
        if connection not in instance.connections:
            self._drop(connection)
            return NO_CHANGE
        if instance.others:
            self._drop(connection)
            return self._leave_connection(instance, connection)
        if instance.ring is not None and instance.ring.is_dormant and not instance.is_going:
            if not self._has_others(instance):
                self._drop(connection)
                return self._sleep(instance)
            instance.ring.is_dormant = False  # those who are there are asked
        return self._routes.refresh(self._forget(instance))

    def vanished(self, holder: "Holder") -> Change:
        """Forget an instance that is dormant, and was not found where it was."""
        instance = self._dormant.get(holder)
        return self._routes.refresh(self._forget(instance)) if instance is not None else NO_CHANGE

    def sweep(self, now: float) -> Change:
        """Find who has been silent for too long; who was for removed_s is forgotten, and is to be closed."""
        self.gauges.tick(now)
        transitions = tuple(move for instance in self.instances for move in self._assess(instance, now))
        if not transitions:
            return NO_CHANGE
        gone = [move.instance for move in transitions if move.after is Health.REMOVED]
        self._removals += len(gone)
        touched = {key for move in transitions for key in move.instance.endpoints}
        for instance in gone:
            self._forget(instance)
        lost = tuple(connection for instance in gone for connection in instance.connections)
        return msgspec.structs.replace(self._routes.refresh(touched), transitions=transitions, lost=lost)

    def moved(self, moves: "tuple[Move, ...]") -> Change:
        """Take in that breakers are in other states."""
        touched: set[RouteKey] = set()
        for move in moves:
            touched.update(move.instance.endpoints if move.key is None else (move.key,))
        return msgspec.structs.replace(self._routes.refresh(touched), moves=moves)

    def excuse(self, seconds: float) -> None:
        """Do not count these seconds as anybody's silence: this process did not listen, being stopped or too busy."""
        for instance in self.instances:
            instance.last_heard += seconds

    def statistics(self) -> RegistryStatistics:
        """Return the counts of now."""
        instances = dict.fromkeys((health.value for health in Health if health is not Health.REMOVED), 0)
        for instance in self.instances:
            instances[instance.health.value] += 1
        return RegistryStatistics(
            instances=instances,
            routes=len(self._routes),
            hellos=self._hellos,
            heartbeats=self._heartbeats,
            replacements=self._replacements,
            removals=self._removals,
            silences=self._silences,
        )

    def _check_owners(self, service: str, endpoints: Mapping[RouteKey, EndpointOffer]) -> None:
        """Raise GreetingError when the service claims a method and path that another one has."""
        check_owners(service, endpoints, self._routes, self.reserved, self.hosts_overlap)

    def _check_room(self, endpoints: Mapping[RouteKey, EndpointOffer]) -> None:
        """Raise GreetingError when the HELLO would add more routes than there is room for."""
        new = sum(key not in self._routes for key in endpoints)
        if len(self._routes) + len(self.reserved) + new > self._routes_max:
            raise GreetingError(
                FaultCode.LIMIT_EXCEEDED,
                f"HELLO: this gateway has no room for its {new:,} new routes (at most {self._routes_max:,} in all)",
            )

    def _register(self, instance: Instance, hello: Hello, now: float, left: Iterable[RouteKey] = ()) -> Change:
        """Let the instance be what the HELLO says. left: routes that another instance has left for it."""
        before = instance.endpoints
        instance.take(hello, self.thresholds.patience(hello.heartbeat_ms / 1000), now)
        self.gauges.hold(instance)
        self._by_connection[instance.connection] = instance
        self._by_identity[instance.service, instance.instance] = instance
        transitions = self._assess(instance, now)
        change = self._routes.refresh(self._routes.enter(instance, before).union(left))
        return msgspec.structs.replace(change, transitions=transitions)

    def _join(self, instance: Instance, connection: int, hello: Hello, now: float) -> Change:
        """Let an instance be asked by one more connection, and be what it says there."""
        check_ids(instance, hello)
        self._by_connection[connection] = instance
        moved: set[RouteKey] = set()
        if instance.is_dormant:
            del self._dormant[instance.holder]
            instance.is_dormant = False
            moved = self._move(instance, (connection,))
        else:
            instance.others = (*instance.others, connection)
        return self._register(instance, hello, now, moved)

    def _sleep(self, instance: Instance) -> Change:
        """Let an instance be there without a connection."""
        instance.is_dormant = True
        self._dormant[instance.holder] = instance
        return self._settle(self._assess(instance, instance.last_heard))

    def _has_others(self, instance: Instance) -> bool:
        """Whether somebody else of its service can be asked at once."""
        return any(
            other.service == instance.service and other.health in CHOOSABLE and other.connections
            for other in self._by_connection.values()
            if other is not instance
        )

    def _leave_connection(self, instance: Instance, connection: int) -> Change:
        """Let an instance be asked by its other connections alone."""
        left = tuple(one for one in instance.connections if one != connection)
        if connection == instance.connection:
            return self._routes.refresh(self._move(instance, left))
        instance.others = left[1:]
        return NO_CHANGE

    def _move(self, instance: Instance, connections: tuple[int, ...]) -> set[RouteKey]:
        """Offer what the instance has by the first of these connections. Returns the keys to be refreshed."""
        touched = self._routes.leave(instance)
        instance.connection, *others = connections
        instance.others = tuple(others)
        return touched | self._routes.enter(instance)

    def _assess(self, instance: Instance, now: float) -> tuple[Transition, ...]:
        """Set the instance's health by what is known of it now. Returns the transition, or nothing."""
        silent_s = 0.0 if instance.is_dormant else (now - instance.last_heard) / instance.patience
        before = instance.health
        after = health_of(self.thresholds, silent_s, instance.reported, is_going=instance.is_going)
        if after is before:
            return ()
        instance.health = after
        self._silences += before is Health.HEALTHY and silent_s >= self.thresholds.degraded_s
        return (Transition(instance, before, after),)

    def _settle(self, transitions: tuple[Transition, ...]) -> Change:
        """Return the change that these transitions are, with the routes made again."""
        if not transitions:
            return NO_CHANGE
        touched = {key for move in transitions for key in move.instance.endpoints}
        return msgspec.structs.replace(self._routes.refresh(touched), transitions=transitions)

    def _drop(self, connection: int) -> None:
        """Forget a connection, but for who was on it: records name that."""
        instance = self._by_connection.pop(connection)
        self.before_drop(instance, connection)
        self._gone[connection] = _told(instance)
        if len(self._gone) > GONE_MAX:
            del self._gone[next(iter(self._gone))]

    def _forget(self, instance: Instance) -> set[RouteKey]:
        """Remove the instance. Returns the keys of the routes to be refreshed."""
        for connection in [one for one, each in self._by_connection.items() if each is instance]:
            self._drop(connection)
        if self._dormant.get(instance.holder) is instance:
            del self._dormant[instance.holder]
        if self._by_identity.get(instance.holder) is instance:
            del self._by_identity[instance.holder]
        touched = self._routes.leave(instance)
        self.gauges.release(instance)
        return touched


def _told(instance: Instance) -> tuple[str, str, str]:
    return (instance.service, instance.instance, instance.version)


def _nobody_looks(_instance: Instance, _connection: int) -> None:
    """Do nothing."""


def _no_ring(_connection: int, _holder: "Holder", _now: float, _patience: float) -> None:
    """Nobody was dialled."""
