"""Opens listening sockets, and says what to do where the system refuses one."""

import errno
import socket
from collections.abc import Sequence

from penstock.settings import Address, Problem
from penstock.settings.registry import PREFIX

TCP_NOTSENT_LOWAT = 25  # linux/tcp.h; Python has no name for it
NOTSENT_BYTES = 131_072
"""What may wait unsent in the kernel for one client. Without it a slow reader's socket takes megabytes as fast as
they come, which costs the others and hides that it is slow. What is on its way does not count: nobody is slowed."""
BACKLOG = 1024  # connections that the kernel completes before they are accepted; one batch takes many


class ListenError(Exception):
    """An address cannot be listened on. Its text is one line: what, where, why, the fix."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def open_listener(address: Address, name: str) -> socket.socket:
    """Return a non-blocking socket that listens on the address, or raise `ListenError`.

    name: the setting that the address comes from, such as ``edge.listen``. A host name counts with its first address.
    An IPv6 wildcard takes IPv6 only, so that what is listened on does not depend on the machine's configuration. Port 0
    takes a free port. The caller owns the socket.
    """
    try:
        return _listen(*_resolved(address), is_edge=name.startswith("edge."))
    except OSError as error:
        raise ListenError(_explain(error, address, name)) from None


def open_shared(address: Address, name: str, count: int, beside: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """Return sockets that listen on one address together, or raise `ListenError`; the kernel deals out connections.

    Nobody else may be on it, not even with sockets that could share it. beside: our own that are there already.
    """
    opened: list[socket.socket] = []
    try:
        family, where = _resolved(address)
        if beside:
            where = beside[0].getsockname()
        elif address.port:
            _listen(family, where, is_edge=False, listens=False).close()
        for _ in range(count):
            opened.append(_listen(family, where, is_edge=name.startswith("edge."), is_shared=True))
            where = opened[0].getsockname()  # the others are where the first is
    except OSError as error:
        for listener in opened:
            listener.close()
        raise ListenError(_explain(error, address, name)) from None
    return opened


def _resolved(address: Address) -> tuple[int, tuple[object, ...]]:
    host = address.host
    family, _, _, _, where = socket.getaddrinfo(
        host.encode() if host.isascii() else host,  # a text loads what knows all of Unicode, even for digits
        address.port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV,
    )[0]
    return family, where


def _listen(
    family: int, where: tuple[object, ...], *, is_edge: bool, is_shared: bool = False, listens: bool = True
) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if is_edge:  # the connections that it accepts inherit it
            listener.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES)
        listener.bind(where)
        if listens:
            listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _explain(error: OSError, address: Address, name: str) -> Problem:
    where = f"{PREFIX}{name.replace('.', '_').upper()}={address}"
    if isinstance(error, socket.gaierror):
        return Problem("unknown_host", name, where, f"no address is known for {address.host!r}", "write an IP address")
    if error.errno == errno.EADDRINUSE:
        fix = f"stop what uses it (`ss -ltnp sport = :{address.port}`), or set another"
        return Problem("port_in_use", name, where, f"port {address.port} is in use", fix)
    if error.errno in (errno.EACCES, errno.EPERM):
        fix = "set a port of 1024 or above, or allow it (`setcap cap_net_bind_service=+ep` on the interpreter)"
        return Problem("port_not_allowed", name, where, f"this user may not listen on port {address.port}", fix)
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        fix = "set an address of this machine (`ip address` lists them)"
        return Problem("address_not_here", name, where, f"{address.host} is no address of this machine", fix)
    return Problem("cannot_listen", name, where, error.strerror or str(error), "set another address")
