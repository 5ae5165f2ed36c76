"""One started program: its log in a file, in a session of its own, and ended whatever happens."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from loadtests.record import Role
from loadtests.stand.keeper import kill_session
from loadtests.tools import ROOT

END_S: Final = 8.0


class Keeper:
    """The process that ends what is left when this one is killed."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.stand.keeper"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _say(self, line: str) -> None:
        if (pipe := self._process.stdin) is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):  # somebody has killed it, which is no reason to stop
                pipe.write(line.encode() + b"\n")
                pipe.flush()

    def takes(self, what: int | Path) -> None:
        """Have a session ended, or a folder removed, with this process."""
        self._say(f"+ {what}")

    def forgets(self, what: int | Path) -> None:
        """Leave a session alone that has ended, for its number may be given to another; or a folder."""
        self._say(f"- {what}")

    def close(self) -> None:
        """End it, and with it whatever it still knows."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class Child:
    """A program that can be started again under its name."""

    def __init__(
        self, name: str, role: Role, command: Sequence[str], environment: Mapping[str, str], log: Path, keeper: Keeper
    ) -> None:
        """environment: added to ours without PENSTOCK_ settings; log: where its output goes, of each start."""
        self.name = name
        self.role: Role = role
        self.log = log
        self._command = list(command)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._environment = {**inherited, **environment}
        self._keeper = keeper
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its first process; 0 where it was never started."""
        return self._process.pid if self._process else 0

    @property
    def is_alive(self) -> bool:
        """It was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As subprocess tells it; None while it lives."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it. Raises OSError when it cannot be."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._keeper.takes(self._process.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def end(self, within_s: float = END_S) -> None:
        """Ask it to end, then end all its processes. Does no harm when they have ended."""
        if self._process is None:
            return
        session = self._process.pid
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        kill_session(session)
        self._process.wait()
        self._keeper.forgets(session)

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1][:500] if lines else "it said nothing"


def end_together(children: Sequence[Child], within_s: float = END_S) -> None:
    """End several, which take their time at once."""
    for child in children:
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGCONT)
    until = time.monotonic() + within_s
    for child in children:
        child.end(max(0.0, until - time.monotonic()))
