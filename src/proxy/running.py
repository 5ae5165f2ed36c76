"""Running a gateway in a process: its listeners, its name, and what signals do.

SIGTERM, SIGINT    drain, then end; a second one ends at once
SIGHUP             read settings and certificates again
"""

import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import trio

from penstock.settings import Loaded
from proxy.app import Addresses, Gateway
from proxy.config import DrainConfig, GatewayConfig
from proxy.config.changes import Changes
from proxy.config.reload import Reloader
from proxy.edge.listen import open_listener

_log = logging.getLogger("penstock.gateway")


class Sources(NamedTuple):
    """Where settings come from: what was read at the start, and how to read it again."""

    loaded: Loaded[GatewayConfig]
    load: Callable[[], Loaded[GatewayConfig]]
    path: Path | None = None
    """The settings file, to be watched."""


async def serve(sources: Sources, *, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED) -> None:
    """Run a gateway until a signal ends it.

    Raises:
        ListenError: an address cannot be listened on.
        CertificateError: certificates for TLS cannot be used (`proxy.edge.tls.problems`).
        SettingsError: a file that settings name is wrong.
        OSError: memory or descriptors are short.
    """
    config = sources.loaded.settings
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        listeners = open_listeners(config)
        secured = [listener.getsockname()[:2] for listener in listeners[3:]]
        gateway = Gateway(config, gateway_name(socket.gethostname(), listeners[0].getsockname()[1]))
        reloader = make_reloader(sources, gateway)
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(partial(gateway.run, *listeners))
            nursery.start_soon(reloader.watch)
            _log.info("edge on %s:%d, services on %s:%d, admin on %s:%d", *chain(*addresses))
            for address in secured:
                _log.info("edge by TLS on %s:%d", *address)
            task_status.started(addresses)
            await _until_told_to_end(gateway, reloader, signals)
            nursery.cancel_scope.cancel()


def make_reloader(sources: Sources, gateway: Gateway) -> Reloader:
    """Return what reads the settings again and has the gateway follow them."""

    async def apply(loaded: Loaded[GatewayConfig], _: Changes) -> None:
        await gateway.change(loaded.settings)
        logging.getLogger().setLevel(loaded.settings.log.level.upper())

    reloader = gateway.reloader = Reloader(sources.loaded, sources.load, apply, path=sources.path)
    return reloader


def gateway_name(host: str, port: int) -> str:
    """Return this gateway's instance id: its host and the edge's port. A host may have any name, an id may not."""
    return f"{re.sub('[^A-Za-z0-9._-]', '-', host)[:58]}-{port}"


def open_listeners(config: GatewayConfig) -> list[socket.socket]:
    """Open the listeners, or none of them: edge, services, admin, and the edge by TLS if that is wanted."""
    opened: list[socket.socket] = []
    places = [
        (config.edge.listen, "edge.listen"),
        (config.services.listen, "services.listen"),
        (config.admin.listen, "admin.listen"),
    ]
    if config.edge.tls_listen is not None:
        places.append((config.edge.tls_listen, "edge.tls_listen"))
    try:
        for address, name in places:
            opened.append(open_listener(address, name))
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return opened


async def _until_told_to_end(gateway: Gateway, reloader: Reloader, signals: AsyncIterator[int]) -> None:
    async with trio.open_nursery() as nursery:  # a reload takes its time, and must not hold up a signal to end
        while (number := await anext(signals)) == signal.SIGHUP:
            nursery.start_soon(_reload, gateway, reloader)
        nursery.cancel_scope.cancel()
    await _drain(gateway, reloader.config.drain, signal.Signals(number).name, signals)


async def _reload(gateway: Gateway, reloader: Reloader) -> None:
    await reloader.reload("SIGHUP")
    await reload_certificates(gateway)


async def _drain(gateway: Gateway, config: DrainConfig, cause: str, signals: AsyncIterator[int]) -> None:
    timeout_s, spread_s = config.timeout_ms / 1000, config.spread_within_timeout_ms / 1000
    _log.info("%s: draining for up to %g s; a second signal ends at once", cause, timeout_s)
    async with trio.open_nursery() as nursery:

        async def end_at_once() -> None:
            while await anext(signals) == signal.SIGHUP:
                _log.info("SIGHUP: nothing is read again while draining")
            _log.warning("a second signal: ending at once")
            nursery.cancel_scope.cancel()

        nursery.start_soon(end_at_once)
        await gateway.drain(timeout_s, spread_s)
        nursery.cancel_scope.cancel()


async def reload_certificates(gateway: Gateway) -> None:
    """Read the certificates of the edge again. What cannot be used is logged, and what was used before stays."""
    if gateway.certificates is not None:
        await gateway.certificates.reload()
