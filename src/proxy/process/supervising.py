"""The process that supervises workers. `penstock serve` becomes it where there are to be workers.

    python -m proxy.process.supervising [--config FILE] [--edge-deadline 5s ...]

SIGTERM, SIGINT    drain all workers, then end; a second one ends at once
SIGHUP             have all workers read settings and certificates again
SIGUSR2            upgrade: start the version that is installed now in the place of this one
"""

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from penstock.settings import Loaded
from proxy.cli.failures import failures_explained
from proxy.config import GatewayConfig, load_gateway
from proxy.config.loader import Loader
from proxy.process.serving import logging_failures, read_command_line, start_logs
from proxy.supervisor.upgrade import (
    ADOPT_FLAG,
    CHECK_FLAG,
    Checked,
    Handover,
    read_handover,
    supervisor_words,
    write_handover,
)

_log = logging.getLogger("penstock.supervisor")


def check(words: Sequence[str]) -> None:
    """Read the settings and import what serves; say which version this is."""
    path, flags = read_command_line(words)
    with failures_explained():
        load_gateway(dict(os.environ), flags=flags, path=path)
        import proxy.process.supervised
        import proxy.process.working  # noqa: F401 - that it can be
    sys.stdout.write(msgspec.json.encode(Checked()).decode())


def run_supervisor(
    loaded: Loaded[GatewayConfig],
    load: Loader,
    path: Path | None,
    words: Sequence[str],
    left: Handover | None,
) -> Handover | None:
    """Run workers until told to end: None; or until another version takes over: what to leave to it."""
    import trio

    from proxy.process.supervised import supervise

    return trio.run(supervise, loaded, load, path, words, left)


def give_way(handover: Handover, words: Sequence[str]) -> None:
    """Become the next program. Signals are blocked, and wait until it can hear them.

    Raises:
        OSError: it cannot be started.
    """
    number = write_handover(handover)
    line = supervisor_words(handover.python, [ADOPT_FLAG, str(number), *words])
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execv(line[0], line)  # noqa: S606 - our own Python
    except OSError:
        os.close(number)
        raise


def main(words: Sequence[str] | None = None) -> None:
    """Supervise, and exit with a line for each known failure. words: in place of this process's own."""
    words = list(sys.argv[1:] if words is None else words)
    if words[:1] == [CHECK_FLAG]:
        check(words[1:])
        return
    left = None
    if words[:1] == [ADOPT_FLAG]:
        left, words = read_handover(int(words[1])), words[2:]
    path, flags = read_command_line(words)
    load = Loader(partial(load_gateway, dict(os.environ), flags=flags, path=path), path)
    with failures_explained():
        while True:
            loaded = load()
            with logging_failures(start_logs(loaded)):
                left = run_supervisor(loaded, load, path, words, left)
            if left is None:
                return
            try:
                give_way(left, words)
            except OSError as error:  # it was there a moment before; this one goes on
                left = msgspec.structs.replace(left, error=f"the new version cannot be started: {error}")


if __name__ == "__main__":
    main()
