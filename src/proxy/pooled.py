"""What the pool of dialled connections and who dials them say to each other: which target, and what is to be done.

The pool (`proxy.targets.pool`) decides and does nothing; who dials (`proxy.transport.dialled`) does, and decides
nothing. What is to be done is one of the values below.
"""

from enum import Enum
from typing import NamedTuple

Holder = tuple[str, str]
"""Service and instance: who is at the other end of a connection, as its HELLO says."""


class TargetKey(NamedTuple):
    """What may share connections. Two targets that differ in any of it never do."""

    host: str
    port: int
    identity: str = ""
    """Whom the gateway expects there, and whom it says that it is, by TLS; empty without TLS."""

    def __str__(self) -> str:
        """Return ``host:port`` for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Cause(Enum):
    """Why a connection is given up by the gateway."""

    IDLE = "idle"  # not used for long, and above the warm minimum
    AGE = "age"  # there for long: another one has taken its place
    ROOM = "room"  # the longest unused of all, for another target's
    SILENT = "silent"  # nothing was heard for too long, not even a heartbeat
    REMOVED = "removed"  # its target is not configured any more


class Why(Enum):
    """Why who waits for a connection gets none."""

    FULL = "full"  # as many wait as may
    DEAD = "dead"  # the deadline has passed
    UNREACHABLE = "unreachable"  # the target was dialled in vain, or is not to be dialled any more


class Dial(NamedTuple):
    """Dial, and tell ``connected`` or ``failed``."""

    key: TargetKey


class Retire(NamedTuple):
    """Say goodbye: GOAWAY. What is in flight ends well, and then it is closed."""

    connection: int
    cause: Cause


class Close(NamedTuple):
    """Close a connection: nothing of ours is in flight on it, and goodbye was said, or nobody would hear it.

    Said again at each turn until it is gone, so it can be put off while the peer has asked something itself.
    """

    connection: int


class Give(NamedTuple):
    """Let who waits have a connection. Its place is kept until ``settle``."""

    waiter: int
    connection: int


class Fail(NamedTuple):
    """Tell who waits that there will be no connection."""

    waiter: int
    why: Why


class Forget(NamedTuple):
    """Forget an instance without a connection: it is not there any more."""

    holder: Holder


Action = Dial | Retire | Close | Give | Fail | Forget


class PoolStatistics(NamedTuple):
    """A snapshot of counts. The first four are of now, the others only rise."""

    connections: int
    """Open, being dialled, or about to close."""
    targets: int
    waiting: int
    dormant: int
    """Instances without a connection, which are dialled when they are asked."""
    hits: int
    misses: int
    """Requests that found no connection with room, and so waited, or were refused."""
    served: int
    """Of those that waited, those that were given a connection."""
    dials: int
    reached: int
    failures: int
    evictions: dict[str, int]
    """Connections given up, by `Cause`."""
    refusals: dict[str, int]
    """Requests that waited in vain or were not let into the line, by `Why`."""
