"""A world for the pool: services that come and go, requests, and a clock, all made up. It keeps what the pool says.

An operation is a plain tuple, so that a list of them can be written down and replayed. After each one every invariant
is looked at; what the world knows, it knows from the actions, not from the pool.
"""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

from proxy.pooled import Action, Cause, Close, Dial, Fail, Forget, Give, Retire, TargetKey, Why
from proxy.targets.pool import Pool
from proxy.targets.pool_values import PoolLimits, Ring

SLOTS = 64
KEYS = (TargetKey("a.test", 1), TargetKey("a.test", 1, "tls"), TargetKey("b.test", 2), TargetKey("c.test", 3))
Operation = tuple[Any, ...]


class Peer:
    """One connection, as the other side sees it."""

    def __init__(self, key: TargetKey, handle: int, slot: int) -> None:
        self.key, self.handle, self.slot = key, handle, slot
        self.holder: tuple[str, str] | None = None
        self.is_going = self.is_retired = False


class World:
    """Carries out operations, does what the pool says, and checks it."""

    def __init__(self, limits: PoolLimits, seed: int = 0) -> None:
        self.limits = limits
        self.now = 0.0
        self.in_flight = [0] * SLOTS
        self.pool = Pool(limits, self.in_flight, draw=random.Random(seed).uniform)
        self.wanted: set[TargetKey] = set()
        self.dialling: list[TargetKey] = []
        self.peers: dict[int, Peer] = {}
        self.rings: dict[tuple[TargetKey, tuple[str, str]], Ring] = {}
        self.waiting: dict[int, tuple[Ring, float]] = {}
        self.given: dict[int, int] = {}
        self.outcomes: Counter[str] = Counter()
        self.forgotten: list[tuple[str, str]] = []
        self.heard: dict[int, float] = {}
        self.handles = self.waiters = 0

    # ---- what can happen ----

    def do(self, operation: Operation) -> None:
        """Carry out one operation; one that means nothing now is nothing."""
        name, *arguments = operation
        getattr(self, f"_{name}")(*arguments)
        self.check()

    def _want(self, numbers: Iterable[int]) -> None:
        self.wanted = {KEYS[number] for number in numbers}
        self.pool.want(KEYS[number] for number in numbers)

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def _turn(self) -> None:
        self._act(self.pool.turn(self.now))

    def _serve(self) -> None:
        self._act(self.pool.serve(self.now))

    def _reach(self, which: int) -> None:
        if not self.dialling:
            return
        key = self.dialling.pop(which % len(self.dialling))
        self.handles += 1
        slot = next(slot for slot in range(SLOTS) if all(peer.slot != slot for peer in self.peers.values()))
        self.in_flight[slot] = 0
        is_taken = self.pool.connected(key, self.handles, slot, self.now)
        assert is_taken == (key in self.wanted)
        if is_taken:
            self.peers[self.handles] = Peer(key, self.handles, slot)
            self.heard[self.handles] = self.now

    def _miss(self, which: int) -> None:
        if self.dialling:
            self.pool.failed(self.dialling.pop(which % len(self.dialling)), self.now)

    def _greet(self, which: int, instance: int) -> None:
        strangers = [peer for peer in self.peers.values() if peer.holder is None and not peer.is_going]
        if not strangers:
            return
        peer = strangers[which % len(strangers)]
        peer.holder = (peer.key.host, f"i{instance}")
        ring = self.pool.greeted(peer.handle, peer.holder, self.now)
        assert ring is not None
        assert (ring.target.key, ring.holder) == (peer.key, peer.holder)
        assert peer.is_retired or any(each.handle == peer.handle for each in ring.connections)
        self.rings[peer.key, peer.holder] = ring
        self.heard[peer.handle] = self.now

    def _hear(self, which: int) -> None:
        peer = self._peer(which)
        if peer is not None:
            self.heard[peer.handle] = self.now
            self.pool.heard(peer.handle, self.now)

    def _go(self, which: int) -> None:
        peer = self._peer(which)
        if peer is not None:
            peer.is_going = True
            self.pool.going(peer.handle)

    def _lose(self, which: int) -> None:
        peer = self._peer(which)
        if peer is not None:
            del self.peers[peer.handle], self.heard[peer.handle]
            self.in_flight[peer.slot] = 0
            self.pool.lost(peer.handle, self.now)

    def _ask(self, which: int, patience_s: float) -> None:
        """A request comes: it takes a connection, or waits for one."""
        rings = list(self.rings.values())
        if not rings:
            return
        ring = rings[which % len(rings)]
        handle = self.pool.checkout(ring)
        if handle:
            self._send(handle, ring)
            return
        self.waiters += 1
        waiter = self.waiters
        why = self.pool.wait(ring, waiter, self.now + patience_s, self.now)
        if why is None:
            assert len(self._lined()) < self.limits.waiting_max
            self.waiting[waiter] = (ring, self.now + patience_s)
        else:
            self.outcomes[why.value] += 1
            assert why is not Why.FULL or len(self._lined()) >= self.limits.waiting_max

    def _answer(self, which: int) -> None:
        busy = [peer for peer in self.peers.values() if self.in_flight[peer.slot]]
        if busy:
            self.in_flight[busy[which % len(busy)].slot] -= 1

    def _leave(self, which: int) -> None:
        """Who waits gives up, or who was given a connection is gone before it was sent."""
        everyone = [*self.waiting, *self.given]
        if everyone:
            waiter = everyone[which % len(everyone)]
            self.pool.settle(waiter)
            self.waiting.pop(waiter, None)
            self.given.pop(waiter, None)

    def _sent(self, which: int) -> None:
        """Who was given a connection is sent by it, if it is there still."""
        if self.given:
            waiter = list(self.given)[which % len(self.given)]
            handle = self.given.pop(waiter)
            self.pool.settle(waiter)
            if handle in self.peers:
                self.in_flight[self.peers[handle].slot] += 1

    # ---- what the pool says ----

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Dial):
                assert action.key in self.wanted
                assert action.key not in self.dialling, "two dials of one target"
                assert not any(peer.key == action.key and peer.holder is None for peer in self._staying()), (
                    "a dial before the HELLO of the last"
                )
                self.dialling.append(action.key)
            elif isinstance(action, Retire | Close):
                self._retire(action)
            elif isinstance(action, Give):
                self._give(action)
            elif isinstance(action, Fail):
                _, deadline_at = self.waiting.pop(action.waiter)
                assert (action.why is Why.DEAD) == (deadline_at <= self.now) or action.why is Why.UNREACHABLE
                self.outcomes[action.why.value] += 1
            else:
                assert isinstance(action, Forget)
                self.forgotten.append(action.holder)

    def _retire(self, action: Retire | Close) -> None:
        peer = self.peers[action.connection]
        load = self.in_flight[peer.slot] + list(self.given.values()).count(peer.handle)
        if isinstance(action, Close):
            assert load == 0, "closed while in use"
            peer.is_retired = True
            return
        assert not peer.is_retired, "given up twice"
        if action.cause in (Cause.IDLE, Cause.ROOM):
            assert load == 0, "given up while in use"
        if action.cause in (Cause.IDLE, Cause.ROOM):
            left = [one for one in self._alive() if one.key == peer.key and one is not peer]
            assert len(left) >= self.limits.warm, "below the warm minimum"
        if action.cause is Cause.REMOVED:
            assert peer.key not in self.wanted
        peer.is_retired = True

    def _give(self, action: Give) -> None:
        ring, deadline_at = self.waiting.pop(action.waiter)
        assert deadline_at > self.now, "given to the dead"
        assert not any(waiter < action.waiter for waiter, (other, until) in self.waiting.items() if other is ring), (
            "overtaken"
        )
        self._check_choice(action.connection, ring)
        self.given[action.waiter] = action.connection
        self.outcomes["given"] += 1

    def _send(self, handle: int, ring: Ring) -> None:
        self._check_choice(handle, ring)
        assert not any(other is ring for other, _ in self._lined().values()), "overtook those who wait"
        self.in_flight[self.peers[handle].slot] += 1
        self.outcomes["hit"] += 1

    def _check_choice(self, handle: int, ring: Ring) -> None:
        peer = self.peers[handle]
        assert (peer.key, peer.holder) == (ring.target.key, ring.holder), "another's connection"
        assert not peer.is_going, "its peer goes"
        assert not peer.is_retired, "it was given up"
        load = self.in_flight[peer.slot] + list(self.given.values()).count(handle)
        assert load < self.limits.in_flight_max, "more in flight than may be"

    # ---- what must always be so ----

    def check(self) -> None:
        """Look at every bound."""
        assert len(self.pool) == len(self.peers) + len(self.dialling) <= self.limits.connections
        for key in KEYS:
            staying = [peer for peer in self._staying() if peer.key == key]
            young = sum(
                connection.ends_at > self.now and connection.state.value in ("open", "greeting")
                for peer in staying
                if (connection := self.pool._connections[peer.handle])
            )
            assert young + self.dialling.count(key) <= self.limits.per_target
        told = self.pool.statistics()
        assert told.waiting == len(self._lined())
        assert len(self.pool._lines._given) == len(self.given)
        assert sum(each.given for each in self.pool._connections.values()) <= len(self.given)

    def end(self) -> None:
        """Everybody leaves and every service ends: nothing may be left."""
        for waiter in [*self.waiting, *self.given]:
            self.pool.settle(waiter)
        self.waiting.clear()
        self.given.clear()
        self._want(())
        while self.dialling:
            self._miss(0)
        while self.peers:
            self._lose(0)
        self.now += 1000
        self.pool.turn(self.now)
        told = self.pool.statistics()
        assert (told.connections, told.targets, told.waiting, told.dormant) == (0, 0, 0, 0)
        assert [self.pool._targets, self.pool._connections, self.pool._lines._given] == [{}, {}, {}]
        assert not self.pool.is_waited_for

    def _lined(self) -> dict[int, tuple[Ring, float]]:
        """Those who wait still, without those whose wait is over and who will be told so at the next turn."""
        over = self.pool._lines._failed
        return {waiter: entry for waiter, entry in self.waiting.items() if waiter not in over}

    def _peer(self, which: int) -> Peer | None:
        peers = list(self.peers.values())
        return peers[which % len(peers)] if peers else None

    def _staying(self) -> list[Peer]:
        return [peer for peer in self.peers.values() if not (peer.is_going or peer.is_retired)]

    def _alive(self) -> list[Peer]:
        return [peer for peer in self._staying() if peer.holder is not None]


def random_operations(seed: int, count: int) -> list[Operation]:
    """Return a list of operations, always the same one for a seed."""
    rand = random.Random(seed)
    operations: list[Operation] = [("want", tuple(range(rand.randint(1, len(KEYS)))))]
    for _ in range(count):
        which = rand.randrange(1000)
        name = rand.choices(
            ("turn", "serve", "pass", "reach", "miss", "greet", "hear", "go", "lose", "ask", "answer", "leave", "sent"),
            (18, 8, 12, 10, 2, 10, 10, 1, 2, 30, 14, 2, 6),
        )[0]
        if name in ("turn", "serve"):
            operations.append((name,))
        elif name == "pass":
            operations.append((name, rand.choice((0.01, 0.25, 1.0, 5.0, 40.0))))
        elif name == "greet":
            operations.append((name, which, rand.choices((1, 2), (9, 1))[0]))
        elif name == "ask":
            operations.append((name, which, rand.choice((0.0, 0.1, 1.0, 10.0))))
        else:
            operations.append((name, which))
        if rand.random() < 0.004:
            operations.append(("want", tuple(rand.sample(range(len(KEYS)), rand.randint(0, len(KEYS))))))
    return operations
