"""The listening sockets of one process: which of them the wire watches, and which wait.

A process that serves alone has them for itself, and the wire takes them over. A worker has got them from its
supervisor, which keeps them, too: so a worker may leave them to another one, and nobody who waits in their queues is
lost.
"""

import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from frames.wire import Wire
from frames.wire_values import SocketKind


class Addresses(NamedTuple):
    """Where a running gateway can be reached, as ``(host, port)``."""

    edge: tuple[str, int]
    services: tuple[str, int]
    admin: tuple[str, int]


_NOWHERE = ("", 0)


class Listeners:
    """Sockets that listen, until they are closed here or the wire has taken them over.

    admin: None in a worker, whose supervisor has the admin pages; holds_edge: clients are taken when `serve_edge` is
    called, and not before. To be entered as a context: what nobody has taken over is closed in the end.
    """

    def __init__(
        self,
        edge: Sequence[socket.socket],
        services: Sequence[socket.socket],
        admin: socket.socket | None = None,
        secured: Sequence[socket.socket] = (),
        *,
        holds_edge: bool = False,
    ) -> None:
        """Take the sockets over. secured: for clients by TLS."""
        self.edge = tuple(edge)
        self.services = tuple(services)
        self.admin = admin
        self.secured = tuple(secured)
        self.holds_edge = holds_edge
        self.is_holding_services = False
        self.addresses = Addresses(
            _name(self.edge[0]), _name(self.services[0]), _NOWHERE if admin is None else _name(admin)
        )
        """Where they listen: of several for one purpose, the first."""
        self.secured_addresses = [_name(listener) for listener in self.secured[:1]]
        """Where clients by TLS are taken."""
        self._wire: Wire | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what nobody has taken over."""
        for listener in (*self.edge, *self.secured, *self.services, *filter(None, [self.admin])):
            listener.close()

    def open(self, wire: Wire) -> None:
        """Have the wire watch them, but for the edge where that is to wait."""
        self._wire = wire
        self.hold_services(False)
        if not self.holds_edge:
            self.serve_edge()

    def serve_edge(self) -> None:
        """Take clients from now on."""
        assert self._wire is not None, "open it first"  # noqa: S101 - a mistake of ours
        self.holds_edge = False
        _hand_over(self._wire, self.edge, SocketKind.EDGE)
        _hand_over(self._wire, self.secured, SocketKind.EDGE_TLS)

    def hold_services(self, holds: bool) -> None:
        """Take no new connections from services any more, or take them again. Those that are there stay."""
        assert self._wire is not None, "open it first"  # noqa: S101 - a mistake of ours
        self.is_holding_services = holds
        if holds:
            self._wire.stop_listening(SocketKind.FRAMED)
        elif self.admin is None:  # a worker's: it may have to take them again
            _hand_over(self._wire, [listener.dup() for listener in self.services], SocketKind.FRAMED)
        else:
            _hand_over(self._wire, self.services, SocketKind.FRAMED)


def _name(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def _hand_over(wire: Wire, listeners: Iterable[socket.socket], kind: SocketKind) -> None:
    for listener in listeners:
        wire.listen(listener, kind)
