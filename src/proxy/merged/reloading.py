"""Having all workers follow the settings: read and checked here, applied in one, and then in all.

The supervisor reads the settings as a worker would. What is wrong with them is told by it, and no worker is asked.
Workers get the text that it has read, whatever stands in the file by then.
Then one worker applies them; what it refuses, no other one is asked for. Those that refuse behind it are named in the
report: they go on with the settings that they have, until they are started again.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.settings import Loaded, Problem, SettingsError
from penstock.telemetry.levels import process_levels
from penstock.telemetry.logs import hide_secrets
from proxy.config import GatewayConfig
from proxy.config.changes import Changes
from proxy.config.loader import Loader
from proxy.config.reload import Reloader, Report
from proxy.config.workers import keeps_keys

from .asking import Said, ask_all
from .roster import DRAINING, LiveWorker, Roster

RELOAD_S: Final = 50.0
"""How long a worker may take: reading ten thousand rules takes a second or two."""

_KEYS_WHY: Final = (
    "a rule keeps answers to Idempotency-Keys, which several workers that run now would each know a part of"
)
_KEYS_FIX: Final = "restart the gateway, which then has one worker, or leave idempotency out"
_FIX: Final = "correct them, and reload again, or restart the workers (penstock workers restart)"

_log = logging.getLogger("penstock.supervisor")


class Applied(msgspec.Struct, frozen=True):
    """What a worker's `Report` says that matters here."""

    applied: bool
    problems: tuple[str, ...] = ()


class WorkersReloading:
    """Reads the settings again, and has the workers follow."""

    def __init__(
        self,
        roster: Roster,
        loaded: Loaded[GatewayConfig],
        load: Callable[[], Loaded[GatewayConfig]],
        path: Path | None,
        on_applied: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the settings of the start, and how to read them again. path: of their file, to be watched.

        on_applied: called when what was read holds in all workers.
        """
        self._roster = roster
        self._load = load
        self._on_applied = on_applied
        self.reloader = Reloader(loaded, load, self._apply, path=path)

    async def reload(self, cause: str) -> Report:
        """Read the settings again; with SIGHUP, certificates too."""
        report = await self.reloader.reload(cause)
        if cause == "SIGHUP":
            await ask_all(self._living(), "certificates", timeout_s=RELOAD_S)
        return report

    def _living(self) -> list[LiveWorker]:
        """Return those that have to follow, those first that serve."""
        living = [each for each in self._roster.workers if each.state != DRAINING]
        return sorted(living, key=lambda each: (each.state != "serving", each.slot))

    async def _apply(self, loaded: Loaded[GatewayConfig], changes: Changes) -> None:
        hide_secrets(loaded.values.values())
        if self._roster.wanted > 1 and keeps_keys(loaded.settings.rules):
            raise SettingsError([Problem("conflict", "rules", "workers", _KEYS_WHY, _KEYS_FIX)])
        body: dict[str, Any] = {"cause": "the supervisor's reload"}
        if isinstance(self._load, Loader) and self._load.text is not None:
            body["text"] = self._load.text
        living = self._living()
        applied: list[str] = []
        for workers in (living[:1], living[1:]):
            said = await ask_all(workers, "reload", body, timeout_s=RELOAD_S, into=Applied)
            applied += [each.worker.id for each in said if each.value is not None and each.value.applied]
            problems = refused(said, applied)
            if problems:
                raise SettingsError(problems)
        process_levels.follow(loaded.settings.log)
        self._on_applied()


def refused(said: Sequence[Said[Applied]], applied: Sequence[str]) -> list[Problem]:
    """Return what is wrong by what workers said to a reload. One that has ended is no problem: its successor reads
    the settings anew.

    applied: those that follow the new settings already, which the others now differ from.
    """
    problems: list[Problem] = []
    for each in said:
        if each.why and each.worker.link.is_gone:
            _log.warning("worker %s has ended while the settings were read again", each.worker.id)
        elif each.value is None:
            problems.append(_problem(each.worker.id, each.why, applied))
        elif not each.value.applied:
            problems += [_problem(each.worker.id, why, applied) for why in each.value.problems]
    return problems


def _problem(worker: str, why: str, applied: Sequence[str]) -> Problem:
    if not applied:
        return Problem("worker_refused", "the settings", f"worker {worker}", why, "correct them, and reload again")
    why = f"{why} (workers that follow the new settings now: {', '.join(applied)})"
    return Problem("worker_refused", "the settings", f"worker {worker}", why, _FIX)
