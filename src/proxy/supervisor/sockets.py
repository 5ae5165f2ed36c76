"""The listening sockets of all workers. Workers come and go; who waits in the queue of a socket is taken by the next.

Each slot has sockets of its own on the same address (SO_REUSEPORT): the kernel deals out connections among them. Where
there are more sockets than slots, since there were more slots before, each slot has several: none may be closed while
clients are sent to it. Where there are fewer, since the service manager has opened them, slots share them.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from penstock.settings import Address
from proxy.config import GatewayConfig
from proxy.edge.listen import open_listener, open_shared
from proxy.process.inherited import EDGE, OWN, SECURED, SERVICES, SETTINGS, taken

ADMIN: Final = "admin"


class _Purpose(NamedTuple):
    """What sockets are for: the setting that says where."""

    setting: str
    address: Address | None


class Passed(msgspec.Struct, frozen=True):
    """Sockets that another program leaves to this one. address: as its settings had it."""

    address: str
    descriptors: tuple[int, ...]


class Sockets:
    """All of them, by purpose. Whoever made it calls `close` in the end."""

    def __init__(self, count: int) -> None:
        """count: slots. Nothing is open yet."""
        self._count = count
        self._addresses: dict[str, str] = {}
        self._sockets: dict[str, list[socket.socket]] = {}
        self._settings: int | None = None

    @property
    def admin(self) -> socket.socket:
        """Where the supervisor's admin pages are."""
        return self._sockets[ADMIN][0]

    def address(self, purpose: str) -> tuple[str, int] | None:
        """Return where the sockets of a purpose listen; None where there are none."""
        opened = self._sockets.get(purpose)
        if not opened:
            return None
        host, port = opened[0].getsockname()[:2]
        return str(host), int(port)

    def of_slot(self, slot: int) -> Mapping[str, Sequence[int]]:
        """Return the descriptors that a slot's worker inherits."""
        shared = {name: _dealt(self._sockets.get(name, []), slot, self._count) for name in (EDGE, SECURED, SERVICES)}
        given = shared | {OWN: [self._sockets[OWN][slot]]}
        numbers = {name: [each.fileno() for each in sockets] for name, sockets in given.items() if sockets}
        return numbers if self._settings is None else {**numbers, SETTINGS: [self._settings]}

    def keep_settings(self, text: bytes | None) -> None:
        """Have workers begin with this text of the settings file, whatever stands in it then. None: there is none."""
        before = self._settings
        self._settings = None
        if text is not None:
            self._settings = os.memfd_create("penstock settings")
            with open(self._settings, "wb", closefd=False) as stream:
                stream.write(text)
        if before is not None:
            os.close(before)

    def open(self, config: GatewayConfig, ready: Mapping[str, Sequence[socket.socket]] | None = None) -> None:
        """Open what is missing, or nothing. ready: sockets that are there already, by purpose; they are taken over.

        Raises:
            ListenError: an address cannot be listened on.
        """
        self._sockets = {name: list(sockets) for name, sockets in (ready or {}).items()}
        try:
            # The admin listener is first: two supervisors with the same settings meet there, and share nothing.
            for name, purpose in _purposes(config).items():
                if purpose.address is None:
                    continue
                self._addresses[name] = str(purpose.address)
                self._sockets[name] = self._opened(name, purpose.setting, purpose.address)
            self._addresses[OWN] = _own_address(config)
            self._open_own(config)
        except BaseException:
            self.close()
            raise

    def _opened(self, name: str, setting: str, address: Address) -> list[socket.socket]:
        there = self._sockets.get(name, [])
        if name == ADMIN:
            return there or [open_listener(address, setting)]
        if not there:
            return open_shared(address, setting, self._count)
        if not all(each.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for each in there):
            return there
        return there + open_shared(address, setting, max(0, self._count - len(there)), there)

    def _open_own(self, config: GatewayConfig) -> None:
        own = config.services.worker_listen
        host, port = (own.host, own.port) if own else (config.services.listen.host, 0)
        there = self._sockets.setdefault(OWN, [])
        for slot in range(len(there), self._count):
            there.append(open_listener(Address(host, port and port + slot), "services.worker_listen"))

    def adopt(self, config: GatewayConfig, passed: Mapping[str, Passed]) -> None:
        """Go on with what another program had, where the settings still say so, and open the rest.

        Raises:
            ListenError: an address cannot be listened on.
        """
        wanted = {name: str(each.address) for name, each in _purposes(config).items()} | {OWN: _own_address(config)}
        ready: dict[str, list[socket.socket]] = {}
        for name, each in passed.items():
            sockets = [taken(number) for number in each.descriptors]
            if wanted.get(name) == each.address:
                ready[name] = sockets
            else:
                for one in sockets:
                    one.close()
        self.open(config, ready)

    def leave(self) -> dict[str, Passed]:
        """Return what to pass on; the descriptors belong to whoever gets it."""
        passed = {
            name: Passed(self._addresses[name], tuple(each.detach() for each in sockets))
            for name, sockets in self._sockets.items()
        }
        self._sockets = {}
        return passed

    def close(self) -> None:
        """Close all of them."""
        self.keep_settings(None)
        for sockets in self._sockets.values():
            for each in sockets:
                each.close()
        self._sockets = {}


def _purposes(config: GatewayConfig) -> dict[str, _Purpose]:
    return {
        ADMIN: _Purpose("admin.listen", config.admin.listen),
        EDGE: _Purpose("edge.listen", config.edge.listen),
        SECURED: _Purpose("edge.tls_listen", config.edge.tls_listen),
        SERVICES: _Purpose("services.listen", config.services.listen),
    }


def _own_address(config: GatewayConfig) -> str:
    return str(config.services.worker_listen or f"{config.services.listen.host}:*")


def _dealt(sockets: Sequence[socket.socket], slot: int, count: int) -> Sequence[socket.socket]:
    """Return a slot's share: every socket is somebody's, and nobody is without."""
    return sockets[slot::count] or sockets[slot % len(sockets) :][:1] if sockets else ()
