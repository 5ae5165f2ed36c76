"""The services that dialled in: who they are, what they offer, how they are.

Rules of this file:

1. Pure: no I/O and no clock. ``now`` is seconds of one clock that only rises. Each method says by a ``Change`` what
   became different and what the caller is to do; the routes are swapped whole, so whoever holds the ones of before
   can go on using them.
2. An instance is one service and instance id; a connection carries one instance. A newer connection of the same
   instance replaces the older: that one offers nothing from then on, is to be sent GOAWAY, and stays listed until it
   is lost. Whoever goes has said its last HELLO: another one from it changes nothing.
3. What changes an instance's health goes through ``_assess``, and only there does it change.
4. An unknown connection is not an error: what it said may have been on its way when it was given up.
"""

from collections.abc import Iterable, Mapping

import msgspec

from frames.errors import GreetingError
from frames.events import HeartbeatReceived
from frames.frame import FaultCode
from frames.greeting import Hello
from proxy.targets.health import Health, HealthThresholds, health_of
from proxy.targets.instance import (
    NO_CHANGE,
    Change,
    Instance,
    RegisteredRoute,
    RegistryStatistics,
    RouteKey,
    Transition,
)
from proxy.targets.routes import Routes

ROUTES_MAX = 65_536
"""As many as the wire keeps counts for (WIRE_ROUTES_MAX in csrc/wire.h)."""


class Registry:
    """The instances of all services, and the routes that they offer."""

    def __init__(self, thresholds: HealthThresholds | None = None, routes_max: int = ROUTES_MAX) -> None:
        """Begin empty."""
        self.thresholds = thresholds or HealthThresholds()
        self._routes_max = routes_max
        self._routes = Routes()
        self._by_connection: dict[int, Instance] = {}
        self._by_identity: dict[tuple[str, str], Instance] = {}
        self._hellos = self._heartbeats = self._replacements = self._removals = 0

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Registry instances={len(self._by_connection)} routes={len(self._routes)}>"

    @property
    def routes(self) -> Mapping[RouteKey, RegisteredRoute]:
        """The routes as one immutable value; another one after a change of routes."""
        return self._routes.current

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances, in the order in which they connected, those that go included."""
        return tuple(self._by_connection.values())

    def maybe_instance(self, connection: int) -> Instance | None:
        """Return the instance that the connection carries, if any."""
        return self._by_connection.get(connection)

    def hello(self, connection: int, hello: Hello, now: float) -> Change:
        """Register the instance, or replace what it said before.

        GreetingError, and nothing is changed, when there would be more routes than routes_max. That the connection
        does not change its service or instance is the session's rule.
        """
        self._check_room(hello)
        self._hellos += 1
        instance = self._by_connection.get(connection)
        if instance is not None and instance.is_going:
            return self.heard(connection, now)
        older = self._by_identity.get((hello.service, hello.instance))
        if older is None or older is instance:
            return self._register(instance or Instance(hello.service, hello.instance, connection, now), hello, now)
        self._replacements += 1
        older.is_going = True
        left, transitions = self._routes.leave(older), self._assess(older, older.last_heard)
        change = self._register(Instance(hello.service, hello.instance, connection, now), hello, now, left)
        transitions += change.transitions
        return msgspec.structs.replace(change, transitions=transitions, replaced=(older.connection,))

    def heartbeat(self, connection: int, beat: HeartbeatReceived, now: float) -> Change:
        """Take in what the instance says of itself."""
        instance = self._by_connection.get(connection)
        if instance is None:
            return NO_CHANGE
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
        if instance is None:
            return NO_CHANGE
        instance.is_going, instance.last_heard = True, now
        return self._settle(self._assess(instance, now))

    def lost(self, connection: int) -> Change:
        """Forget the instance: its connection is closed."""
        instance = self._by_connection.get(connection)
        return self._routes.refresh(self._forget(instance)) if instance else NO_CHANGE

    def sweep(self, now: float) -> Change:
        """Find who has been silent for too long; who was for removed_s is forgotten, and is to be closed."""
        transitions = tuple(move for instance in self.instances for move in self._assess(instance, now))
        if not transitions:
            return NO_CHANGE
        gone = [move.instance for move in transitions if move.after is Health.REMOVED]
        self._removals += len(gone)
        touched = {key for move in transitions for key in move.instance.endpoints}
        for instance in gone:
            self._forget(instance)
        lost = tuple(instance.connection for instance in gone)
        return msgspec.structs.replace(self._routes.refresh(touched), transitions=transitions, lost=lost)

    def excuse(self, seconds: float) -> None:
        """Do not count these seconds as anybody's silence: this process did not listen, being stopped or too busy."""
        for instance in self._by_connection.values():
            instance.last_heard += seconds

    def statistics(self) -> RegistryStatistics:
        """Return the counts of now."""
        instances = dict.fromkeys((health.value for health in Health if health is not Health.REMOVED), 0)
        for instance in self._by_connection.values():
            instances[instance.health.value] += 1
        return RegistryStatistics(
            instances, len(self._routes), self._hellos, self._heartbeats, self._replacements, self._removals
        )

    def _check_room(self, hello: Hello) -> None:
        """Raise GreetingError when the HELLO would add more routes than there is room for."""
        new = sum(endpoint.shape not in self._routes for endpoint in hello.endpoints)
        if len(self._routes) + new > self._routes_max:
            raise GreetingError(
                FaultCode.LIMIT_EXCEEDED,
                f"HELLO: this gateway has no room for its {new:,} new routes (at most {self._routes_max:,} in all)",
            )

    def _register(self, instance: Instance, hello: Hello, now: float, left: Iterable[RouteKey] = ()) -> Change:
        """Let the instance be what the HELLO says. left: routes that another instance has left for it."""
        touched = self._routes.leave(instance).union(left)
        instance.take(hello, self.thresholds.patience(hello.heartbeat_ms / 1000), now)
        self._by_connection[instance.connection] = instance
        self._by_identity[instance.service, instance.instance] = instance
        transitions = self._assess(instance, now)
        change = self._routes.refresh(touched | self._routes.enter(instance))
        return msgspec.structs.replace(change, transitions=transitions, contested=self._routes.contested(instance))

    def _assess(self, instance: Instance, now: float) -> tuple[Transition, ...]:
        """Set the instance's health by what is known of it now. Returns the transition, or nothing."""
        before, silent_s = instance.health, (now - instance.last_heard) / instance.patience
        after = health_of(self.thresholds, silent_s, instance.reported, is_going=instance.is_going)
        if after is before:
            return ()
        instance.health = after
        return (Transition(instance, before, after),)

    def _settle(self, transitions: tuple[Transition, ...]) -> Change:
        """Return the change that these transitions are, with the routes made again."""
        if not transitions:
            return NO_CHANGE
        touched = {key for move in transitions for key in move.instance.endpoints}
        return msgspec.structs.replace(self._routes.refresh(touched), transitions=transitions)

    def _forget(self, instance: Instance) -> set[RouteKey]:
        """Remove the instance. Returns the keys of the routes to be refreshed."""
        del self._by_connection[instance.connection]
        identity = (instance.service, instance.instance)
        if self._by_identity.get(identity) is instance:
            del self._by_identity[identity]
        return self._routes.leave(instance)
