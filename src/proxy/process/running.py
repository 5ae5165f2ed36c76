"""Running a gateway in a process: its listeners, its name, and what signals do.

SIGTERM, SIGINT    drain, then end; a second one ends at once
SIGHUP             read settings and certificates again
"""

import logging
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from penstock.settings import Loaded
from penstock.telemetry.levels import process_levels
from penstock.telemetry.logs import hide_secrets
from proxy.config import DrainConfig, GatewayConfig
from proxy.config.files import watched_files
from proxy.edge.listen import open_listener
from proxy.gateway.app import Gateway
from proxy.gateway.listeners import Addresses, Listeners

if TYPE_CHECKING:
    from proxy.config.changes import Changes
    from proxy.config.reload import Reloader

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
LISTEN_FDS: Final = "LISTEN_FDS"
"""Variables of a service manager; without them, nothing of it is loaded."""

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
        secured = listeners.secured_addresses
        gateway = Gateway(config, gateway_name(socket.gethostname(), listeners.addresses.edge[1]))
        reloading = Reloading(sources, gateway)
        gateway.start_drain = partial(signal.raise_signal, signal.SIGTERM)
        async with trio.open_nursery() as nursery:
            addresses: Addresses = await nursery.start(gateway.run, listeners)
            nursery.start_soon(reloading.watch)
            _log.info("edge on %s:%d, services on %s:%d, admin on %s:%d", *chain(*addresses))
            for address in secured:
                _log.info("edge by TLS on %s:%d", *address)
            task_status.started(addresses)
            if NOTIFY_SOCKET in os.environ:
                from proxy.supervisor.notify import keep_in_touch

                nursery.start_soon(keep_in_touch)
            await _until_told_to_end(gateway, reloading, signals)
            nursery.cancel_scope.cancel()


class Reloading:
    """Has who reads the settings again: loaded where a file is to be watched, or when somebody asks."""

    def __init__(self, sources: Sources, gateway: Gateway) -> None:
        """Let the gateway's admin pages find it."""
        self._sources = sources
        self._gateway = gateway
        self._is_wanted = trio.Event()
        self._has_files = sources.path is not None or bool(watched_files(sources.loaded))
        sources.loaded.origins.let_go()  # the places within values take memory
        gateway.reloader = lambda: self.reloader

    @cached_property
    def reloader(self) -> "Reloader":
        """Who reads them."""
        self._is_wanted.set()
        return make_reloader(self._sources, self._gateway)

    def give(self, text: bytes) -> None:
        """Have the settings read from this text from now on: a supervisor has read the file for all its workers."""
        from proxy.config.loader import Loader

        if isinstance(self._sources.load, Loader):
            self._sources.load.give(text)

    async def watch(self) -> None:
        """Read the settings again whenever a file has changed, until cancelled."""
        if not self._has_files:
            await self._is_wanted.wait()
        await self.reloader.watch()


def make_reloader(sources: Sources, gateway: Gateway) -> "Reloader":
    """Return what reads the settings again and has the gateway follow them."""
    from proxy.config.reload import Reloader

    async def apply(loaded: Loaded[GatewayConfig], _: "Changes") -> None:
        hide_secrets(loaded.values.values())
        await gateway.change(loaded.settings)
        process_levels.follow(loaded.settings.log)

    reloader = Reloader(sources.loaded, sources.load, apply, path=sources.path)
    gateway.reloader = lambda: reloader
    return reloader


def gateway_name(host: str, port: int, worker: str = "") -> str:
    """Return this gateway's instance id: its host and the edge's port. A host may have any name, an id may not.

    worker: which of several processes it is.
    """
    more = f"-{port}-{worker}" if worker else f"-{port}"
    return re.sub("[^A-Za-z0-9._-]", "-", host)[: 64 - len(more)] + more


def open_listeners(config: GatewayConfig) -> Listeners:
    """Open the listeners, or none of them: edge, services, admin, and the edge by TLS if that is wanted."""
    ready = _ready_sockets()
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
            opened.append(ready.pop(name) if name in ready else open_listener(address, name))
    except BaseException:
        for listener in (*opened, *ready.values()):
            listener.close()
        raise
    edge, services, admin, *secured = opened
    return Listeners([edge], [services], admin, secured)


def _ready_sockets() -> dict[str, socket.socket]:
    """Return the sockets that a service manager has opened, by the settings that they stand for."""
    if LISTEN_FDS not in os.environ:
        return {}
    from proxy.supervisor.notify import SETTINGS, activated

    return {SETTINGS[name]: sockets[0] for name, sockets in activated(os.environ).items()}


def _tell_manager(*lines: str) -> None:
    """Tell the service manager, where there is one."""
    if NOTIFY_SOCKET in os.environ:
        from proxy.supervisor.notify import notify

        notify(*lines)


async def _until_told_to_end(gateway: Gateway, reloading: Reloading, signals: AsyncIterator[int]) -> None:
    async with trio.open_nursery() as nursery:  # a reload takes its time, and must not hold up a signal to end
        while (number := await anext(signals)) == signal.SIGHUP:
            nursery.start_soon(_reload, gateway, reloading)
        nursery.cancel_scope.cancel()
    await _drain(gateway, gateway.configured.config.drain, signal.Signals(number).name, signals)


async def _reload(gateway: Gateway, reloading: Reloading) -> None:
    await reloading.reloader.reload("SIGHUP")
    await reload_certificates(gateway)


async def _drain(gateway: Gateway, config: DrainConfig, cause: str, signals: AsyncIterator[int]) -> None:
    timeout_s, spread_s = config.timeout_ms / 1000, config.spread_within_timeout_ms / 1000
    _log.info("%s: draining for up to %g s; a second signal ends at once", cause, timeout_s)
    _tell_manager("STOPPING=1")
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
