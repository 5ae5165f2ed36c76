"""A supervisor with all that belongs to it: sockets, workers, admin pages, signals, and the service manager."""

import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import msgspec
import trio

from penstock.settings import Loaded, SettingsError
from proxy import __version__
from proxy.admin.server import serve_admin
from proxy.admin.state import AdminProblem, AdminState
from proxy.config import GatewayConfig
from proxy.config.loader import Loader
from proxy.config.workers import workers_of
from proxy.merged import merged_state
from proxy.process.inherited import EDGE, SECURED, SERVICES, taken
from proxy.process.serving import command_line, read_command_line
from proxy.supervisor.errors import RestartError, UpgradeError
from proxy.supervisor.notify import activated, notify, notify_reloading, watchdog_s
from proxy.supervisor.sockets import ADMIN, Sockets
from proxy.supervisor.supervisor import End, Supervisor
from proxy.supervisor.upgrade import Handover, PassedWorker, check_new
from proxy.supervisor.worker import SIGNALS, Worker

LAST_ANSWERS_S = 1.0
"""What admin pages have to be answered, before another program takes over: that of who has asked for it, too."""

_log = logging.getLogger("penstock.supervisor")


class UpgradeStatus(msgspec.Struct, frozen=True):
    """What came of the last upgrade. state: none, replacing, done or failed; was: the version before."""

    state: str = "none"
    version: str = __version__
    was: str = ""
    error: str = ""


class RestartStatus(msgspec.Struct, frozen=True):
    """What came of replacing workers. state: none, replacing, done or failed; slots: asked for; new: their workers."""

    state: str = "none"
    slots: tuple[int, ...] = ()
    new: tuple[str, ...] = ()
    error: str = ""


async def supervise(
    loaded: Loaded[GatewayConfig],
    load: Loader,
    path: Path | None,
    words: Sequence[str],
    left: Handover | None,
) -> Handover | None:
    """Run workers until told to end, or until another program is to take over: then what to leave to it.

    Raises:
        ListenError: an address cannot be listened on.
        ActivationError: a socket of the service manager is for nothing.
        SupervisorError: workers do not come to serve, or die too often.
    """
    config = loaded.settings
    sockets = Sockets(workers_of(config))
    with trio.open_signal_receiver(*SIGNALS) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            if left is None:
                sockets.open(config, activated(os.environ))
            else:
                sockets.adopt(config, left.sockets)
            supervised = _Supervised(loaded, load, path, words, sockets, left)
            end = await supervised.run(signals)
            if end.is_upgrade:
                signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the next program hears them
                return supervised.handover()
        finally:
            sockets.close()
    if end.error is not None:
        raise end.error
    return None


class _Supervised:
    """The parts of one supervisor."""

    def __init__(
        self,
        loaded: Loaded[GatewayConfig],
        load: Loader,
        path: Path | None,
        words: Sequence[str],
        sockets: Sockets,
        left: Handover | None,
    ) -> None:
        self._words = words
        self._load = load
        self._next = ""
        """The Python of the program that is to take over; empty: this one's."""
        self._sockets = sockets
        adopted = [_adopted(each) for each in left.workers] if left else []
        self.supervisor = Supervisor(
            command_line(*read_command_line(words)),
            workers_of(loaded.settings),
            sockets,
            lambda: self._merged.config,
            adopted,
        )
        if left is not None:
            self.supervisor.generations.update(left.generations)
            self.supervisor.restarts = left.restarts
            self.supervisor.starts.update(left.starts)
            self.supervisor.upgrades.update(left.upgrades)
        sockets.keep_settings(load.text)
        self._merged = merged_state(
            self.supervisor,
            loaded,
            load,
            path,
            left_behind=left.memory if left else b"",
            on_applied=lambda: sockets.keep_settings(load.text),
        )
        self._left = left
        self._status = UpgradeStatus()
        self._restart = RestartStatus()
        self._checking = trio.Lock()
        self._beside = trio.CancelScope()
        """Of what looks at the workers."""
        self._accepting = trio.CancelScope()
        """Of new connections to the admin listener."""
        self._asking: trio.Nursery | None = None

    # ---- the admin pages ----

    def admin_state(self) -> AdminState:
        """Return what the admin pages ask."""
        return msgspec.structs.replace(
            self._merged.admin_state(),
            restart_workers=self.restart_workers,
            restarted=self.restarted,
            upgrade=self.upgrade_page,
            upgraded=self.upgraded,
        )

    async def restart_workers(self, slots: Sequence[int]) -> RestartStatus:
        """Begin to replace workers, one after the other. `AdminProblem` when that cannot be done."""
        try:
            self.supervisor.check_restart(slots)
        except RestartError as error:
            raise AdminProblem(409, str(error)) from None
        self._restart = RestartStatus("replacing", tuple(slots))
        self._nursery.start_soon(self._restart_now, slots)
        return self._restart

    async def _restart_now(self, slots: Sequence[int]) -> None:
        try:
            new = await self.supervisor.restart_workers(slots)
        except RestartError as error:
            self._restart = RestartStatus("failed", tuple(slots), error=str(error))
            _log.error("workers are not replaced: %s", error)
        else:
            self._restart = RestartStatus("done", tuple(slots), tuple(new))
            _log.info("workers were replaced by %s", ", ".join(new))

    async def restarted(self) -> RestartStatus:
        """Return what came of the last time that workers were replaced because somebody asked."""
        return self._restart

    async def upgraded(self) -> UpgradeStatus:
        """Return what came of the last upgrade."""
        return self._status

    async def upgrade_page(self) -> UpgradeStatus:
        """Begin an upgrade. `AdminProblem` when the new version cannot take over."""
        try:
            return await self.upgrade("POST /upgrade")
        except UpgradeError as error:
            raise AdminProblem(409, str(error)) from None

    # ---- upgrade ----

    async def upgrade(self, cause: str) -> UpgradeStatus:
        """Check the version that is installed now, and give way to it.

        Raises:
            UpgradeError: it cannot take over, and everything stays as it is.
        """
        if self._checking.locked() or self._status.state == "replacing":
            raise UpgradeError("an upgrade is under way already")
        async with self._checking:
            try:
                python = await self._python()
                checked = await check_new(python, self._words)
                _log.info("%s: version %s takes over from %s", cause, checked.version, __version__)
                self._next = python
                self.supervisor.give_way(cause, self._fall_silent)
            except (UpgradeError, RestartError) as error:
                _log.error("%s: no upgrade: %s", cause, error)
                self.supervisor.upgrades["refused"] += 1
                raise UpgradeError(str(error)) from None
            self._status = UpgradeStatus("replacing", checked.version, __version__)
        return self._status

    async def _python(self) -> str:
        """Return what is to run the new version, by the settings as they are written now."""
        try:
            return (await trio.to_thread.run_sync(self._load)).settings.supervisor.python
        except SettingsError as error:
            raise UpgradeError(f"the settings are wrong: {error}") from None

    async def _finish_upgrade(self, was: str, error: str) -> None:
        """Replace the workers that the program before this one has started. error: why that is still this one."""
        self._status = UpgradeStatus("replacing", was=was)
        await self.supervisor.begun.wait()
        try:
            if not error:
                _log.info("version %s has taken over from %s, and replaces its workers", __version__, was)
                await self.supervisor.replace_adopted()
        except RestartError as why:
            error = str(why)
        if error:
            self._status = UpgradeStatus("failed", was=was, error=error)
            self.supervisor.upgrades["failed"] += 1
            _log.critical("the upgrade has stopped: %s", error)
        else:
            self._status = UpgradeStatus("done", was=was)
            self.supervisor.upgrades["done"] += 1
            _log.info("all workers are of version %s", __version__)
        self._tell_ready()

    def handover(self) -> Handover:
        """Return what to leave to the next program, whose the descriptors are from then on."""
        workers = [
            PassedWorker(each.id, each.pid, each.control.detach(), each.state, each.services_port, each.started_at)
            for each in self.supervisor.workers
        ]
        supervisor = self.supervisor
        memory = self._merged.memory()
        return Handover(
            sockets=self._sockets.leave(),
            workers=tuple(workers),
            generations=supervisor.generations,
            restarts=supervisor.restarts,
            starts=dict(supervisor.starts),
            upgrades=dict(supervisor.upgrades),
            memory=memory,
            python=self._next,
        )

    async def _fall_silent(self) -> None:
        """Ask the workers nothing any more."""
        self._accepting.cancel()
        with trio.move_on_after(LAST_ANSWERS_S):
            while self._asking is not None and self._asking.child_tasks:  # noqa: ASYNC110 - they end by themselves
                await trio.sleep(0.01)
        self._beside.cancel()

    # ---- running ----

    async def run(self, signals: AsyncIterator[int]) -> End:
        """Run until told to end."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._heed, signals, nursery)
            if self._left is not None:
                notify_reloading()
                nursery.start_soon(self._finish_upgrade, self._left.version, self._left.error)
            nursery.start_soon(self._run_beside)
            end = await self.supervisor.run()
            nursery.cancel_scope.cancel()
        return end

    async def _run_beside(self) -> None:
        """Run what looks at the workers, from when they serve."""
        with self._beside:
            await self.supervisor.begun.wait()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._merged.run)
                nursery.start_soon(self._serve_admin)
                nursery.start_soon(self._beat)
                if self._left is None:
                    self._tell_addresses()
                    self._tell_ready()

    async def _serve_admin(self) -> None:
        async with trio.open_nursery() as self._asking:
            with self._accepting:
                listener = self._sockets.admin.dup()
                await serve_admin(listener, self.admin_state, connections=self._asking)
            await trio.sleep_forever()

    def _tell_addresses(self) -> None:
        places = (self._sockets.address(name) for name in (EDGE, SERVICES, ADMIN))
        _log.info("edge on %s:%d, services on %s:%d, admin on %s:%d", *chain(*filter(None, places)))
        secured = self._sockets.address(SECURED)
        if secured is not None:
            _log.info("edge by TLS on %s:%d", *secured)

    def _tell_ready(self) -> None:
        serving = self.supervisor.serving
        _log.info("%d workers serve", len(serving))
        notify("READY=1", f"STATUS={len(serving)} workers of version {__version__} serve")

    async def _beat(self) -> None:
        """Let the service manager hear that this process is alive, as often as it wants."""
        while interval_s := watchdog_s():
            notify("WATCHDOG=1")
            await trio.sleep(interval_s)

    async def _heed(self, signals: AsyncIterator[int], nursery: trio.Nursery) -> None:
        """Do what signals say."""
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                nursery.start_soon(self._reload, name)
            elif number == signal.SIGUSR2:
                nursery.start_soon(self._upgrade, name)
            else:
                notify("STOPPING=1")
                self.supervisor.start_drain(name)

    async def _reload(self, cause: str) -> None:
        if self.supervisor.is_draining:
            _log.info("%s: nothing is read again while draining", cause)
            return
        notify_reloading()
        await self._merged.reload(cause)
        self._tell_ready()

    async def _upgrade(self, cause: str) -> None:
        with suppress(UpgradeError):  # which was logged
            await self.upgrade(cause)


def _adopted(passed: PassedWorker) -> Worker:
    return Worker(
        passed.id,
        passed.pid,
        taken(passed.control),
        state=passed.state,
        services_port=passed.services_port,
        started_at=passed.started_at,
    )
