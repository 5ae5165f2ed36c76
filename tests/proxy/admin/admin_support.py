"""An admin state that says as little as can be."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.admin.figures import Figures
from proxy.admin.log_page import Logger, LogState
from proxy.admin.record_page import RecordPage, RecordsWanted
from proxy.admin.state import AdminState, Rows, Selection
from proxy.admin.top_sample import TopSample


async def figures() -> Figures:
    return Figures("1.2.3", True, (), {}, {}, ())


async def no_rows(_: Selection) -> Rows:
    return Rows([])


async def nothing() -> Any:
    return {}


async def describe(service: str, version: str) -> bytes:
    return f'["{service}", "{version}"]'.encode()


async def top() -> TopSample:
    return TopSample("gw-1", "1.2.3", 1, [])


async def records(wanted: RecordsWanted) -> RecordPage:
    return RecordPage([], wanted.after)


async def fleet(service: str) -> bytes:
    return f'{{"of": "{service}"}}'.encode()


async def echo(query: Mapping[str, Sequence[str]]) -> Any:
    return query


async def reload() -> tuple[bool, Any]:
    return True, {"applied": True}


LOG_STATE = LogState([], [Logger("root", "all", "info"), Logger("penstock.tls", "handshakes", "info")], ["other"], 0)


async def log_levels() -> LogState:
    return LOG_STATE


async def change_log_level(logger: str, level: str, for_s: float | None) -> None:
    pass


async def drain() -> None:
    pass


async def restart(slots: Sequence[int]) -> Any:
    return {"slots": slots}


STATE = AdminState(
    token=str,
    ready=list,
    figures=figures,
    services=no_rows,
    routes=no_rows,
    config=nothing,
    openapi=describe,
    top=top,
    records=records,
    fleet=fleet,
    explain=echo,
    reloaded=nothing,
    log_levels=log_levels,
    change_log_level=change_log_level,
    reload=reload,
    drain=drain,
    restart_workers=restart,
    restarted=nothing,
    upgrade=nothing,
    upgraded=nothing,
)


def state_with(**changes: Any) -> AdminState:
    """The state with some of it another."""
    return msgspec.structs.replace(STATE, **changes)
