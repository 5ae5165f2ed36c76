"""One started program: pinned to a core, waited for until it answers, and ended whatever happens."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.accounting import with_descendants
from benchmarks.machine import pinned
from benchmarks.tools import ROOT, NotMeasured

START_WITHIN_S = 15.0
END_WITHIN_S = 5.0


class Server:
    """A program that runs while it is entered.

    Resource handling: it has a session of its own, so that Ctrl-C at the terminal ends it only through us: SIGTERM to
    its first process, then SIGKILL to whatever of its processes is left.
    """

    def __init__(
        self, name: str, command: Sequence[str], core: int, folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        """Start nothing yet. ``folder`` takes the log; ``environment`` is added to ours without PENSTOCK_ settings."""
        self.name = name
        self.command = list(command)
        self.core = core
        self.log = folder / f"{name.replace(' ', '-')}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self.environment = {**inherited, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log, pinned(self.core):
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _running.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End all processes. Does no harm when they have ended."""
        if self._process is None or self not in _running:
            return
        family = self.pids()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN_S)
        for pid in family:  # all children of ours; one that has ended and was waited for is gone, and harmless to name
            with contextlib.suppress(ProcessLookupError):
                if pid == self._process.pid and self._process.returncode is not None:
                    continue
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        _running.remove(self)

    def pids(self) -> list[int]:
        """Return all processes of this program that are alive."""
        if self._process is None or self._process.poll() is not None:
            return []
        return with_descendants([self._process.pid])

    def check_alive(self) -> None:
        """Raise NotMeasured, with the end of the log, when the program has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise NotMeasured(f"{self.name} ended with code {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the last line of the log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


_running: list[Server] = []


def end_all() -> None:
    """End every server that an interrupt at the wrong moment has kept from being ended where it was started."""
    for server in list(_running):
        server.end()


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(
    port: int, method: str, path: str, *, is_tls: bool = False, headers: Mapping[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Send one request and return status, content type and body. By TLS, no certificate is checked."""
    connection = _connection(port, is_tls)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read()
    finally:
        connection.close()


def _connection(port: int, is_tls: bool) -> http.client.HTTPConnection:
    if not is_tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)


def wait_listening(server: Server, port: int) -> None:
    """Wait until the port accepts connections. Raises NotMeasured when the server ends, or takes too long."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        server.check_alive()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise NotMeasured(
        f"{server.name} does not listen on port {port} after {START_WITHIN_S:.0f} s: {server.last_words()}"
    )


def wait_answering(
    servers: Sequence[Server], port: int, path: str, expected: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Wait until a GET gives 200, JSON, and exactly the bytes expected. Raises NotMeasured with what came instead."""
    deadline = time.monotonic() + START_WITHIN_S
    seen = "nothing"
    while time.monotonic() < deadline:
        for server in servers:
            server.check_alive()
        try:
            status, kind, body = fetch(port, "GET", path, headers=headers)
        except OSError as error:
            seen = f"{type(error).__name__}: {error}"
        else:
            if status == 200 and kind.startswith("application/json") and body == expected:
                return
            seen = f"{status} {kind} {body[:200]!r}"
        time.sleep(0.05)
    raise NotMeasured(f"{servers[-1].name} does not answer GET {path} as expected: {seen}")
