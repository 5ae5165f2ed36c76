"""A service at work: one wire, a link to each gateway, the calls that come over them, and the drain at the end.

    serve ─┬─ wire.run(decide)       batches: calls begin, frames go to their link
           ├─ a dialler per gateway  keeps the link, sends heartbeats
           └─ the workers            async handlers

When `serve` is cancelled, the handlers are, and the wire closes its sockets. A drain is a pause before that.
"""

import logging
import socket
from collections.abc import Iterator, Mapping

import trio

from frames.frame import HealthStatus
from frames.greeting import Hello
from frames.limits import LOAD_FULL
from frames.wire import Wire
from frames.wire_values import EventKind, SocketKind, WireSettings, slot_of
from penstock.asks import ASKS_MAX, Asks
from penstock.calls import Calls
from penstock.dial import Dialler
from penstock.handler import Endpoint
from penstock.link import Link
from penstock.outbox import Outbox
from penstock.port import WireEvent
from penstock.rooms import Rooms
from penstock.settings import ServiceSettings
from penstock.streaming import Streams
from penstock.workers import Workers

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
        """No gateway will have this process any more."""
        self._nursery = nursery
        self._hello = hello
        self._settings = settings
        self._wire = Wire(WIRE_SETTINGS, linger_us=LINGER_US)
        self._links: dict[int, Link] = {}
        self._outbox = Outbox(self._wire)
        self._rooms = Rooms(self._wire)
        self._workers = Workers(nursery, settings.concurrency, self._outbox)
        self._clock = trio.lowlevel.current_clock().current_time
        self._streams = Streams(self._wire, self._outbox, self._rooms, self._stream_credit)
        self.asks = Asks(self._wire, self._rooms, self._links, self._workers.is_running)
        """The calls of other services."""
        self._calls = Calls(endpoints, self._wire, self._outbox, self._workers.take, self._streams, self._clock)

    async def run(self) -> None:
        """Serve until cancelled, or until it is over."""
        self._nursery.start_soon(self._wire.run, self.decide)
        async with trio.open_nursery() as diallers:
            for address in self._settings.gateways:
                diallers.start_soon(Dialler(address, self._open_link, self._work).run)
        self.over.set()

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

    def _open_link(self, sock: socket.socket, gateway: str) -> Link:
        """Take a dialled socket over and greet its gateway."""
        connection = self._wire.adopt(sock, SocketKind.FRAMED, dialled=True)
        link = Link(
            self._wire,
            connection,
            gateway,
            trio.current_time(),
            cancel=self._cancel,
            take=self._streams.take,
            forget=self._forget,
        )
        self._links[connection] = link
        link.greet(self._hello)
        return link

    def _stream_credit(self, connection: int) -> int | None:
        return self._links[connection].stream_credit

    def _cancel(self, connection: int, exchange: int) -> None:
        """A gateway has given a call up. The handler first: it is to be cancelled, not to find its stream broken."""
        self._workers.cancel(connection, exchange)
        self._streams.cancel(connection, exchange)

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
        if self._calls.draining:
            link.goaway(self._settings.drain_ms)
        while not link.ended.is_set():
            self._heartbeat(link)
            with trio.move_on_after(self._hello.heartbeat_ms / 1000):
                await link.ended.wait()
            link.check_time(trio.current_time())

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
