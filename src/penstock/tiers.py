"""Gateways by priority: those of the best priority that can be reached are held, the others only while they are needed.

A tier is the gateways of one priority. The next tier is dialled when no better one has had a connection for a while,
and left when a better one has had a connection again for a while. The while keeps a gateway that comes and goes from
making this process go to and fro.

    best tier     connected ────── lost ─────────────────────── connected ──────────
    next tier                        │◄── grace ──►│ dialled ────────│◄── grace ──►│ left
"""

import logging
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import trio

from penstock.dial import GatewayAddress
from penstock.dial_workers import Dialler
from penstock.link import Link

__all__ = ["GRACE_S", "TierDialling", "Tiers"]

log = logging.getLogger("penstock.dial")

GRACE_S = 5.0
"""Longer than a gateway takes to restart and be dialled again, short enough for the clients of a site that is down."""

Work = Callable[[Link], Awaitable[None]]


class PlacedAddress(GatewayAddress, Protocol):
    """Where a gateway listens for services, and when it is used."""

    @property
    def priority(self) -> int:
        """The lower, the better."""
        ...


class Tiers:
    """Which tier is to be dialled or left when. Pure: times are seconds of one clock. Tier 0 is the best."""

    def __init__(self, count: int, grace_s: float, now: float) -> None:
        """Begin without connections."""
        self._grace_s = grace_s
        self._open = [0] * count
        self._since = [now] * count

    def opened(self, tier: int, now: float) -> None:
        """A link of the tier is open."""
        if self._open[tier] == 0:
            self._since[tier] = now
        self._open[tier] += 1

    def closed(self, tier: int, now: float) -> None:
        """A link of the tier has ended."""
        self._open[tier] -= 1
        if self._open[tier] == 0:
            self._since[tier] = now

    def dial_at(self, tier: int) -> float:
        """Return from when on the tier is to be dialled; infinity while a better one is connected."""
        if any(self._open[:tier]):
            return math.inf
        return max((since + self._grace_s for since in self._since[:tier]), default=-math.inf)

    def leave_at(self, tier: int) -> float:
        """Return from when on the tier is to be left; infinity while no better one is connected."""
        better = zip(self._open[:tier], self._since[:tier], strict=True)
        return min((since + self._grace_s for is_open, since in better if is_open), default=math.inf)


class TierDialling:
    """Dials gateways by their priority."""

    def __init__(
        self,
        addresses: Iterable[PlacedAddress],
        make_dialler: Callable[[GatewayAddress, Work], Dialler],
        work: Work,
        leave: Work,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        """Take the gateways; what makes a dialler of an address and of what to do with an open link; that; and what
        takes leave of an open link, so that nothing is lost.
        """
        by_priority: defaultdict[int, list[GatewayAddress]] = defaultdict(list)
        for address in addresses:
            by_priority[address.priority].append(address)
        self._groups = [by_priority[priority] for priority in sorted(by_priority)]
        self._make_dialler = make_dialler
        self._work = work
        self._leave = leave
        self._grace_s = grace_s

    async def run(self) -> None:
        """Dial until cancelled; returns only when no gateway will have this service any more."""
        self._tiers = Tiers(len(self._groups), self._grace_s, trio.current_time())
        self._changed = trio.Event()
        async with trio.open_nursery() as nursery:
            for tier in range(len(self._groups)):
                nursery.start_soon(self._keep, tier)

    async def _keep(self, tier: int) -> None:
        """Dial a tier while it is needed, until none of its gateways will have this service."""
        is_over = False
        while not is_over:
            await self._wait_until(lambda: self._tiers.dial_at(tier))
            if tier:
                log.warning("no better gateway is connected: those of the next priority are dialled")
            is_over = await self._dial(tier)
            if tier and not is_over:
                log.info("a better gateway is connected again: those of the next priority were left")

    async def _dial(self, tier: int) -> bool:
        """Dial the gateways of a tier until it is to be left. True: none of them will have this service."""
        links: set[Link] = set()
        is_leaving = False

        async def work(link: Link) -> None:
            links.add(link)
            self._note(self._tiers.opened, tier)
            try:
                await self._work(link)
            finally:
                links.discard(link)
                self._note(self._tiers.closed, tier)
            if is_leaving:
                await trio.sleep_forever()  # not to be dialled again

        async def dial() -> None:
            async with trio.open_nursery() as diallers:
                for address in self._groups[tier]:
                    diallers.start_soon(self._make_dialler(address, work).run)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial)
            await self._wait_until(lambda: self._tiers.leave_at(tier))
            is_leaving = True
            async with trio.open_nursery() as leaving:
                for link in tuple(links):
                    leaving.start_soon(self._leave, link)
            nursery.cancel_scope.cancel()
        return not is_leaving

    def _note(self, what: Callable[[int, float], None], tier: int) -> None:
        what(tier, trio.current_time())
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_until(self, when: Callable[[], float]) -> None:
        """Wait until a time has come that changes with what is connected."""
        while (at := when()) > trio.current_time():
            with trio.move_on_at(at):
                await self._changed.wait()
