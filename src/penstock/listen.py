"""Listening: gateways that dial this service are accepted, up to a bound, and worked with like those that it dials."""

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from penstock.dial import WELCOME_S
from penstock.errors import GatewayError
from penstock.link import Link
from penstock.waiting import wait_first

if TYPE_CHECKING:
    import ssl

__all__ = ["GATEWAYS_MAX", "Listener"]

log = logging.getLogger("penstock.listen")

GATEWAYS_MAX = 64
"""Connections at once, greeted or not: gateways of a platform, with room; a stranger cannot have all descriptors."""
BACKLOG = 64
ACCEPT_AGAIN_S = 0.1
"""After accepting failed for want of descriptors or memory."""


class ListenPlace(Protocol):
    """Where to listen."""

    @property
    def host(self) -> str:
        """An address, or a name of one."""
        ...

    @property
    def port(self) -> int:
        """0 for any."""
        ...


class Listener:
    """Accepts gateways."""

    def __init__(
        self,
        place: ListenPlace,
        open_link: Callable[[socket.socket, str], Link],
        work: Callable[[Link], Awaitable[None]],
        *,
        gateways_max: int = GATEWAYS_MAX,
        context: "ssl.SSLContext | None" = None,
        stir: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where to listen, what makes a greeted link of a socket, and what to do with an open one until it ends.

        context: with which TLS is spoken, None for none; stir: has the wire not linger while tasks carry what is
        secured. Raises GatewayError when it cannot be listened there.
        """
        self._open_link = open_link
        self._work = work
        self._gateways_max = gateways_max
        self._context = context
        self._stir = stir
        self._connected = 0
        self._is_full = False
        try:
            family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
            self._socket = socket.create_server((place.host, place.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise GatewayError(
                f"cannot listen on {place.host}:{place.port}: {os.strerror(error.errno or 0)};"
                " set PENSTOCK_SERVICE_LISTEN to a free port of an address of this machine"
            ) from error

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._socket.getsockname()[1]
        return port

    async def run(self) -> NoReturn:
        """Accept until cancelled."""
        listener = trio.socket.from_stdlib_socket(self._socket)
        log.info("listening for gateways on %s:%d", *self._socket.getsockname()[:2])
        with listener:
            async with trio.open_nursery() as nursery:
                while True:
                    try:
                        accepted, address = await listener.accept()
                    except OSError as error:
                        log.warning("a gateway could not be accepted: %s", error.strerror or error)
                        await trio.sleep(ACCEPT_AGAIN_S)
                        continue
                    self._begin(nursery, accepted, f"{address[0]}:{address[1]}")

    def _begin(self, nursery: trio.Nursery, accepted: trio.socket.SocketType, name: str) -> None:
        """Work with a gateway in a task of its own, or close its connection where there are enough."""
        sock = socket.socket(fileno=accepted.detach())
        is_full = self._connected >= self._gateways_max
        if is_full:
            sock.close()
            if not self._is_full:
                log.warning("gateway %s: turned away, %d are connected, which is the bound", name, self._gateways_max)
        else:
            self._connected += 1
            nursery.start_soon(self._serve, nursery, sock, name)
        self._is_full = is_full

    async def _serve(self, nursery: trio.Nursery, sock: socket.socket, name: str) -> None:
        link: Link | None = None
        try:
            if self._context is not None:
                sock = await self._secure(nursery, sock, self._context)
            link = self._open_link(sock, name)
            with trio.move_on_after(WELCOME_S):
                await wait_first(link.opened, link.ended)
            if link.opened.is_set():
                await self._work(link)
            elif not link.ended.is_set():
                log.warning("gateway %s: did not answer HELLO; is it a Penstock gateway that dials this port?", name)
        except OSError as error:
            log.warning("gateway %s: %s", name, error)
        except trio.TooSlowError:
            log.warning("gateway %s: did not end its TLS handshake; is services.dial written with tls://?", name)
        finally:
            self._connected -= 1
            if link is not None:
                link.close()

    async def _secure(self, nursery: trio.Nursery, sock: socket.socket, context: "ssl.SSLContext") -> socket.socket:
        """Speak TLS on what was accepted. Raises OSError, and trio.TooSlowError."""
        from penstock.tunnel import secure

        with trio.fail_after(WELCOME_S):
            return await secure(nursery, sock, context, stir=self._stir)
