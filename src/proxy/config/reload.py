"""Reading the settings again while running: whole, or not at all.

Everything is read from the same places as at the start: the flags, the environment and the file. What is wrong is
told, and the settings stay as they are. What is right is applied in one step; what needs a restart keeps its value
until then, which is told as well. Somebody asks for it (SIGHUP, `penstock reload`), or a file has changed.

Nothing here blocks the event loop: a large file takes a second to read, which a thread does.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import trio

from penstock.settings import Loaded, Problem, Registry, SettingsError
from proxy.beside_traffic import beside_traffic

from .changes import Change, Changes, compare, effective
from .checks import check_together
from .files import watched_files
from .gateway import GatewayConfig, gateway_registry
from .watching import FileWatch

Load = Callable[[], Loaded[GatewayConfig]]
Apply = Callable[[Loaded[GatewayConfig], Changes], Awaitable[None]]
"""Puts new settings to work. What fails in it must leave everything as it was; `SettingsError` is told as a refusal."""

UNWATCHED_S: Final = 1.0
"""How often to look whether watching has been switched on."""

_log = logging.getLogger("penstock.gateway")


class Report(msgspec.Struct, frozen=True):
    """What came of one reload: applied with its changes, or refused with what is wrong, a line for each.

    at: the time, seconds since 1970; revision: of the settings that are in effect now, from 1 at the start.
    """

    cause: str
    at: float
    applied: bool
    revision: int
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """What an operator wants to know. waiting: what needs a restart; last: None where there has been no reload."""

    revision: int
    waiting: tuple[Change, ...]
    last: Report | None


class _Prepared(NamedTuple):
    """What was read, what of it takes effect now, what changes, and what waits for a restart."""

    read: Loaded[GatewayConfig]
    mixed: Loaded[GatewayConfig]
    changes: tuple[Change, ...]
    waiting: tuple[Change, ...]


class Reloader:
    """Holds the settings that are in effect, and changes them when asked to, one reload after the other."""

    def __init__(self, loaded: Loaded[GatewayConfig], load: Load, apply: Apply, *, path: Path | None = None) -> None:
        """Take the settings that the gateway was started with, how to read them again, and how to put them to work.

        path: of the settings file. The places within values of what is loaded are forgotten: they take memory.
        """
        loaded.origins.let_go()
        self.loaded = loaded
        self.revision = 1
        self.waiting: tuple[Change, ...] = ()
        self.last: Report | None = None
        self.applied = self.refused = 0
        """How often settings were, since the start."""
        self.applied_at: float | None = None
        self._read = loaded
        self._load = load
        self._apply = apply
        self._path = path
        self._lock = trio.Lock()
        self._watch = FileWatch()
        self._watch.add(self._files(loaded))

    @cached_property
    def _registry(self) -> Registry:
        return gateway_registry()

    @property
    def config(self) -> GatewayConfig:
        """The settings that are in effect."""
        return self.loaded.settings

    @property
    def is_busy(self) -> bool:
        """Whether a reload is under way."""
        return self._lock.locked()

    @property
    def status(self) -> Status:
        """What the admin page shows."""
        return Status(self.revision, self.waiting, self.last)

    async def reload(self, cause: str, files: Sequence[Path] = ()) -> Report:
        """Read the settings again, and apply them unless something is wrong. cause: begins the lines of the log.

        files: those that were found changed, where that is the cause. Waits for a reload that has begun.
        """
        async with self._lock:
            self._watch.look_anew()
            try:
                report = await self._reload(cause, tuple(files))
            except SettingsError as error:
                report = self._refused(cause, list(map(str, error.problems)))
            except Exception:
                _log.exception("%s: the settings could not be applied", cause)
                report = self._refused(cause, ["the settings could not be applied; the log says why"])
            self._note(report)
            return report

    def _note(self, report: Report) -> None:
        self.last = report
        if report.applied:
            self.applied += 1
            self.applied_at = report.at
        else:
            self.refused += 1

    async def _reload(self, cause: str, files: tuple[Path, ...]) -> Report:
        read, mixed, changes, waiting = await trio.to_thread.run_sync(self._prepare)
        self._watch.add(self._files(read))
        await self._apply(mixed, Changes(changes, files))
        self.loaded, self._read, self.waiting = mixed, read, waiting
        self.revision += 1
        self._watch.keep(self._files(read))
        self._tell(cause, changes)
        for warning in read.warnings:
            _log.warning("%s", warning)
        warnings = tuple(map(str, read.warnings))
        return Report(cause, time.time(), True, self.revision, changes, warnings=warnings)

    def _prepare(self) -> _Prepared:
        """Read the settings, and find out what they change. In a thread."""
        with beside_traffic():
            return self._compared()

    def _compared(self) -> _Prepared:
        read = self._load()
        mixed = effective(self._registry, self.loaded, read)
        if mixed is not read:
            problems = check_together(mixed.values, mixed.origins)
            if problems:
                raise SettingsError(map(_with_restart, problems))
        changes = compare(self._registry, self._read.values, read.values)
        waiting = compare(self._registry, mixed.values, read.values)
        read.origins.let_go()
        mixed.origins.let_go()
        return _Prepared(read, mixed, changes, waiting)

    def _tell(self, cause: str, changes: tuple[Change, ...]) -> None:
        _log.info("%s: settings read again, %d changed; revision %d", cause, len(changes), self.revision)
        for change in changes:
            _log.log(logging.WARNING if change.needs_restart else logging.INFO, "%s", change)
        if self.waiting:
            names = ", ".join(change.name for change in self.waiting)
            _log.warning("until the gateway is started again, the old values hold for: %s", names)

    def _refused(self, cause: str, problems: list[str]) -> Report:
        for problem in problems:
            _log.error("%s", problem)
        _log.error("%s: the settings stay as they are, since what was read is wrong", cause)
        return Report(cause, time.time(), False, self.revision, problems=tuple(problems))

    def _files(self, loaded: Loaded[GatewayConfig]) -> tuple[Path, ...]:
        return (*([self._path] if self._path else []), *watched_files(loaded))

    async def watch(self) -> None:
        """Reload whenever a file has changed, until cancelled. A file is read one look after it was found changed."""
        while True:
            interval_ms = self.config.reload.watch_ms
            await trio.sleep(interval_ms / 1000 if interval_ms else UNWATCHED_S)
            if not interval_ms or self._lock.locked():
                continue
            files = self._watch.look()
            if files:
                await self.reload(f"{', '.join(map(str, files))} changed", files)


def _with_restart(problem: Problem) -> Problem:
    why = f"{problem.why} (until the gateway is started again, what needs a restart keeps its value)"
    return msgspec.structs.replace(problem, why=why, fix=f"{problem.fix}, or start the gateway again")
