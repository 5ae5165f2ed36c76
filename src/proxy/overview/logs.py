"""How this process logs, and changes of it: what the admin page /log-level says of one worker."""

import logging
from typing import Final

from penstock.telemetry.levels import DEFAULT, ROOT, process_levels
from penstock.telemetry.logs import process_logs
from proxy.admin.log_page import Logger, LogState
from proxy.admin.state import AdminProblem

LOGGERS: Final = {
    ROOT: "everything that has no level of its own",
    "penstock": "the gateway, and what its settings warn of at the start",
    "penstock.access_log": "lines of the access log that are lost",
    "penstock.admin": "admin pages that failed",
    "penstock.admission": "requests that wait for a place",
    "penstock.answers": "what is kept of answers",
    "penstock.breakers": "who is kept from requests, since it fails",
    "penstock.edge": "clients' requests: faults of ours, and responses that cannot be passed on",
    "penstock.faults": "harm that is done to requests on purpose",
    "penstock.gateway": "start, end, reloading",
    "penstock.identity": "keys by which tokens are verified, and, for debug, why credentials prove nothing",
    "penstock.rates": "the store of rates",
    "penstock.rules": "rules that have no effect where they would loosen something",
    "penstock.services": "services that join, leave, are dialled, or are turned away",
    "penstock.supervisor": "workers that start, end, crash, or do not answer",
    "penstock.tls": "handshakes of clients, and certificates",
    "penstock.tracing": "spans that cannot be sent",
}
"""The gateway's loggers, and what each tells of."""


def log_names() -> tuple[str, ...]:
    """Return the names of the loggers that there are: ours, and those of what we use."""
    others = (name for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger))
    return (*LOGGERS, *sorted(set(others) - LOGGERS.keys()))


async def log_levels() -> LogState:
    """Return how this process logs."""
    logs = process_logs()
    loggers = [Logger(name, what, _level_of(name)) for name, what in LOGGERS.items()]
    others = {name for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)}
    return LogState(process_levels.shown(), loggers, sorted(others - LOGGERS.keys()), logs.dropped if logs else 0)


async def change_log_level(logger: str, level: str, for_s: float | None) -> None:
    """Change the level of a logger in this process. `AdminProblem` when too many are changed."""
    if level == DEFAULT:
        process_levels.undo(logger)
        return
    try:
        process_levels.change(logger, level, for_s)
    except ValueError as error:
        raise AdminProblem(409, f"{error}.") from None
    logging.getLogger("penstock.gateway").warning(
        "the level of %s is %s %s", logger, level, "from now on" if for_s is None else f"for {for_s:g} s"
    )


def _level_of(name: str) -> str:
    logger = logging.getLogger(None if name == ROOT else name)
    return logging.getLevelName(logger.getEffectiveLevel()).lower()
