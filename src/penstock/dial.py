"""Dialling one place: a gateway, or one of its workers.

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

__all__ = ["Backoff", "Dial", "GatewayAddress", "connect", "failure_reason"]

log = logging.getLogger("penstock.dial")

BACKOFF_BASE_S = 0.1
BACKOFF_CAP_S = 10.0
CONNECT_S = 5.0
"""A name must be looked up, and several addresses tried; no caller waits for it."""
WELCOME_S = 5.0
"""As long as the gateway waits for HELLO."""
ADVICE = "is it running there? PENSTOCK_GATEWAYS says where it is sought"

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


class Dial:
    """One place to dial: connects, greets, and works with the link until it ends. Says once what keeps it from that."""

    def __init__(
        self,
        host: str,
        port: int,
        open_link: Callable[[socket.socket, str], Link],
        work: Callable[[Link], Awaitable[None]],
        *,
        backoff: Backoff,
        connect: Connect = connect,
        advice: str = ADVICE,
    ) -> None:
        """Take where to dial, what makes a greeted link of a socket, and what to do with an open one until it ends.

        backoff: how long to wait between tries; advice: what to do when nobody is there.
        """
        self._host, self._port = host, port
        self.name = f"{host}:{port}"
        self.backoff = backoff
        self._open_link = open_link
        self._work = work
        self._connect = connect
        self._advice = advice
        self._said: str | None = None
        self._ending = Ending.LOST

    def wait_s(self) -> float:
        """Return how many seconds to wait before the next try, by what came of the one before."""
        return self.backoff.slow_s() if self._ending is Ending.TURNED_AWAY else self.backoff.next_s()

    async def once(self) -> Ending:
        """Dial, and work until the link ends; return how it did."""
        self._ending = await self._once()
        return self._ending

    async def _once(self) -> Ending:
        try:
            with trio.fail_after(CONNECT_S):
                sock = await self._connect(self._host, self._port)
            link = self._open_link(sock, self.name)
        except (OSError, trio.TooSlowError) as error:
            reason = "no answer" if isinstance(error, trio.TooSlowError) else failure_reason(error)
            self._say(f"cannot be reached: {reason}; {self._advice}")
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
                self.backoff.reset()
        elif link.ending is Ending.LOST:
            self._say("closed the connection without an answer; is it a Penstock gateway's port for services?")

    def _say(self, what: str) -> None:
        """Log once what keeps us from the gateway, not at each try."""
        level = logging.DEBUG if self._said == what else logging.WARNING
        self._said = what
        log.log(level, "gateway %s: %s", self.name, what)


def failure_reason(error: OSError) -> str:
    """The text of the error that the system gave, without its wrappings."""
    cause: BaseException | None = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    text = cause.strerror if isinstance(cause, OSError) else None
    return text or str(error)
