"""What the pool is made of: its limits, its targets, their connections, and the lines before them."""

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from proxy.pooled import Holder, TargetKey

BACKOFF_BASE_S: Final = 0.1
"""Up to this long after the first dial in vain; the bound doubles with each."""

BACKOFF_CAP_S: Final = 5.0
"""How long a service that came back may be missed at most."""

_DOUBLINGS_MAX: Final = 16

LINGER_S: Final = 0.25
"""What the peer asks while our GOAWAY is on its way is refused, not lost, if the connection outlives the journey."""


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the pool. Times are in seconds."""

    connections: int = 256
    """Of all targets, whatever their state."""
    per_target: int = 4
    """Of one target, without those that are about to go."""
    warm: int = 1
    """Of one target, kept open though nobody uses them; 0: an idle target sleeps, and is dialled when it is asked."""
    grow_at: int = 128
    """Requests in flight on each of a target's connections from which another one is dialled."""
    in_flight_max: int = 1024
    """Requests in flight on one connection; who comes when all have so many waits in the line."""
    waiting_max: int = 1024
    """Requests that wait for a connection, all together."""
    idle_s: float = 60.0
    age_s: float = 300.0
    age_jitter: float = 0.1
    """The part of the age by which each connection's own differs at most, so that not all go at once."""
    silent_s: float = 15.0
    """Without a frame, be it a heartbeat, after which a connection is not chosen."""


class State(Enum):
    """Where a connection is in its life."""

    GREETING = "greeting"  # connected, and HELLO is awaited
    OPEN = "open"
    SILENT = "silent"  # nothing was heard for too long: not chosen, unless it is heard again
    GOING = "going"  # its peer goes: nothing new
    RETIRED = "retired"  # given up by us: likewise


class Connection:
    """One connection of a target."""

    __slots__ = (
        "born_at",
        "ends_at",
        "given",
        "handle",
        "heard_at",
        "idle_since",
        "patience",
        "retired_at",
        "ring",
        "seen",
        "slot",
        "state",
        "target",
        "used",
    )

    def __init__(self, target: "Target", handle: int, slot: int, now: float, ends_at: float) -> None:
        """Begin before HELLO. slot: index into the wire's array of requests in flight; ends_at: when it is old."""
        self.target = target
        self.handle = handle
        self.slot = slot
        self.ends_at = ends_at
        self.born_at = self.heard_at = self.idle_since = self.retired_at = now
        self.patience = 1.0
        """By what ``silent_s`` is multiplied: the peer sends heartbeats slowly."""
        self.state = State.GREETING
        self.ring: Ring | None = None
        self.used = self.seen = 0
        """The number of its last use, of all uses of the pool; and the one that was seen last."""
        self.given = 0
        """Places that are kept for who was given it, and is not in flight yet."""

    def take_out(self, state: State) -> None:
        """Let it not be chosen any more."""
        self.state = state
        if self.ring is not None and self in self.ring.connections:
            self.ring.connections.remove(self)

    def put_to_sleep(self) -> None:
        """Let its instance be dormant, where this is the last connection and the target leads to that one alone."""
        ring = self.ring
        if ring is not None and ring.connections == [self] and len(self.target.rings) == 1 and not ring.line:
            ring.is_dormant = True

    def __repr__(self) -> str:
        """Identity and state on one line."""
        return f"<Connection {self.handle} to {self.target.key} {self.state.value}>"


class Ring:
    """The connections by which one instance can be asked now, in the order of choice, and who waits for one."""

    __slots__ = ("connections", "holder", "is_dormant", "line", "target")

    def __init__(self, target: "Target", holder: Holder) -> None:
        """Begin without connections."""
        self.target = target
        self.holder = holder
        self.connections: list[Connection] = []
        """Those that are open and alive."""
        self.line: dict[int, float] = {}
        """Who waits, in the order in which they came, and until when."""
        self.is_dormant = False
        """It has no connection, since nobody used it; the next one who asks has it dialled."""

    def __repr__(self) -> str:
        """Identity and counts on one line."""
        dormant = " dormant" if self.is_dormant else ""
        return f"<Ring {'/'.join(self.holder)} connections={len(self.connections)} waiting={len(self.line)}{dormant}>"


class Target:
    """Where to dial, and what there is of it."""

    __slots__ = (
        "connections",
        "failures",
        "is_dialling",
        "is_known",
        "is_wanted",
        "key",
        "not_before",
        "rings",
        "wants_more",
    )

    def __init__(self, key: TargetKey) -> None:
        """Begin without connections."""
        self.key = key
        self.connections: dict[int, Connection] = {}
        self.rings: dict[Holder, Ring] = {}
        self.is_wanted = True
        """It is configured; one that is not any more is forgotten when its last connection is gone."""
        self.is_known = False
        """Somebody has said HELLO there, so there is something to be asked for."""
        self.is_dialling = False
        """From the dial until HELLO: never twice at the same moment."""
        self.wants_more = False
        self.failures = 0
        """Dials in vain, since the last that was not."""
        self.not_before = 0.0
        """When it may be dialled again."""

    @property
    def waiting(self) -> int:
        """How many wait for one of its connections."""
        return sum(len(ring.line) for ring in self.rings.values())

    @property
    def opened(self) -> "list[Connection]":
        """The connections that may be chosen."""
        return [each for each in self.connections.values() if each.state is State.OPEN]

    @property
    def staying(self) -> "list[Connection]":
        """The connections that are not about to go, but for their age."""
        return [each for each in self.connections.values() if each.state in (State.GREETING, State.OPEN)]

    def lacks_one(self, limits: PoolLimits, now: float) -> bool:
        """Whether it lacks a connection, and may be dialled now."""
        if not self.is_wanted or self.is_dialling or now < self.not_before:
            return False
        staying = sum(connection.ends_at > now for connection in self.staying)
        if staying >= limits.per_target:
            return False
        is_asked = bool(self.waiting) or self.wants_more
        least = max(limits.warm, 1 if is_asked or self.opened or not self.is_known else 0)
        return staying < least or is_asked

    def back_off(self, now: float, draw: Callable[[float, float], float]) -> None:
        """Put off the next dial: by a time drawn from 0 to a bound that doubles with each in vain (full jitter)."""
        bound = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(self.failures, _DOUBLINGS_MAX))
        self.failures += 1
        self.not_before = max(self.not_before, now + draw(0.0, bound))

    def look_for(self, ring: Ring) -> None:
        """Let an instance whose last connection was lost be found before it counts as gone: who asks for it waits."""
        if self.is_wanted and not ring.connections and len(self.rings) == 1:
            ring.is_dormant, self.is_known = True, False  # dialled in any case, as soon as it may be

    def forget_empty(self, ring: Ring) -> None:
        """Forget a ring that nothing is left of."""
        if ring.is_dormant or ring.line or any(each.ring is ring for each in self.connections.values()):
            return
        if self.rings.get(ring.holder) is ring:
            del self.rings[ring.holder]

    def know(self) -> None:
        """Find whether it is known still who is there: if not, it is dialled, whether anybody asks or not."""
        is_there = bool(self.connections) or any(ring.is_dormant for ring in self.rings.values())
        self.is_known = self.is_known and is_there

    def __repr__(self) -> str:
        """Identity and counts on one line."""
        return f"<Target {self.key} connections={len(self.connections)} waiting={self.waiting}>"
