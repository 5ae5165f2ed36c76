"""A service at work: one wire, a link to each gateway, the calls that come over them, and the drain at the end.

    serve ─┬─ wire.run(decide)       batches: calls begin, frames go to their link
           ├─ a dialler per gateway  keeps the link, sends heartbeats; by priority (tiers)
           ├─ the listener           the same for gateways that dial, where that is wanted
           └─ the workers            async handlers

When `serve` is cancelled, the handlers are, and the wire closes its sockets. A drain is a pause before that.
"""

import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import trio
from msgspec.structs import replace

from frames.frame import HealthStatus, RefusedReason
from frames.greeting import DIGEST, WORKERS, Hello
from frames.limits import LOAD_FULL
from frames.wire import Wire
from frames.wire_values import EventKind, SocketKind, WireSettings, slot_of
from penstock.asks import ASKS_MAX, Asks
from penstock.calls import Calls
from penstock.dial import GatewayAddress
from penstock.dial_workers import Dialler
from penstock.errors import GatewayError
from penstock.handler import Endpoint
from penstock.link import Link
from penstock.outbox import Outbox
from penstock.port import WireEvent
from penstock.rooms import Rooms
from penstock.settings import ServiceSettings
from penstock.status import Readiness, make_status, not_ready
from penstock.streaming import Streams
from penstock.tiers import TierDialling
from penstock.workers import Workers

if TYPE_CHECKING:
    from penstock.listen import Listener

__all__ = ["Serving"]

log = logging.getLogger("penstock.serving")

CALL = int(EventKind.CALL)
FRAME = int(EventKind.FRAME)
FRAMED_CLOSED = int(EventKind.FRAMED_CLOSED)
FRAMED_ROOM = int(EventKind.FRAMED_ROOM)
ASKED = (int(EventKind.STREAM), int(EventKind.REFUSED), int(EventKind.LOST), int(EventKind.BAD_RESPONSE))
"""About exchanges that were opened here: calls of other services."""

LINGER_US = 200
"""While only `def` handlers run, the next batch is waited for in the kernel; async handlers must not wait for that."""
GOAWAY_LINGER_S = 0.25
"""Requests that crossed our GOAWAY on their way are refused, not lost, if the connection outlives their journey."""
FLUSH_S = 1.0
"""How long a drained connection may take to accept the last answers."""
FLUSH_POLL_S = 0.005
LEAVE_POLL_S = 0.05
PART_S = 5.0
"""Within which sockets are closed whose gateway is about to go, at most: their clients come back all over again."""

WIRE_SETTINGS = WireSettings(edge_connections_max=1, exchanges_max=ASKS_MAX, routes_max=1)
"""A service has no edge: one connection to each gateway, and the dead ones that are not buried yet. It opens exchanges
only to call other services."""


class Serving:
    """One run of a service in this process."""

    def __init__(
        self, nursery: trio.Nursery, endpoints: Mapping[int, Endpoint], hello: Hello, settings: ServiceSettings
    ) -> None:
        """Take the nursery for everything that runs, the endpoints by id, what HELLO says, and the settings."""
        self.first_welcome = trio.Event()
        self.over = trio.Event()
        """No gateway will have this process any more, or there was a failure."""
        self.failure: GatewayError | None = None
        self._nursery = nursery
        self._hello = _able(hello)
        self._know_digests: set[str] = set()
        """Gateways, by address, that may know our list of endpoints by its digest."""
        self._settings = settings
        self._wire = Wire(WIRE_SETTINGS, linger_us=LINGER_US)
        self._links: dict[int, Link] = {}
        self._outbox = Outbox(self._wire)
        self._rooms = Rooms(self._wire)
        self._workers = Workers(nursery, settings.concurrency, self._outbox)
        self._clock = trio.lowlevel.current_clock().current_time
        self._began_at = self._clock()
        self._streams = Streams(self._wire, self._outbox, self._rooms, self._stream_credit)
        self.asks = Asks(self._wire, self._rooms, self._links, self._workers.is_running)
        """The calls of other services."""
        self._calls = Calls(endpoints, self._wire, self._outbox, self._workers.take, self._streams, self._clock)

    async def run(self) -> None:
        """Serve until cancelled, or until it is over."""
        self._nursery.start_soon(self._wire.run, self.decide)
        try:
            listener = self._listener()
        except GatewayError as error:
            self.failure = error
        else:
            async with trio.open_nursery() as nursery:
                if listener is not None:
                    nursery.start_soon(listener.run)
                nursery.start_soon(self._dialling().run)
        self.over.set()

    def announce(self, endpoints: Mapping[int, Endpoint], hello: Hello) -> None:
        """Offer these endpoints from now on: HELLO again to every gateway. What is in flight goes on.

        An id must stay with its endpoint: a request may be on its way to it. hello: for the same service and instance.
        """
        self._hello = _able(hello)
        self._calls.offer(endpoints)
        for link in self._links.values():
            if link.opened.is_set():
                link.announce(self._hello)

    async def drain(self) -> None:
        """Take nothing new, finish what is in flight within the drain time, and see the last answers off."""
        drain_ms = self._settings.drain_ms
        log.info("draining: %d in flight, %d ms at most", self._workers.in_flight, drain_ms)
        self._calls.draining = True
        for link in self._links.values():
            link.goaway(drain_ms)
        self._streams.drain(self._nursery)
        with trio.move_on_after(drain_ms / 1000) as time:
            with trio.move_on_after(GOAWAY_LINGER_S):
                await self._wait_links_ended()
            await self._workers.wait_idle()
        if time.cancelled_caught and self._workers.in_flight:
            log.warning("the drain time is over: %d calls are cut off", self._workers.in_flight)
            self._workers.expire_all()
        with trio.move_on_after(FLUSH_S):
            await self._workers.wait_idle()
            await self._outbox.wait_empty()
            await self._wait_flushed()
        for link in list(self._links.values()):
            link.close()

    def status(self, checks: Iterable[Readiness]) -> dict[str, Any]:
        """Return what this process says of itself. checks: why it may not be ready."""
        return make_status(
            not_ready(checks, is_draining=self._calls.draining),
            in_flight=self._workers.in_flight,
            concurrency=self._settings.concurrency,
            uptime_s=self._clock() - self._began_at,
        )

    def decide(self, events: Iterator[WireEvent]) -> None:
        """Take in one batch."""
        now = self._clock()
        links = self._links
        begin = self._calls.begin
        for event in events:
            link = links.get(event[1])
            if link is None:
                continue  # closed by this side, and forgotten
            if event[2] == CALL:
                if link.may_call:
                    link.heard_at = now
                    begin(event, now)
                elif link.is_leaving:
                    self._outbox.refuse(event[1], event[0], RefusedReason.DRAINING)
                else:
                    link.receive_early_call()
            elif event[2] == FRAME:
                at = event[5]
                link.receive(event[3], event[4], event[0], self._wire.arena[at : at + event[6]], now)
            elif event[2] in ASKED:
                self.asks.take(event)
                self._streams.has_news = True
            elif event[2] == FRAMED_ROOM:
                self._outbox.room(event[1])
                self._rooms.room(event[1])
                self._streams.has_news = True
            elif event[2] == FRAMED_CLOSED:
                link.end()
        if self._workers.waiting:
            self._workers.wake(1)
            self._wire.yield_soon()
        elif self._streams.has_news:
            self._wire.yield_soon()
        self._streams.has_news = False
        self._wire.linger_us = 0 if self._workers.in_flight else LINGER_US

    def _listener(self) -> "Listener | None":
        """Return what accepts gateways, where that is wanted. GatewayError when it cannot be listened there."""
        if self._settings.listen is None:
            return None
        from penstock.listen import Listener

        settings, context = self._settings, None
        if settings.listen_certificate is not None and settings.listen_key is not None:
            from penstock.tunnel import listening_context

            context = listening_context(settings.listen_certificate, settings.listen_key, settings.listen_ca)
        return Listener(
            self._settings.listen, self._accept_link, self._work, context=context, stir=self._wire.tasks_are_lively
        )

    def _dialling(self) -> TierDialling:
        def make_dialler(address: GatewayAddress, work: Callable[[Link], Awaitable[None]]) -> Dialler:
            return Dialler(address, self._open_link, work, is_leaving=lambda: self._calls.draining)

        return TierDialling(self._settings.gateways, make_dialler, self._work, self._leave)

    def _open_link(self, sock: socket.socket, gateway: str) -> Link:
        """Take a dialled socket over and greet its gateway; one that was here before may know our list."""
        return self._greet(sock, gateway, dialled=True, slim=gateway in self._know_digests)

    def _accept_link(self, sock: socket.socket, gateway: str) -> Link:
        """Take the socket of a gateway that has dialled over, and greet it."""
        return self._greet(sock, gateway, dialled=False, slim=False)

    def _greet(self, sock: socket.socket, gateway: str, *, dialled: bool, slim: bool) -> Link:
        connection = self._wire.adopt(sock, SocketKind.FRAMED, dialled=dialled)
        link = Link(
            self._wire,
            connection,
            gateway,
            trio.current_time(),
            cancel=self._cancel,
            take=self._streams.take,
            forget=self._forget,
            part=self._part,
            dialled=dialled,
        )
        self._links[connection] = link
        link.greet(self._hello, slim=slim)
        return link

    def _stream_credit(self, connection: int) -> int | None:
        return self._links[connection].stream_credit

    def _cancel(self, connection: int, exchange: int) -> None:
        """A gateway has given a call up. The handler first: it is to be cancelled, not to find its stream broken."""
        self._workers.cancel(connection, exchange)
        self._streams.cancel(connection, exchange)

    def _part(self, connection: int, within_ms: int) -> None:
        """A gateway is about to go, and its clients may come back: what has no end over its connection is given one."""
        spread_s = min(PART_S, within_ms / 1000 / 4)
        self._streams.part(connection, spread_s, self._nursery)

    def _forget(self, link: Link) -> None:
        """After a link has ended, nobody waits for the answers to its calls."""
        del self._links[link.connection]
        self._outbox.drop(link.connection)
        self._workers.cancel_connection(link.connection)
        self._streams.cancel_connection(link.connection)
        self.asks.drop(link.connection)

    async def _work(self, link: Link) -> None:
        """Send heartbeats over an open link, and watch for the gateway's, until the link ends."""
        self.first_welcome.set()
        if link.takes_digests and link.meant is None:  # a certain worker has a connection, or has never heard of us
            self._know_digests.add(link.gateway)
        link.announce(self._hello)
        if self._calls.draining:
            link.goaway(self._settings.drain_ms)
        while not link.ended.is_set():
            self._heartbeat(link)
            with trio.move_on_after(self._hello.heartbeat_ms / 1000):
                await link.ended.wait()
            link.check_time(trio.current_time())

    async def _leave(self, link: Link) -> None:
        """Take nothing new over one link, finish what it has asked, and close it: there is a better gateway."""
        link.leave(self._settings.drain_ms)
        with trio.move_on_after(self._settings.drain_ms / 1000):
            with trio.move_on_after(GOAWAY_LINGER_S):
                await link.ended.wait()
            while self._has_work(link) and not link.ended.is_set():  # noqa: ASYNC110 - as in _wait_flushed
                await trio.sleep(LEAVE_POLL_S)
        link.close()

    def _has_work(self, link: Link) -> bool:
        """Whether anything of a link is in flight, or waits to be sent."""
        connection = link.connection
        is_asked = self._workers.in_flight_over(connection) > 0 or self.asks.waits_over(connection)
        return is_asked or connection in self._outbox.kept or self._wire.unsent[slot_of(connection)] > 0

    def _heartbeat(self, link: Link) -> None:
        in_flight = self._workers.in_flight
        status = HealthStatus.DRAINING if self._calls.draining else HealthStatus.HEALTHY
        link.heartbeat(status, LOAD_FULL * in_flight // self._settings.concurrency, in_flight)

    async def _wait_links_ended(self) -> None:
        for link in list(self._links.values()):
            await link.ended.wait()

    async def _wait_flushed(self) -> None:
        # Polling: an event of the wire would be for a moment that comes once in a process's life.
        while any(self._wire.unsent[slot_of(connection)] for connection in self._links):  # noqa: ASYNC110
            await trio.sleep(FLUSH_POLL_S)


def _able(hello: Hello) -> Hello:
    """Return the HELLO with what a connection itself can do."""
    missing = [feature for feature in (DIGEST, WORKERS) if feature not in hello.features]
    return replace(hello, features=(*hello.features, *missing)) if missing else hello
