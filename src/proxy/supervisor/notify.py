"""What a service manager is told, in systemd's form (sd_notify(3)), and sockets that it has opened (sd_listen_fds(3)).

Where none has started this process, nothing happens.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

import trio

from proxy import __version__
from proxy.process.inherited import EDGE, SECURED, SERVICES, taken
from proxy.supervisor.errors import ActivationError

_FIRST_DESCRIPTOR: Final = 3
_ADMIN: Final = "admin"
_NAMES: Final = {"edge": EDGE, "edge_tls": SECURED, "services": SERVICES, "admin": _ADMIN}
"""What FileDescriptorName= says of a socket."""

SETTINGS: Final = {
    EDGE: "edge.listen",
    SECURED: "edge.tls_listen",
    SERVICES: "services.listen",
    _ADMIN: "admin.listen",
}
"""What each socket stands for."""


def notify(*lines: str) -> None:
    """Tell the service manager, if there is one: ``READY=1``, ``STATUS=...``. What it does not take is lost."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + place[1:] if place.startswith("@") else place)
        sender.send("\n".join(lines).encode())


def notify_reloading() -> None:
    """Tell that settings are read again, or that another program takes this one's place. READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_in_touch() -> None:
    """Tell that this process is ready, and then that it is alive, as often as the service manager wants to hear it."""
    notify("READY=1", f"STATUS=version {__version__} serves")
    while interval_s := watchdog_s():
        notify("WATCHDOG=1")
        await trio.sleep(interval_s)


def watchdog_s(environment: MutableMapping[str, str] | None = None) -> float:
    """Return how often the service manager wants to hear of this process; 0.0: never."""
    given = os.environ if environment is None else environment
    if given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = given.get("WATCHDOG_USEC", "")
    return int(text) / 2_000_000 if text.isdigit() else 0.0


def activated(environment: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """Return the sockets that the service manager has opened for this process, by what they are for.

    Its variables are taken out of the environment: what this process starts is not meant by them.

    Raises:
        ActivationError: a socket has no name that says what it is for, or does not listen.
    """
    count, pid = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdigit() or pid != str(os.getpid()):
        return {}
    found: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        if name not in _NAMES:
            wanted = ", ".join(_NAMES)
            raise ActivationError(
                f"the service manager opened a socket named {name!r}; write FileDescriptorName= with one of {wanted}"
            )
        opened = taken(_FIRST_DESCRIPTOR + index)
        if opened.type != socket.SOCK_STREAM or not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ActivationError(f"the socket {name!r} of the service manager does not listen; write ListenStream=")
        opened.setblocking(False)
        found.setdefault(_NAMES[name], []).append(opened)
    return found
