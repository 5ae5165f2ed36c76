"""What the admin pages are made from. The application fills it in, so that this folder need not know the others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import trio

if TYPE_CHECKING:
    from proxy.admin.figures import Figures
    from proxy.admin.log_page import LogState
    from proxy.admin.record_page import RecordPage, RecordsWanted
    from proxy.admin.top_sample import TopSample

LIMIT: Final = 200
LIMIT_MAX: Final = 1_000
"""Rows of one page; whoever wants more of them asks for the next page."""


class Selection(NamedTuple):
    """Which rows of a list are wanted. service: by its exact name; path: by how it begins; after: a `Rows.next`."""

    service: str = ""
    path: str = ""
    limit: int = LIMIT
    after: str = ""


class Rows(NamedTuple):
    """A page of a list. next: what to ask for the page after it; None where this is the last."""

    rows: Sequence[Any]
    next: str | None = None


class AdminProblem(Exception):  # noqa: N818 - it is an answer
    """A page cannot say what it was asked for. The text is for the operator: what is wrong, and what to do."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more


class AdminState(msgspec.Struct, frozen=True, kw_only=True):
    """
    Callables that are asked anew for every request, in the event loop's thread. Those that are not awaitable must not
    take long, the others give way to the traffic. What they return is shown as JSON: whatever msgspec encodes.
    Each awaitable may raise `AdminProblem`.
    """

    token: Callable[[], str]  # what has to be shown; empty for none
    give_way: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint  # to be called between small steps of long work
    ready: Callable[[], Sequence[str] | Awaitable[Sequence[str]]]  # why not, one sentence each; empty when ready
    figures: "Callable[[], Awaitable[Figures]]"
    services: Callable[[Selection], Awaitable[Rows]]  # instances
    routes: Callable[[Selection], Awaitable[Rows]]
    top: "Callable[[], Awaitable[TopSample]]"  # the counters of this moment, of each worker
    records: "Callable[[RecordsWanted], Awaitable[RecordPage]]"  # of requests that have ended
    fleet: Callable[[str], Awaitable[bytes]]  # how all instances are, or those of one service
    config: Callable[[], Awaitable[Any]]  # settings with origins, without secrets
    openapi: Callable[[str, str], Awaitable[bytes]]  # of all services (""), of one, or of one version of it
    explain: Callable[[Mapping[str, Sequence[str]]], Awaitable[Any]]  # by the query's parameters
    reloaded: Callable[[], Awaitable[Any]]  # the state of reloading, with the last report
    reload: Callable[[], Awaitable[tuple[bool, Any]]]  # whether settings were applied, and the report
    drain: Callable[[], Awaitable[None]]  # begins to; the process ends some time after
    workers: Callable[[], Awaitable[Any]] | None = None  # how each of them is; None in one process alone
    restart_workers: Callable[[Sequence[int]], Awaitable[Any]] | None = None  # begins to, slot after slot; none: all
    restarted: Callable[[], Awaitable[Any]] | None = None  # what came of the last time, or has come of it so far
    upgrade: Callable[[], Awaitable[Any]] | None = None  # begins to
    upgraded: Callable[[], Awaitable[Any]] | None = None  # what came of the last one, or has come of it so far
    log_levels: "Callable[[], Awaitable[LogState]]"  # which lines are logged, and who has said so
    change_log_level: Callable[[str, str, float | None], Awaitable[None]]  # logger, level or default, seconds
