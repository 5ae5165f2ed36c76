"""Running a service as a process of its own: settings, logs, signals, exit codes."""

import logging
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import trio

from penstock.call_fields import CallFields
from penstock.errors import GatewayError, PenstockError
from penstock.settings import ServiceSettings, SettingsError, load_service
from penstock.telemetry.logs import set_up_logs
from penstock.telemetry.redaction import secrets_in

if TYPE_CHECKING:
    from penstock.service import Service

__all__ = ["run"]

log = logging.getLogger("penstock.running")

EXIT_SETTINGS = 2
EXIT_GATEWAY = 1


def run(service: "Service") -> None:
    """Serve until a signal, and return. A known cause of failure is one line on stderr and a SystemExit."""
    try:
        loaded = load_service()
    except SettingsError as error:
        _exit(str(error), EXIT_SETTINGS)
    logs = set_up_logs(loaded.settings.log, secrets_in(loaded.values.values()), filters=[CallFields()])
    for warning in loaded.warnings:
        log.warning("%s", warning)
    try:
        failure = trio.run(_serve_until_signal, service, loaded.settings)
    finally:
        logs.close()
    if failure is not None:
        _exit(str(failure), EXIT_GATEWAY if isinstance(failure, GatewayError) else EXIT_SETTINGS)


async def _serve_until_signal(service: "Service", settings: ServiceSettings) -> PenstockError | None:
    """Return the known cause for which it did not go on until a signal. Raises SystemExit at the second signal."""
    stop = trio.Event()
    received: list[int] = []
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, trio.CancelScope() as everything:

        async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            task_status.started()
            async for number in signals:
                received.append(number)
                if stop.is_set():
                    everything.cancel()  # a second signal: at once
                stop.set()

        failure: PenstockError | None = None
        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            try:
                await service.serve(settings, stop=stop)
            except PenstockError as error:
                failure = error
            nursery.cancel_scope.cancel()
    if everything.cancelled_caught:
        raise SystemExit(128 + received[-1])
    return failure


def _exit(message: str, code: int) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise SystemExit(code)
