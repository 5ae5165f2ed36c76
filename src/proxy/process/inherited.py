"""What a supervisor gives to a worker: who it is, and sockets, by the numbers of their descriptors.

It stands on the worker's command line, where people see it, too:

    python -P -m proxy.process.serving --as-worker 0.1 --begin holding --sockets control=5,edge=6,services=7,own=8 ...
"""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.supervisor import WORKER_FLAG

if TYPE_CHECKING:
    from proxy.gateway.listeners import Listeners

BEGIN_FLAG: Final = "--begin"
SOCKETS_FLAG: Final = "--sockets"

HOLDING: Final = "holding"
SERVING: Final = "serving"
"""A worker that begins holding takes services, and no clients until it is told to."""


class Inherited(NamedTuple):
    """A worker's part. sockets: by what they are for, of CONTROL to OWN; descriptors are closed by who takes them."""

    worker: str
    holds: bool
    sockets: Mapping[str, Sequence[int]]

    def words(self) -> list[str]:
        """Return the words of the command line."""
        sockets = ",".join(f"{name}={number}" for name, numbers in self.sockets.items() for number in numbers)
        return [WORKER_FLAG, self.worker, BEGIN_FLAG, HOLDING if self.holds else SERVING, SOCKETS_FLAG, sockets]

    @property
    def descriptors(self) -> list[int]:
        """All of them."""
        return [number for numbers in self.sockets.values() for number in numbers]

    def settings_text(self) -> bytes | None:
        """Return what the settings file is to be taken to say, once; None where there is no such file."""
        numbers = self.sockets.get(SETTINGS, ())
        for number in numbers:
            try:
                return os.pread(number, os.fstat(number).st_size, 0)  # others read it, too
            finally:
                os.close(number)
        return None

    def control(self) -> socket.socket:
        """Return this end of the connection to the supervisor, taken over."""
        (number,) = self.sockets[CONTROL]
        return taken(number)

    def listeners(self) -> "Listeners":
        """Return the listening sockets, taken over."""
        from proxy.gateway.listeners import Listeners  # a supervisor has no use for it

        edge, secured, services, own = (
            [taken(number) for number in self.sockets.get(name, ())] for name in (EDGE, SECURED, SERVICES, OWN)
        )
        return Listeners(edge, [*own, *services], None, secured, holds_edge=self.holds)


CONTROL: Final = "control"
EDGE: Final = "edge"
SECURED: Final = "edge_tls"
SERVICES: Final = "services"
OWN: Final = "own"
SETTINGS: Final = "settings"
"""CONTROL: to the supervisor; SERVICES: where any worker may take a service; OWN: where only this worker does;
SETTINGS, no socket but a file in memory: what the settings file said when it was applied last."""


def taken(number: int) -> socket.socket:
    """Return the socket of an inherited descriptor, which programs that this process starts do not inherit again."""
    inherited = socket.socket(fileno=number)
    inherited.set_inheritable(False)
    return inherited


def read_inherited(words: Sequence[str]) -> tuple[Inherited, Sequence[str]]:
    """Return a worker's part, and the other words of its command line, which come behind `Inherited.words`."""
    given, others = dict(zip(words[:6:2], words[1:6:2], strict=True)), words[6:]
    sockets: dict[str, list[int]] = {}
    for text in given[SOCKETS_FLAG].split(","):
        name, _, number = text.partition("=")
        sockets.setdefault(name, []).append(int(number))
    return Inherited(given[WORKER_FLAG], given[BEGIN_FLAG] == HOLDING, sockets), others
