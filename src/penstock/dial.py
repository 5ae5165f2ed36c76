"""Dialling: keeps one link to each gateway, for as long as the service runs.

A link that is lost is dialled again after a time drawn evenly from 0 to a bound that doubles with each try (full
jitter: services that lost the same gateway at the same moment must not come back at the same moment).
"""

import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from penstock.link import Ending, Link
from penstock.waiting import wait_first

__all__ = ["Backoff", "Dialler", "connect", "failure_reason"]

log = logging.getLogger("penstock.dial")

BACKOFF_BASE_S = 0.1
BACKOFF_CAP_S = 10.0
CONNECT_S = 5.0
"""A name must be looked up, and several addresses tried; no caller waits for it."""
WELCOME_S = 5.0
"""As long as the gateway waits for HELLO."""

Connect = Callable[[str, int], Awaitable[socket.socket]]


class GatewayAddress(Protocol):
    """Where a gateway listens for services."""

    @property
    def host(self) -> str:
        """A name or an address."""
        ...

    @property
    def port(self) -> int:
        """Its port."""
        ...


class Backoff:
    """How long to wait before the next try."""

    def __init__(self, draw: Callable[[float, float], float] = random.uniform, *, cap_s: float = BACKOFF_CAP_S) -> None:
        """Take what draws a number between two bounds, and up to where they double."""
        self._draw = draw
        self._cap_s = cap_s
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait now; the bound doubles up to the cap."""
        bound = min(self._cap_s, BACKOFF_BASE_S * 2 ** min(self._tries, 16))
        self._tries += 1
        return self._draw(0.0, bound)

    def slow_s(self) -> float:
        """Seconds to wait when someone must change something first: from half the cap on."""
        self._tries = 16
        return self._draw(self._cap_s / 2, self._cap_s)

    def reset(self) -> None:
        """Begin again: the last link was a good one."""
        self._tries = 0


async def connect(host: str, port: int) -> socket.socket:
    """Open a TCP connection and return its plain socket. Raises OSError."""
    stream = await trio.open_tcp_stream(host, port)
    return socket.socket(fileno=stream.socket.detach())


class Dialler:
    """Keeps the link to one gateway."""

    def __init__(
        self,
        address: GatewayAddress,
        open_link: Callable[[socket.socket, str], Link],
        work: Callable[[Link], Awaitable[None]],
        *,
        backoff: Backoff | None = None,
        connect: Connect = connect,
    ) -> None:
        """Take where to dial, what makes a greeted link of a socket, and what to do with an open one until it ends."""
        self._address = address
        self._name = f"{address.host}:{address.port}"
        self._open_link = open_link
        self._work = work
        self._backoff = backoff or Backoff()
        self._connect = connect
        self._said: str | None = None

    async def run(self) -> None:
        """Dial, work, dial again; returns only when this gateway will not have the service any more."""
        while True:
            ending = await self._dial_once()
            if ending is Ending.REPLACED:
                log.error(
                    "gateway %s: another process has the same service and instance id, and has taken this one's place; "
                    "give each process its own PENSTOCK_INSTANCE, or leave it unset",
                    self._name,
                )
                return
            slow = ending is Ending.TURNED_AWAY
            await trio.sleep(self._backoff.slow_s() if slow else self._backoff.next_s())

    async def _dial_once(self) -> Ending:
        try:
            with trio.fail_after(CONNECT_S):
                sock = await self._connect(self._address.host, self._address.port)
            link = self._open_link(sock, self._name)
        except (OSError, trio.TooSlowError) as error:
            reason = "no answer" if isinstance(error, trio.TooSlowError) else failure_reason(error)
            self._say(f"cannot be reached: {reason}; is it running there? PENSTOCK_GATEWAYS says where it is sought")
            return Ending.LOST
        try:
            await self._follow(link)
        finally:
            link.close()
        return link.ending

    async def _follow(self, link: Link) -> None:
        """Wait for WELCOME, then work until the link ends."""
        with trio.move_on_after(WELCOME_S) as waited:
            await wait_first(link.opened, link.ended)
        if waited.cancelled_caught:
            self._say("did not answer HELLO; is it a Penstock gateway's port for services?")
        elif link.opened.is_set():
            self._said = None
            await self._work(link)
            if trio.current_time() - (link.opened_at or 0) >= BACKOFF_CAP_S:
                self._backoff.reset()
        elif link.ending is Ending.LOST:
            self._say("closed the connection without an answer; is it a Penstock gateway's port for services?")

    def _say(self, what: str) -> None:
        """Log once what keeps us from the gateway, not at each try."""
        level = logging.DEBUG if self._said == what else logging.WARNING
        self._said = what
        log.log(level, "gateway %s: %s", self._name, what)


def failure_reason(error: OSError) -> str:
    """The text of the error that the system gave, without its wrappings."""
    cause: BaseException | None = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    text = cause.strerror if isinstance(cause, OSError) else None
    return text or str(error)
