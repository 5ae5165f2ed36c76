"""Dialling a gateway: keeps a link to it, or one to each of its workers, for as long as the service runs.

    run ─┬─ a task for each place that is wanted     waits, dials, works with the link until it ends
         └─ looks what is wanted, whenever a link opens, ends, or tells of other workers

What is wanted is decided in `worker_places.py`. One worker that cannot be reached is tried for ever, and keeps nobody
from the others.
"""

import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from penstock.dial import ADVICE, Backoff, Connect, Dial, GatewayAddress, connect
from penstock.link import Ending, Link
from penstock.worker_places import Place, WorkerPlaces

__all__ = ["Dialler"]

log = logging.getLogger("penstock.dial")


class Dialler:
    """Keeps the links to one gateway."""

    def __init__(
        self,
        address: GatewayAddress,
        open_link: Callable[[socket.socket, str], Link],
        work: Callable[[Link], Awaitable[None]],
        *,
        make_backoff: Callable[[], Backoff] = Backoff,
        connect: Connect = connect,
        is_leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take where to dial, what makes a greeted link of a socket, and what to do with an open one until it ends.

        is_leaving: whether this process is about to end, so that nobody is dialled any more.
        """
        self._address = address
        self._open_link = open_link
        self._work = work
        self._make_backoff = make_backoff
        self._connect = connect
        self._is_leaving = is_leaving
        self._places = WorkerPlaces()
        self._links: list[Link] = []
        """Open ones, the oldest first."""
        self._dials: dict[Place | None, Dial] = {}
        """Kept as long as a list has the place, for what was tried and said there."""
        self._dialling: dict[Place | None, trio.CancelScope] = {}
        """Where is dialled, and no link is open yet."""
        self._greeting: set[Place | None] = set()
        """Of these, where HELLO was said: a call may be on its way already, so it is not given up."""
        self._tasks = 0
        self._is_replaced = False
        self._changed = trio.Event()

    async def run(self) -> None:
        """Dial, work, dial again; returns only when this gateway will not have the service any more."""
        async with trio.open_nursery() as nursery:
            while self._tasks or not self._is_replaced:
                self._changed = trio.Event()
                self._dial_wanted(nursery)
                await self._changed.wait()

    def _dial_wanted(self, nursery: trio.Nursery) -> None:
        """Dial where it is wanted and not done yet; stop where it is wanted no more."""
        wanted = set() if self._is_replaced or self._is_leaving() else self._places.wanted
        for place in self._dialling.keys() - self._greeting - wanted:
            self._dialling[place].cancel()
        for place in wanted - self._dialling.keys():
            self._dialling[place] = trio.CancelScope()
            self._tasks += 1
            nursery.start_soon(self._try, place, self._dialling[place])
        for place in self._dials.keys() - {None, *self._places.listed.values(), *self._dialling}:
            del self._dials[place]

    async def _try(self, place: Place | None, scope: trio.CancelScope) -> None:
        """Dial once, and work with the link until it ends."""
        dial = self._dials.get(place)
        # Nobody waits for the first try at a gateway. Of a new worker, all services are told at the same moment.
        is_urgent = dial is None and place is None
        dial = dial or self._dials.setdefault(place, self._make_dial(place))
        try:
            with scope:
                await trio.sleep(0.0 if is_urgent else dial.wait_s())
                if await dial.once() is Ending.REPLACED:
                    self._give_up(dial.name)
        finally:
            self._greeting.discard(place)
            if self._dialling.get(place) is scope:
                del self._dialling[place]
            self._tasks -= 1
            self._look()

    def _give_up(self, name: str) -> None:
        """Dial no more: a process with our name would be thrown out by us, and we by it, for ever."""
        if not self._is_replaced:
            self._is_replaced = True
            log.error(
                "gateway %s: another process has the same service and instance id, and has taken this one's place; "
                "give each process its own PENSTOCK_INSTANCE, or leave it unset",
                name,
            )

    def _make_dial(self, place: Place | None) -> Dial:
        host, port, advice = self._address.host, self._address.port, ADVICE
        if place is not None:
            host, port = place.host, place.port
            advice = f"the gateway says that its worker {place.worker} is there; its services.advertised_host and"
            advice += " services.worker_listen say where that is, and the other workers are not hurt"
        return Dial(
            host,
            port,
            partial(self._open, place),
            partial(self._hold, place),
            backoff=self._make_backoff(),
            connect=self._connect,
            advice=advice,
        )

    def _open(self, place: Place | None, sock: socket.socket, name: str) -> Link:
        """Make a greeted link of a socket. OSError when it is closed already."""
        try:
            host = sock.getpeername()[0]
        except OSError:
            sock.close()
            raise
        link = self._open_link(sock, name)
        link.host = host
        link.meant = place.worker if place else None
        self._greeting.add(place)
        return link

    async def _hold(self, place: Place | None, link: Link) -> None:
        """Work with an open link until it ends, and dial whoever it tells of."""
        self._dialling.pop(place, None)
        self._greeting.discard(place)
        self._links.append(link)
        link.on_news = self._take_news
        self._take_news(link)
        try:
            await self._work(link)
        finally:
            self._links.remove(link)
            self._places.ended(link.connection)

    def _take_news(self, link: Link) -> None:
        """A link has told of workers, or that its worker goes away."""
        if link.ending is Ending.REPLACED and self._greeting:
            link.supersede()  # very likely by who is greeting just now
        if not link.is_going:
            # A worker that is new may be dialled before it knows which one it is.
            self._places.told(link.connection, link.host, link.worker or link.meant, link.workers)
        self._look()

    def _look(self) -> None:
        """Look who goes away, and whether somebody is to be dialled.

        Who was replaced keeps its place until the end, which says by whom, or until the newer connection is there.
        """
        for link in self._links:
            if link.ending is Ending.REPLACED and any(_leads_there(link, other) for other in self._links):
                link.supersede()
            is_replaced = link.ending is Ending.REPLACED or (link.is_superseded and self._greeting)
            if link.is_going and not is_replaced:
                self._places.going(link.connection)
        self._changed.set()


def _leads_there(link: Link, other: Link) -> bool:
    """Whether another one of our links leads where this one led: then the gateway has replaced this one by that."""
    if other is link or other.ending is Ending.REPLACED:
        return False
    is_same_worker = link.worker is not None and link.worker == other.worker
    return is_same_worker or link.gateway == other.gateway
