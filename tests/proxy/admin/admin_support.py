"""An admin state that says as little as can be."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proxy.admin.figures import Figures
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


async def fleet(service: str) -> bytes:
    return f'{{"of": "{service}"}}'.encode()


async def echo(query: Mapping[str, Sequence[str]]) -> Any:
    return query


async def reload() -> tuple[bool, Any]:
    return True, {"applied": True}


STATE = AdminState(
    token=str,
    ready=list,
    figures=figures,
    services=no_rows,
    routes=no_rows,
    config=nothing,
    openapi=describe,
    top=top,
    fleet=fleet,
    explain=echo,
    reloaded=nothing,
    reload=reload,
)


def state_with(**changes: Any) -> AdminState:
    """The state with some of it another."""
    return msgspec.structs.replace(STATE, **changes)
