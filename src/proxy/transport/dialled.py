"""Services that listen, and that the gateway dials: one connection to each address, dialled again when it is lost.

    Dialled.run ── a task for each address: dial, wait until the link ends, wait a while, dial again

Once dialled, such a connection is like any other: the service says HELLO first, and is judged by the same rules.
"""

import logging
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import trio

from frames.frame import GoawayReason
from frames.wire_values import SocketKind
from penstock.dial import Backoff, Connect, GatewayAddress, connect, failure_reason
from proxy.transport.framed import FramedTransport
from proxy.transport.link import Link

CONNECT_S: Final = 1.0
"""Services are near; who does not accept within a second is not there."""

BACKOFF_CAP_S: Final = 5.0
"""How long a service that came back may be missed at most."""

_log = logging.getLogger("penstock.services")


class AdoptingWire(Protocol):
    """What takes a dialled socket over; the wire is one."""

    def adopt(self, connected: socket.socket, kind: SocketKind, *, dialled: bool = False) -> int:
        """Take over a connected socket and return its handle. OSError when there is no room."""
        ...


class _Target:
    """One address, and what keeps its connection."""

    __slots__ = ("link", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.link: Link | None = None


class Dialled:
    """Keeps a connection to each of the services that listen."""

    def __init__(
        self,
        wire: AdoptingWire,
        transport: FramedTransport[Any],
        addresses: Iterable[GatewayAddress] = (),
        *,
        connect: Connect = connect,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Take the wire, the transport over it, and where to dial; nothing is dialled before `run`."""
        self._wire = wire
        self._transport = transport
        self._wanted = {f"{address.host}:{address.port}": address for address in addresses}
        self._connect = connect
        self._draw = draw
        self._targets: dict[str, _Target] = {}
        self._nursery: trio.Nursery | None = None
        self.reached = self.failures = 0
        """How often a service was dialled with success, and how often without."""

    def __repr__(self) -> str:
        """How many addresses, and to how many there is a connection."""
        return f"<Dialled addresses={len(self._wanted)} connections={self.connections}>"

    @property
    def connections(self) -> int:
        """How many connections there are, greeted or not."""
        return sum(target.link is not None for target in self._targets.values())

    def set_addresses(self, addresses: Iterable[GatewayAddress]) -> None:
        """Dial these from now on. A service that is not named any more is sent GOAWAY, and finishes what it has."""
        self._wanted = {f"{address.host}:{address.port}": address for address in addresses}
        for name in [name for name in self._targets if name not in self._wanted]:
            target = self._targets.pop(name)
            target.scope.cancel()
            if target.link is not None:
                self._transport.goaway(target.link.connection, GoawayReason.MAINTENANCE)
        self._start_missing()

    async def run(self) -> None:
        """Dial until cancelled. The connections are the wire's, and end with it."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._start_missing()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._targets.clear()

    def _start_missing(self) -> None:
        if self._nursery is None:
            return
        for name, address in self._wanted.items():
            if name not in self._targets:
                self._targets[name] = target = _Target()
                self._nursery.start_soon(self._keep, name, address, target)

    async def _keep(self, name: str, address: GatewayAddress, target: _Target) -> None:
        """Keep the connection to one address, until its scope is cancelled or the gateway drains."""
        backoff, said = Backoff(self._draw, cap_s=BACKOFF_CAP_S), None
        with target.scope:
            while not self._transport.is_draining:
                try:
                    with trio.fail_after(CONNECT_S):
                        sock = await self._connect(address.host, address.port)
                    target.link = self._transport.dialled(self._wire.adopt(sock, SocketKind.FRAMED, dialled=True))
                except (OSError, trio.TooSlowError) as error:
                    self.failures += 1
                    problem = failure_reason(error) if isinstance(error, OSError) else "no answer"
                    level = logging.DEBUG if problem == said else logging.WARNING
                    _log.log(
                        level, "service at %s: cannot be reached: %s; services.dial says where it is", name, problem
                    )
                    said = problem
                else:
                    said = None
                    self.reached += 1
                    await self._follow(name, target, target.link, backoff)
                await trio.sleep(backoff.next_s())

    async def _follow(self, name: str, target: _Target, link: Link, backoff: Backoff) -> None:
        """Wait until the link has ended, and longer where its instance is here by another connection."""
        since = trio.current_time()
        if link.ended is not None:
            await link.ended.wait()
        target.link = None
        if link.is_replaced:
            _log.warning("service at %s: is here by another connection; not dialled as long as that is there", name)
            while self._transport.is_there(link):  # noqa: ASYNC110 - rare, and nobody waits for it
                await trio.sleep(BACKOFF_CAP_S)
        elif trio.current_time() - since >= BACKOFF_CAP_S:
            backoff.reset()
