"""What the admin pages are made from. The application fills it in, so that this folder need not know the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.admin.figures import Figures


@dataclass(frozen=True, slots=True)
class AdminState:
    """
    Callables that are asked anew for every request, in the event loop's thread; none may wait.
    What services and routes return is shown as JSON: whatever msgspec encodes (structs, dataclasses, dicts, enums).
    """

    ready: Callable[[], Sequence[str]]  # why not, one sentence each; empty when ready
    figures: Callable[[], Figures]
    services: Callable[[], Sequence[Any]]  # instances with health, in flight and latency
    routes: Callable[[], Sequence[Any]]  # method, path, offers
