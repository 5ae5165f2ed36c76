"""Cuts connections of another process, as a network does: both ends see them end, and none was asked.

A duplicate of the other process's descriptor (pidfd_getfd(2)) is shut down. The kernel lets us do that to processes
that we could trace: those that we have started, or all, as root.
"""

import contextlib
import ctypes
import os
import socket
from pathlib import Path
from typing import Final

_PIDFD_GETFD: Final = 438  # the same number on every architecture


class CutError(Exception):
    """No connection could be cut. Its text says why."""


def cut(pid: int) -> int:
    """Shut down every TCP connection that a process has now, and return how many. Raises `CutError`."""
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        raise CutError(f"process {pid} has gone") from error
    try:
        return sum(_cut(handle, number) for number in _sockets(pid))
    finally:
        os.close(handle)


def _sockets(pid: int) -> list[int]:
    numbers = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                numbers.append(int(entry.name))
    return numbers


def _cut(handle: int, number: int) -> bool:
    """Whether that socket was a connection by TCP, and is one no more."""
    ours = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, handle, number, 0)
    if ours < 0:
        code = ctypes.get_errno()
        if code in (1, 38):  # EPERM, ENOSYS
            why = os.strerror(code)
            raise CutError(f"connections cannot be cut here: {why}; it takes Linux 5.6, and the right to trace")
        return False
    with socket.socket(fileno=ours) as connection:
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.type != socket.SOCK_STREAM:
            return False
        with contextlib.suppress(OSError):  # one that listens has no other end
            connection.getpeername()
            connection.shutdown(socket.SHUT_RDWR)
            return True
        return False
