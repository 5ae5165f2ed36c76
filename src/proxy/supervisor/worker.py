"""One worker: a process of its own, a fresh one and no fork, with a connection on which it is asked.

A worker may have been started by the program that this one has replaced in the same process: it is a child all the
same. So children are watched by their descriptors (pidfd), and not by what has started them.
"""

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import trio

from proxy.control.client import WorkerLink
from proxy.process.inherited import CONTROL, HOLDING, SERVING, Inherited

STARTING: Final = "starting"
DRAINING: Final = "draining"

_OURS_ALONE: Final = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables by which a service manager speaks to the supervisor."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
"""What a supervisor heeds. They are as usual for workers, however they are for it."""


def followers_of(status: Mapping[str, Any]) -> frozenset[str]:
    """Return the instances that come to each worker, by what one says of itself. A worker of before may not say it."""
    return frozenset(status.get("followers", status["instances"]))


class Worker:
    """A process that serves, or is about to. `run` has to run for it to be asked, and for its end to be noticed."""

    def __init__(
        self,
        worker_id: str,
        pid: int,
        control: socket.socket,
        *,
        state: str = STARTING,
        services_port: int = 0,
        started_at: float | None = None,
    ) -> None:
        """Take the connection over. worker_id: slot and generation, ``0.1``; started_at: seconds since 1970."""
        self.id = worker_id
        self.slot = int(worker_id.partition(".")[0])
        self.pid = pid
        self.state = state
        self.services_port = services_port
        self.started_at = time.time() if started_at is None else started_at
        self.control = control
        control.setblocking(False)
        self.link = WorkerLink(trio.SocketStream(trio.socket.from_stdlib_socket(control.dup())))
        self.instances: frozenset[str] = frozenset()
        """Those that could be asked through it when somebody looked last, and that come to each worker."""
        self.leaving = trio.Event()
        """It drains, or has ended: somebody has to take its place."""
        self.ended = trio.Event()
        self.end = ""
        """How it ended: in words."""
        self.exit_code = 0
        self._pidfd = os.pidfd_open(pid)

    def __repr__(self) -> str:
        """Return who and how it is."""
        return f"<Worker {self.id} pid {self.pid} {self.state}>"

    @property
    def takes_services(self) -> bool:
        """Whether services are to be told of it."""
        return self.state in (HOLDING, SERVING) and not self.ended.is_set()

    async def run(self) -> None:
        """Carry questions, and wait for its end. Cancelled, it leaves the process alone, and `control` open."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.link.run)
                await trio.lowlevel.wait_readable(self._pidfd)
                self._reap()
                nursery.cancel_scope.cancel()
        finally:
            if self.ended.is_set():
                self.control.close()
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap(self) -> None:
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        assert ended is not None  # noqa: S101 - it was told of as ended
        if ended.si_code == os.CLD_EXITED:
            self.exit_code = ended.si_status
            self.end = f"has ended with status {ended.si_status}"
        else:
            self.exit_code = 128 + ended.si_status
            self.end = f"was ended by {signal.Signals(ended.si_status).name}"
        self.leaving.set()
        self.ended.set()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self._pidfd >= 0 and not self.ended.is_set():
            signal.pidfd_send_signal(self._pidfd, number)

    def drains(self) -> None:
        """Note that it was told to drain, or does."""
        self.state = DRAINING
        self.leaving.set()

    async def ask(self, method: str, body: Any = None, *, timeout_s: float = 5.0) -> Any:
        """Ask it. `WorkerGone`, `WorkerRefusal` as of its link."""
        return await self.link.ask(method, body, timeout_s=timeout_s)


def start_worker(worker_id: str, words: Sequence[str], sockets: Mapping[str, Sequence[int]], *, holds: bool) -> Worker:
    """Start a process, and return its worker, starting. words: of `proxy.process.serving.command_line`.

    Raises:
        OSError: no process can be started.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            part = Inherited(worker_id, holds, {**sockets, CONTROL: [theirs.fileno()]})
            pid = _spawn([*words[:4], *part.words(), *words[4:]], part.descriptors)
        return Worker(worker_id, pid, ours)
    except BaseException:
        ours.close()
        raise


def _spawn(words: list[str], descriptors: Sequence[int]) -> int:
    """Start a program in a process group of its own: what is typed at a terminal is for the supervisor.

    descriptors: those that it inherits. To duplicate one to its own number lets it live through the exec.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    return os.posix_spawn(
        words[0],
        words,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, number, number) for number in descriptors],
        setpgroup=0,
        setsigmask=(),
        setsigdef=SIGNALS,
    )
