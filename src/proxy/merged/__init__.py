"""The admin pages of a gateway with workers: what each of them says, put together in the supervisor.

`commands` is the worker's side: what a supervisor may ask of it besides its own life. All else is the supervisor's:
`asking` asks several workers, `rows` and `readiness` put lists and reasons together, `ledger` keeps what workers that
have gone had counted, `reloading` has all of them follow the settings, and `state` makes an `AdminState` of it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.settings import Loaded
    from proxy.config import GatewayConfig

    from .roster import Roster
    from .state import Merged


def merged_state(
    roster: "Roster",
    loaded: "Loaded[GatewayConfig]",
    load: "Callable[[], Loaded[GatewayConfig]]",
    path: "Path | None",
    *,
    left_behind: bytes = b"",
    on_applied: "Callable[[], None]" = lambda: None,
) -> "Merged":
    """Return what the supervisor's admin pages tell, and what has its workers follow the settings.

    left_behind: `Merged.memory` of the program before this one, at an upgrade; on_applied: called when settings that
    were read again hold.
    """
    from .state import Merged  # what a worker does not load, which has its commands from here

    return Merged(roster, loaded, load, path, left_behind=left_behind, on_applied=on_applied)
