"""The settings of logs."""

from typing import Annotated

import msgspec

from .later import Later
from .registry import Setting
from .types import Choice

_LEVELS: Later[tuple[tuple[str, str], ...]] = Later("penstock.settings.levels", "LEVELS", (), "list of levels")


class LogSettings(msgspec.Struct, frozen=True):
    """How a process writes its log; the same for the gateway and for services."""

    level: Annotated[
        str,
        Setting(
            Choice("debug", "info", "warning", "error"),
            "info",
            "the least level that is logged",
            "what an operator acts on, and nothing per request",
        ),
    ]
    format: Annotated[
        str,
        Setting(
            Choice("auto", "json", "console"),
            "auto",
            "JSON, console, or by whether stderr is a terminal",
            "a person reads a terminal, a collector reads everything else",
            restart=True,
        ),
    ]
    levels: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            _LEVELS,
            "",
            "levels of single loggers and those below them, like `penstock.tls=debug`",
            "one level for all is enough, until something is looked for",
        ),
    ] = ()
