"""The process that serves. `penstock serve` becomes it: what reads a command line is not held in memory while serving.

    python -m proxy.process.serving [--config FILE] [--edge-deadline 5s ...]

It takes what `penstock serve` has checked and nothing else: each flag is followed by its value. A supervisor starts its
workers in the same way, with what they inherit (`proxy.process.inherited`).
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.settings import Loaded
from penstock.telemetry.logs import Logs, SameFields, set_up_logs
from penstock.telemetry.redaction import secrets_in
from proxy.cli.failures import EXIT_RUNTIME, failures_explained, is_known
from proxy.config import GatewayConfig, gateway_registry, load_gateway
from proxy.supervisor import WORKER_FLAG

if TYPE_CHECKING:
    from proxy.process.inherited import Inherited

CONFIG_FLAG = "--config"
SERVING = "proxy.process.serving"
SUPERVISING = "proxy.process.supervising"

_log = logging.getLogger("penstock")


def command_line(path: Path | None, flags: Mapping[str, str], module: str = SERVING) -> list[str]:
    """Return the command line of a process that serves or supervises. flags: values by the names of settings."""
    flag_of = {setting.name: setting.flag for setting in gateway_registry()}
    given = [word for name, value in flags.items() for word in (flag_of[name], value)]
    config = [] if path is None else [CONFIG_FLAG, str(path)]
    return [sys.executable, "-P", "-m", module, *config, *given]


def read_command_line(words: Sequence[str]) -> tuple[Path | None, dict[str, str]]:
    """Return the settings file and the flags of a `command_line`, given without the words that start Python."""
    given = dict(zip(words[::2], words[1::2], strict=True))
    path = given.pop(CONFIG_FLAG, None)
    name_of = {setting.flag: setting.name for setting in gateway_registry()} if given else {}
    return None if path is None else Path(path), {name_of[flag]: value for flag, value in given.items()}


def start_logs(loaded: Loaded[GatewayConfig], worker: str = "") -> Logs:
    """Set up logs for these settings, and log what is odd about them, but for workers: their supervisor has.

    worker: the id of this one, which each of its lines says.
    """
    filters = [SameFields(worker=worker)] if worker else []
    logs = set_up_logs(loaded.settings.log, secrets_in(loaded.values.values()), filters=filters)
    for warning in () if worker else loaded.warnings:
        _log.warning("%s", warning)
    return logs


@contextmanager
def logging_failures(logs: Logs) -> Iterator[None]:
    """Close logs in the end. What nobody expected becomes a line with its traceback, without secrets, and status 1."""
    try:
        yield
    except Exception as error:
        if is_known(error):
            raise
        _log.critical("this process has failed, and ends", exc_info=error)
        sys.exit(EXIT_RUNTIME)
    finally:
        logs.close()


def run_gateway(loaded: Loaded[GatewayConfig], load: Callable[[], Loaded[GatewayConfig]], path: Path | None) -> None:
    """Run the gateway until a signal ends it. load: reads the settings again; path: of their file, to be watched."""
    import trio

    from proxy.process.running import Sources, serve

    trio.run(serve, Sources(loaded, load, path))


def run_worker(
    inherited: "Inherited", loaded: Loaded[GatewayConfig], load: Callable[[], Loaded[GatewayConfig]]
) -> None:
    """Run the gateway as one of several until its supervisor ends it, which watches the settings file for all."""
    import trio

    from proxy.process.running import Sources
    from proxy.process.working import work

    trio.run(work, Sources(loaded, load), inherited)


def main(words: Sequence[str] | None = None) -> None:
    """Serve, and exit with a line for each known failure. words: in place of this process's own."""
    words = sys.argv[1:] if words is None else words
    inherited = None
    if words[:1] == [WORKER_FLAG]:
        from proxy.process.inherited import read_inherited

        inherited, words = read_inherited(words)
    path, flags = read_command_line(words)
    load: Callable[[], Loaded[GatewayConfig]] = partial(load_gateway, dict(os.environ), flags=flags, path=path)
    if inherited is not None:
        from proxy.config.loader import Loader

        load = Loader(partial(load_gateway, dict(os.environ), flags=flags, path=path), path, inherited.settings_text())
    with failures_explained():
        loaded = load()
        with logging_failures(start_logs(loaded, inherited.worker if inherited is not None else "")):
            if inherited is None:
                run_gateway(loaded, load, path)
            else:
                run_worker(inherited, loaded, load)


if __name__ == "__main__":
    main()
