"""Ends the stand when the runner can not: a small process that outlives it.

Its input is a pipe from the runner. A line `+ SESSION` names a session that the runner has started, `- SESSION` one
that it has ended itself; `+ /FOLDER` a folder for the time of the run, `- /FOLDER` one that it removes itself. When the
pipe ends, be it that the runner was killed, every process of the sessions that are left is killed, those that are
stopped, too, and what is left of folders is removed. It is in a session of its own, so that Ctrl-C does not reach it.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable

from loadtests.stand.procfs import in_session


def left_over(lines: Iterable[str]) -> list[str]:
    """Return the sessions and folders that were named, and not taken back, in their order."""
    left: dict[str, None] = {}
    for line in lines:
        sign, _, name = line.strip().partition(" ")
        if sign == "+":
            left[name] = None
        elif sign == "-":
            left.pop(name, None)
    return list(left)


def kill_session(session: int) -> None:
    """Kill all processes of a session, and what they start meanwhile."""
    for _ in range(10):
        pids = in_session(session)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            return


def main() -> None:
    """Wait for the end of the input, and end what is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    left = left_over(sys.stdin)
    for session in (name for name in left if name.isdecimal()):
        kill_session(int(session))
    for folder in (name for name in left if name.startswith("/")):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
