"""Running a gateway as one of several workers: its sockets are inherited, and a supervisor says what it does.

The supervisor's end of the connection closing means that it has died: nobody would replace this worker, or reload it,
so it finishes what it has, and ends.

SIGTERM            drain, then end; a second one ends at once
SIGINT, SIGHUP     nothing: they are the supervisor's, which tells its workers
"""

import logging
import signal
import socket
from collections.abc import AsyncIterator

import trio

from proxy.control.server import serve_control
from proxy.gateway.app import Gateway
from proxy.gateway.listeners import Addresses
from proxy.merged.commands import more_commands
from proxy.process.inherited import Inherited
from proxy.process.running import Reloading, Sources, gateway_name
from proxy.process.worker_commands import DrainOrder, WorkerCommands

_log = logging.getLogger("penstock.gateway")


async def work(
    sources: Sources, inherited: Inherited, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve as a worker until told to end, or until the supervisor has gone.

    Raises:
        CertificateError: certificates for TLS cannot be used.
        SettingsError: a file that settings name is wrong.
        OSError: memory or descriptors are short.
    """
    config = sources.loaded.settings
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        listeners = inherited.listeners()
        name = gateway_name(socket.gethostname(), listeners.addresses.edge[1], inherited.worker)
        gateway = Gateway(config, name)
        gateway.worker_id = inherited.worker
        reloading = Reloading(sources, gateway)
        commands = WorkerCommands(inherited.worker, gateway, listeners)
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(gateway.run, listeners)
            control = trio.SocketStream(trio.socket.from_stdlib_socket(inherited.control()))
            nursery.start_soon(_obey, control, commands, gateway, reloading)
            nursery.start_soon(_heed, signals, commands, gateway, nursery.cancel_scope)
            _log.info("worker %s: services also on %s:%d", inherited.worker, *addresses.services)
            task_status.started(addresses)
            await _drain(gateway, await commands.wait_told_to_end())
            nursery.cancel_scope.cancel()


async def _obey(control: trio.SocketStream, commands: WorkerCommands, gateway: Gateway, reloading: Reloading) -> None:
    """Answer the supervisor until it has gone."""
    await serve_control(control, commands.table(more_commands(gateway, reloading)))
    commands.tell_to_end(_order(gateway, "the supervisor has gone"))


async def _heed(
    signals: AsyncIterator[int], commands: WorkerCommands, gateway: Gateway, scope: trio.CancelScope
) -> None:
    """Do what signals say; SIGTERM while draining ends the process at once."""
    async for number in signals:
        if number != signal.SIGTERM:
            continue
        if commands.order is not None:
            _log.warning("a second signal: ending at once")
            scope.cancel()
        commands.tell_to_end(_order(gateway, "SIGTERM"))


def _order(gateway: Gateway, cause: str) -> DrainOrder:
    drain = gateway.configured.config.drain
    return DrainOrder(drain.timeout_ms, drain.spread_within_timeout_ms, cause)


async def _drain(gateway: Gateway, order: DrainOrder) -> None:
    _log.info("%s: draining for up to %g s", order.cause, order.timeout_ms / 1000)
    await gateway.drain(order.timeout_ms / 1000, order.spread_ms / 1000)
