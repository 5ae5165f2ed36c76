"""GET and PUT /log-level: which lines are logged, and who has said so; and changes of it while the gateway runs.

PUT /log-level?logger=penstock.tls&level=debug&for=10m     for ten minutes; without for: until the gateway ends
PUT /log-level?logger=penstock.tls&level=default           as the settings say
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from penstock.settings.errors import BadValueError
from penstock.settings.types import Duration
from penstock.telemetry.levels import DEFAULT, ROOT, WORDS, Level
from proxy.admin.state import AdminProblem

FOR_MS_MAX: Final = 24 * 3_600_000
PARAMETERS: Final = ("logger", "level", "for")


class Logger(msgspec.Struct, frozen=True):
    """A logger of the gateway: what it tells of, and the level that holds for it."""

    logger: str
    what: str
    level: str


class LogState(msgspec.Struct, frozen=True):
    """How the gateway logs. levels: those that somebody has set; dropped: lines that could not be written so far."""

    levels: Sequence[Level]
    loggers: Sequence[Logger]
    others: Sequence[str]  # names of loggers of what the gateway uses
    dropped: int

    @property
    def names(self) -> tuple[str, ...]:
        """The loggers whose levels can be changed."""
        return (*(each.logger for each in self.loggers), *self.others)


class LevelChange(NamedTuple):
    """What is wanted. level: `DEFAULT` for what the settings say; for_s: None where the change has no end."""

    logger: str
    level: str
    for_s: float | None


def merge_log_states(states: Sequence[LogState]) -> LogState:
    """Return how several workers log: their levels are the same, but for one that was started after a change."""
    levels = {level.logger: level for state in states for level in state.levels}
    first = states[0]
    return LogState(
        sorted(levels.values(), key=lambda each: (each.logger != ROOT, each.logger)),
        first.loggers,
        sorted({name for state in states for name in state.others}),
        sum(state.dropped for state in states),
    )


def change_of(given: Mapping[str, str], known: Sequence[str]) -> LevelChange:
    """Return the change that the parameters of a query ask for. known: names of loggers. `AdminProblem` if wrong."""
    logger, level = given.get("logger", ROOT), given.get("level", "").lower()
    if logger not in known:
        detail = f"There is no logger {logger[:64]!r} here; `penstock log-level` shows which there are."
        raise AdminProblem(400, detail, loggers=list(known))
    if level not in (*WORDS, DEFAULT):
        raise AdminProblem(400, f"{level[:32]!r} is no level; write {', '.join(WORDS)} or {DEFAULT}.")
    return LevelChange(logger, level, _seconds(given["for"]) if "for" in given else None)


def _seconds(text: str) -> float:
    try:
        milliseconds: Any = Duration("ms").parse(text)
    except BadValueError as bad:
        raise AdminProblem(400, f"{bad.why}: {bad.fix}.") from None
    if not 0 < milliseconds <= FOR_MS_MAX:
        raise AdminProblem(400, f"{text[:32]!r} is too short or too long; write a time up to 24h.")
    return float(milliseconds) / 1000
