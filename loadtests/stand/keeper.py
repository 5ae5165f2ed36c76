"""Ends the stand when the runner can not: a small process that outlives it.

Its input is a pipe from the runner. A line `+ SESSION` names a session that the runner has started, `- SESSION` one
that it has ended itself. When the pipe ends, be it that the runner was killed, every process of the sessions that are
left is killed; those that are stopped, too. It is in a session of its own, so that Ctrl-C does not reach it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable

from loadtests.stand.procfs import in_session


def sessions_left(lines: Iterable[str]) -> list[int]:
    """Return the sessions that were named, and not ended, in their order."""
    left: dict[int, None] = {}
    for line in lines:
        sign, _, number = line.strip().partition(" ")
        if sign == "+":
            left[int(number)] = None
        elif sign == "-":
            left.pop(int(number), None)
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
    for session in sessions_left(sys.stdin):
        kill_session(session)


if __name__ == "__main__":
    main()
