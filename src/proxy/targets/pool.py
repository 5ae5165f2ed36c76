"""The pool: how many connections each dialled target has, which one a request takes, and who waits for one.

Rules of this file:

1. Pure: no I/O, no clock, no tasks. Who dials tells what has happened, and does what ``turn`` and ``serve`` return.
   ``now`` is in seconds of one clock that only rises. What is in flight on a connection is counted by the wire, in an
   array that is read here, so that a request that was answered has given its connection back without a word.
2. Targets are told apart by address and TLS identity. Nothing that differs in either shares a connection.
3. A connection is chosen only while it is provably alive: HELLO has come, no GOAWAY was sent or has come, its end was
   not seen (the wire looks at every socket before it yields a request), and it was heard of within ``silent_s``.
4. One that is in use is never given up, but retired: it gets nothing new, and ends when what is in flight has.
5. One dial at a time for each target, from the first packet to HELLO. Who waits meanwhile shares what comes of it.
6. There are never more connections than ``connections``, and of one target never more than ``per_target``, but for
   those that are about to go: retired, silent, or old and only waiting for another to take their place.
7. Who waits is served in the order of coming. Those whose deadline has passed leave first, and take nobody's place.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence

from proxy.pooled import (
    Action,
    Cause,
    Close,
    Dial,
    Forget,
    Give,
    Holder,
    PoolStatistics,
    Retire,
    TargetKey,
    Why,
)
from proxy.targets.pool_line import Lines
from proxy.targets.pool_values import (
    BACKOFF_CAP_S,
    LINGER_S,
    Connection,
    PoolLimits,
    Ring,
    State,
    Target,
)


class Pool:
    """The connections of all dialled targets."""

    def __init__(
        self,
        limits: PoolLimits,
        in_flight: Sequence[int],
        *,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Begin without targets. in_flight: the wire's, by slot; draw: returns a number between two bounds."""
        self._in_flight = in_flight
        self._draw = draw
        self._targets: dict[TargetKey, Target] = {}
        self._connections: dict[int, Connection] = {}
        self._lines = Lines(limits, in_flight)
        self._load = self._lines.load
        self._vanished: list[Forget] = []
        self._connecting = 0
        self._uses = self._misses = self._dials = self._reached = self._failures = 0
        self._evictions = dict.fromkeys(Cause, 0)
        self.limits = limits

    @property
    def limits(self) -> PoolLimits:
        """The bounds of now; those that are set hold from the next turn on."""
        return self._limits

    @limits.setter
    def limits(self, limits: PoolLimits) -> None:
        self._limits = self._lines.limits = limits
        self._grow_at = min(limits.grow_at, limits.in_flight_max)

    def __repr__(self) -> str:
        """Counts on one line."""
        return f"<Pool targets={len(self._targets)} connections={len(self)} waiting={len(self._lines)}>"

    def __len__(self) -> int:
        """How many connections there are, those that are being dialled or are about to go included."""
        return len(self._connections) + self._connecting

    # ---- a request ----

    def checkout(self, ring: Ring) -> int:
        """Return the connection that a request is to take, or 0: there is none with room, and it may `wait`.

        The first that is not busy, so that those which are not needed any more fall idle.
        """
        if not ring.line:
            in_flight, grow_at = self._in_flight, self._grow_at
            for connection in ring.connections:
                if in_flight[connection.slot] + connection.given < grow_at:
                    self._uses += 1
                    connection.used = self._uses
                    return connection.handle
            ring.target.wants_more = True
            roomiest = self._lines.roomiest(ring)
            if roomiest is not None:
                return self._use(roomiest)
        self._misses += 1
        return 0

    def wait(self, ring: Ring, waiter: int, deadline_at: float, now: float) -> Why | None:
        """Let somebody wait for a connection; None, or why that would be in vain. waiter: any number of its own."""
        return self._lines.join(ring, waiter, deadline_at, now, is_reachable=self.is_reachable(ring, now))

    def given(self, waiter: int, ring: Ring) -> int:
        """Return the connection that was given to somebody, if it is one of the ring's and still alive; else 0."""
        connection = self._lines.given(waiter, ring)
        return 0 if connection is None else connection.handle

    def settle(self, waiter: int) -> None:
        """Somebody does not wait any more: has left the line, or was sent by the connection that was given."""
        self._lines.settle(waiter)

    def expire(self, waiter: int) -> None:
        """Somebody's deadline has passed in the line, and it was told so."""
        self._lines.expire(waiter)

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits, so that `serve` has something to do."""
        return bool(self._lines)

    def serve(self, now: float) -> list[Action]:
        """Say who need not wait any more: the dead, those in vain, and those for whom there is room now."""
        failed, served = self._lines.serve(now)
        return [*failed, *(Give(waiter, self._use(connection)) for waiter, connection in served)]

    def _use(self, connection: Connection) -> int:
        self._uses += 1
        connection.used = self._uses
        return connection.handle

    def is_reachable(self, ring: Ring, now: float) -> bool:
        """Whether there are connections to wait for, or might be soon."""
        target = ring.target
        if not target.is_wanted or target.rings.get(ring.holder) is not ring:
            return False
        return bool(ring.connections) or ring.is_dormant or target.is_dialling or now >= target.not_before

    # ---- what has happened ----

    def want(self, keys: Iterable[TargetKey]) -> None:
        """Have these targets from the next turn on, and no others."""
        wanted = dict.fromkeys(keys)
        for key in wanted:
            self._targets.setdefault(key, Target(key)).is_wanted = True
        for target in self._targets.values():
            if target.key not in wanted:
                target.is_wanted = False
                for ring in target.rings.values():
                    self._lines.fail(ring)
                    self._wake_in_vain(ring)

    def connected(self, key: TargetKey, handle: int, slot: int, now: float) -> bool:
        """Note that a target was reached. False: nobody wants it any more, so it is to be closed."""
        self._connecting -= 1
        target = self._targets[key]
        if not target.is_wanted:
            target.is_dialling = False
            self._forget_unwanted(target)
            return False
        self._reached += 1
        age_s = self._limits.age_s * (1 + self._draw(-1.0, 1.0) * self._limits.age_jitter)
        connection = Connection(target, handle, slot, now, now + age_s)
        connection.used = connection.seen = self._uses
        self._connections[handle] = target.connections[handle] = connection
        return True

    def failed(self, key: TargetKey, now: float) -> None:
        """Note that a target was dialled in vain."""
        self._connecting -= 1
        self._failures += 1
        target = self._targets[key]
        target.is_dialling = False
        target.back_off(now, self._draw)
        self._fail_lines(target)
        self._forget_unwanted(target)

    def greeted(self, handle: int, holder: Holder, now: float, patience: float = 1.0) -> Ring | None:
        """Note who is there: HELLO has come. Returns the ring of that instance; None for a connection of nobody's.

        patience: by what ``silent_s`` is multiplied, since the peer sends heartbeats slowly.
        """
        connection = self._connections.get(handle)
        if connection is None or connection.state is not State.GREETING:
            return connection.ring if connection is not None else None
        target = connection.target
        target.is_dialling, target.is_known = False, True
        ring = target.rings.get(holder)
        if ring is None:
            ring = target.rings[holder] = Ring(target, holder)
        connection.state, connection.ring, connection.patience = State.OPEN, ring, patience
        connection.heard_at = connection.idle_since = now
        ring.connections.append(connection)
        ring.is_dormant = False
        self._fail_lines(target)  # of others: somebody else is there now
        return ring

    def heard(self, handle: int, at: float) -> None:
        """Note when anything came on a connection last."""
        connection = self._connections.get(handle)
        if connection is not None:
            connection.heard_at = at

    def going(self, handle: int) -> None:
        """Note that the peer goes: nothing new may be sent there."""
        connection = self._connections.get(handle)
        if connection is not None and connection.state is not State.RETIRED:
            if connection.state is State.GREETING:
                connection.target.is_dialling = False
            connection.take_out(State.GOING)

    def lost(self, handle: int, now: float) -> None:
        """Note that a connection is gone, for whatever cause."""
        connection = self._connections.pop(handle, None)
        if connection is None:
            return
        target, ring, state = connection.target, connection.ring, connection.state
        del target.connections[handle]
        connection.take_out(state)
        if state is State.GREETING:
            target.is_dialling = False
            self._failures += 1
        if state is not State.RETIRED:
            if state is not State.GREETING and now - connection.born_at >= BACKOFF_CAP_S:
                target.failures = 0  # it was a good one
            target.back_off(now, self._draw)
        if state is State.GREETING:
            self._fail_lines(target)
        if ring is not None:
            if state is State.OPEN:
                target.look_for(ring)
            target.forget_empty(ring)
        target.know()
        self._forget_unwanted(target)

    def hold(self, key: TargetKey, until: float) -> None:
        """Do not dial a target before this moment."""
        target = self._targets.get(key)
        if target is not None:
            target.not_before = max(target.not_before, until)

    def _fail_lines(self, target: Target) -> None:
        """Let nobody wait for an instance that has no connection: a dial was in vain, or has led to another."""
        for ring in [ring for ring in target.rings.values() if not ring.connections]:
            self._lines.fail(ring)
            self._wake_in_vain(ring)
            target.forget_empty(ring)
        target.know()

    def _wake_in_vain(self, ring: Ring) -> None:
        if ring.is_dormant:
            ring.is_dormant = False
            self._vanished.append(Forget(ring.holder))

    def _forget_unwanted(self, target: Target) -> None:
        if not (target.is_wanted or target.is_dialling or target.connections):
            self._targets.pop(target.key, None)

    # ---- what is to be done ----

    def turn(self, now: float) -> list[Action]:
        """Say what is to be done now. To be asked each fraction of a second, and when something has happened."""
        actions: list[Action] = [*self._vanished]
        self._vanished.clear()
        for target in self._targets.values():
            target.know()
            self._listen(target, now, actions)
            self._replace_old(target, now, actions)
            self._retire_idle(target, now, actions)
        actions += self.serve(now)
        self._dial_wanted(now, actions)
        for target in [target for target in self._targets.values() if not target.is_wanted]:
            self._forget_unwanted(target)
        return actions

    def next_turn_s(self, now: float) -> float:
        """Return in how many seconds one may be dialled that may not be now; infinity for none."""
        later = [target.not_before for target in self._targets.values() if target.not_before > now]
        return min(later, default=math.inf) - now

    def _listen(self, target: Target, now: float, actions: list[Action]) -> None:
        """Find who is silent, who is heard again, and who was in use; let go of all where the target is not wanted."""
        for connection in tuple(target.connections.values()):
            if self._load(connection) or connection.used != connection.seen:
                connection.seen, connection.idle_since = connection.used, now
            is_silent = now - connection.heard_at >= self._limits.silent_s * connection.patience
            if not target.is_wanted and connection.state in (State.OPEN, State.SILENT):
                self._retire(connection, Cause.REMOVED, now, actions)
            elif connection.state is State.OPEN and is_silent:
                connection.take_out(State.SILENT)
            elif connection.state is State.SILENT and not is_silent:
                self._hear_again(connection, now, actions)
            if self._load(connection):
                continue
            if connection.state is State.SILENT:
                connection.take_out(State.RETIRED)
                self._evictions[Cause.SILENT] += 1
                actions.append(Close(connection.handle))
            elif connection.state is State.RETIRED and now - connection.retired_at >= LINGER_S:
                actions.append(Close(connection.handle))

    def _hear_again(self, connection: Connection, now: float, actions: list[Action]) -> None:
        """Choose one again that was silent, where it was not replaced meanwhile."""
        ring = connection.ring
        target = connection.target
        if ring is None or len(target.staying) + target.is_dialling >= self._limits.per_target:
            self._retire(connection, Cause.SILENT, now, actions)
            return
        connection.state = State.OPEN
        ring.connections.append(connection)

    def _replace_old(self, target: Target, now: float, actions: list[Action]) -> None:
        """Retire one that is old, where a younger one is there to take its place."""
        opened = target.opened
        old = [connection for connection in opened if connection.ends_at <= now]
        if old and len(old) < len(opened):
            self._retire(min(old, key=lambda one: one.ends_at), Cause.AGE, now, actions)

    def _retire_idle(self, target: Target, now: float, actions: list[Action]) -> None:
        """Retire what nobody uses, the longest unused first, down to the warm minimum."""
        opened = target.opened
        spare = len(opened) - self._limits.warm
        for connection in sorted(opened, key=lambda one: one.used)[: max(0, spare)]:
            if not self._load(connection) and now - connection.idle_since >= self._limits.idle_s:
                connection.put_to_sleep()
                self._retire(connection, Cause.IDLE, now, actions)

    def _retire(self, connection: Connection, cause: Cause, now: float, actions: list[Action]) -> None:
        connection.take_out(State.RETIRED)
        connection.retired_at = now
        self._evictions[cause] += 1
        actions.append(Retire(connection.handle, cause))

    def _dial_wanted(self, now: float, actions: list[Action]) -> None:
        """Dial where a connection is missing, those first for whom somebody waits; make room where there is none."""
        wanting = [target for target in self._targets.values() if target.lacks_one(self._limits, now)]
        leaving = sum(each.state in (State.RETIRED, State.GOING) for each in self._connections.values())
        for target in sorted(wanting, key=lambda one: (not one.waiting, len(one.connections))):
            if len(self) < self._limits.connections:
                target.is_dialling, target.wants_more = True, False
                self._connecting += 1
                self._dials += 1
                actions.append(Dial(target.key))
            elif leaving > 0:
                leaving -= 1  # its place is free soon
            else:
                self._make_room(target, now, actions)
        for target in self._targets.values():
            target.wants_more = False

    def _make_room(self, target: Target, now: float, actions: list[Action]) -> None:
        """Retire the longest unused of all that is neither in use nor needed, for another target's."""
        spare = [
            connection
            for other in self._targets.values()
            if other is not target and len(other.opened) > self._limits.warm
            for connection in other.opened
            if not self._load(connection)
        ]
        victim = min(spare, key=lambda one: one.used, default=None)
        if victim is not None:
            victim.put_to_sleep()
            self._retire(victim, Cause.ROOM, now, actions)

    def statistics(self) -> PoolStatistics:
        """Return the counts of now."""
        rings = [ring for target in self._targets.values() for ring in target.rings.values()]
        return PoolStatistics(
            connections=len(self),
            targets=sum(target.is_wanted for target in self._targets.values()),
            waiting=len(self._lines),
            dormant=sum(ring.is_dormant for ring in rings),
            hits=self._uses - self._lines.served,
            misses=self._misses,
            served=self._lines.served,
            dials=self._dials,
            reached=self._reached,
            failures=self._failures,
            evictions={cause.value: count for cause, count in self._evictions.items()},
            refusals={why.value: count for why, count in self._lines.refusals.items()},
        )
