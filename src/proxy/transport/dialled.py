"""Services that listen, and that the gateway dials: does what the pool of connections says.

    Dialled.run ── takes the pool's turn now and then, and at once when something has happened
                └─ a task for each dial, until its connection is the wire's

Once dialled, such a connection is like any other: the service says HELLO first, and is judged by the same rules.
"""

import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import trio

from frames.frame import GoawayReason
from frames.wire_values import SocketKind, slot_of
from penstock.dial import failure_reason
from proxy.pooled import Action, Cause, Close, Dial, Fail, Forget, Give, Retire, TargetKey
from proxy.transport.framed import FramedTransport
from proxy.transport.link import Link

CONNECT_S: Final = 1.0
"""Services are near; who does not accept within a second is not there."""

TURN_S: Final = 0.25
"""How often the pool's turn is taken, if nothing happens."""

ELSEWHERE_S: Final = 5.0
"""How often it is looked whether an instance is still here by a connection that it has dialled itself."""

FINISH_S: Final = 86_400.0
"""How long what is in flight may take on a connection that another one replaces: longer than a socket of a browser."""

_log = logging.getLogger("penstock.services")

Connect = Callable[[TargetKey, trio.Nursery], Awaitable[socket.socket]]


class AdoptingWire(Protocol):
    """What takes a dialled socket over; the wire is one."""

    def adopt(self, connected: socket.socket, kind: SocketKind, *, dialled: bool = False) -> int:
        """Take over a connected socket and return its handle. OSError when there is no room."""
        ...

    def close(self, connection: int, /) -> int:
        """Close a connection."""
        ...


class ConnectionPool(Protocol):
    """What decides: `proxy.targets.pool.Pool`. ``now`` is in seconds of Trio's clock."""

    def want(self, keys: Iterable[TargetKey], /) -> None:
        """Have these targets, and no others."""

    def connected(self, key: TargetKey, handle: int, slot: int, now: float, /) -> bool:
        """Note that a target was reached. False: it is not wanted any more."""
        ...

    def failed(self, key: TargetKey, now: float, /) -> None:
        """Note that a target was dialled in vain."""

    def heard(self, handle: int, at: float, /) -> None:
        """Note when anything came last."""

    def going(self, handle: int, /) -> None:
        """Note that nothing new may be sent."""

    def lost(self, handle: int, now: float, /) -> None:
        """Note that a connection is gone."""

    def hold(self, key: TargetKey, until: float, /) -> None:
        """Do not dial before this moment."""

    def turn(self, now: float, /) -> list[Action]:
        """Return what is to be done."""
        ...

    def next_turn_s(self, now: float, /) -> float:
        """Return in how many seconds something is due; infinity for nothing."""
        ...


class Dialled:
    """Does what the pool says: dials, says goodbye, and tells who waits."""

    def __init__(
        self,
        wire: AdoptingWire,
        transport: FramedTransport[Any],
        pool: ConnectionPool,
        *,
        connect: Connect,
        tell: Callable[[Give | Fail], None] = lambda _: None,
        has_calls: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Take the wire, the transport over it, and the pool, which has no targets yet.

        connect: opens a connection that the wire can take over, with a task in the nursery if it needs one; raises
        OSError. tell: is given what becomes of requests
        that wait; has_calls: whether the service has asked something by a connection that is not answered yet.
        """
        self._wire = wire
        self._transport = transport
        self._pool = pool
        self._connect = connect
        self._tell = tell
        self._has_calls = has_calls
        self.connect_s = CONNECT_S
        """How long a dial may take; may be set anew at any time."""
        self._links: dict[int, tuple[TargetKey, Link]] = {}
        self._elsewhere: dict[TargetKey, Link] = {}
        self._said: dict[TargetKey, str] = {}
        self._scopes: dict[TargetKey, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        self._is_due = trio.Event()
        self._wanted: frozenset[TargetKey] = frozenset()
        transport.watcher = self

    def __repr__(self) -> str:
        """How many targets, and how many connections there are to them."""
        return f"<Dialled targets={len(self._wanted)} connections={self.connections}>"

    @property
    def connections(self) -> int:
        """How many connections there are, greeted or not."""
        return len(self._links)

    def set_targets(self, keys: Iterable[TargetKey]) -> None:
        """Dial these from now on. A service that is not named any more is sent GOAWAY, and finishes what it has."""
        self._wanted = frozenset(keys)
        self._pool.want(self._wanted)
        for key in self._scopes.keys() - self._wanted:
            self._scopes[key].cancel()
        self.take_turn()

    def take_turn_soon(self) -> None:
        """Take the pool's turn as soon as the batch is over."""
        self._is_due.set()

    async def run(self) -> None:
        """Do what the pool says until cancelled. The connections are the wire's, and end with it."""
        try:
            async with trio.open_nursery() as self._nursery:
                while True:
                    self._is_due = trio.Event()  # before the turn, since what is done in it may make another one due
                    self.take_turn()
                    await self._pause()
        finally:
            self._nursery = None

    async def _pause(self) -> None:
        """Wait until a turn is due."""
        with trio.move_on_after(min(TURN_S, self._pool.next_turn_s(trio.current_time()))):
            await self._is_due.wait()

    def take_turn(self) -> None:
        """Tell the pool what was heard, and do what it says."""
        if self._nursery is None:
            return
        now = trio.current_time()
        for handle, (_, link) in self._links.items():
            self._pool.heard(handle, link.heard_at)
        self._look_elsewhere(now)
        if not self._transport.is_draining:
            self.act(self._pool.turn(now))

    def act(self, actions: Iterable[Action]) -> None:
        """Do what the pool says."""
        for action in actions:
            if isinstance(action, Dial):
                self._begin(action.key)
            elif isinstance(action, Give | Fail):
                self._tell(action)
            elif isinstance(action, Retire):
                _log.debug("connection %d: given up (%s)", action.connection, action.cause.value)
                within_s = 0 if action.cause is Cause.REMOVED else FINISH_S
                self._transport.goaway(action.connection, GoawayReason.MAINTENANCE, within_s)
            elif isinstance(action, Close):
                if not self._has_calls(action.connection):
                    self._transport.close(action.connection)
            elif isinstance(action, Forget):
                self._transport.vanished(action.holder)

    # ---- dialling ----

    def _begin(self, key: TargetKey) -> None:
        assert self._nursery is not None  # noqa: S101 - nobody takes a turn without it
        self._scopes[key] = scope = trio.CancelScope()
        self._nursery.start_soon(self._dial, key, scope)

    async def _dial(self, key: TargetKey, scope: trio.CancelScope) -> None:
        """Dial once. Whatever becomes of it, the pool is told."""
        assert self._nursery is not None  # noqa: S101 - it is this task's
        handle, problem = 0, "it is not wanted any more"
        try:
            with scope, trio.fail_after(self.connect_s):
                sock = await self._connect(key, self._nursery)
                handle = self._wire.adopt(sock, SocketKind.FRAMED, dialled=True)
        except OSError as error:
            problem = failure_reason(error)
        except trio.TooSlowError:
            problem = "no answer"
        finally:  # also where the gateway ends meanwhile
            if self._scopes.get(key) is scope:
                del self._scopes[key]
            self._tell_pool(key, handle)
        if handle:
            self._said.pop(key, None)
        elif not scope.cancel_called:
            self._say(key, f"cannot be reached: {problem}; services.dial says where it is")
        self.take_turn_soon()

    def _tell_pool(self, key: TargetKey, handle: int) -> None:
        now = trio.current_time()
        if not handle:
            self._pool.failed(key, now)
        elif self._pool.connected(key, handle, slot_of(handle), now):
            link = self._transport.dialled(handle, str(key))
            link.heard_at = now
            self._links[handle] = (key, link)
        else:
            self._wire.close(handle)

    def _say(self, key: TargetKey, what: str) -> None:
        """Log once what keeps us from a service, not at each try."""
        level = logging.DEBUG if self._said.get(key) == what else logging.WARNING
        self._said[key] = what
        _log.log(level, "service at %s: %s", key, what)

    # ---- what the transport tells, at once ----

    def going(self, link: Link) -> None:
        """Let nothing new be sent by a connection: GOAWAY was sent, or has come."""
        self._pool.going(link.connection)
        self.take_turn_soon()

    def lost(self, link: Link) -> None:
        """Forget a connection that is gone."""
        entry = self._links.pop(link.connection, None)
        if entry is None:
            return
        key, now = entry[0], trio.current_time()
        self._pool.lost(link.connection, now)
        if link.is_replaced and key in self._wanted:
            _log.warning("service at %s: is here by another connection; not dialled as long as that is there", key)
            self._elsewhere[key] = link
            self._pool.hold(key, now + ELSEWHERE_S)
        self.take_turn_soon()

    def _look_elsewhere(self, now: float) -> None:
        """Go on leaving those in peace who are here by a connection of their own."""
        for key, link in list(self._elsewhere.items()):
            if key in self._wanted and self._transport.is_there(link):
                self._pool.hold(key, now + ELSEWHERE_S)
            else:
                del self._elsewhere[key]
