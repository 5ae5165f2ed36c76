"""An explanation, as the admin page gives it."""

from typing import Any

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One thing that was decided. origin: who made it so; empty where nobody did, or it follows from the rest."""

    text: str
    origin: str = ""


class Step(msgspec.Struct, frozen=True):
    """What was decided at one stage."""

    name: str
    lines: tuple[Line, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a request.

    outcome: ``sent``, ``answered`` (by the gateway, without fault) or ``refused``; status to fix: of an answer of the
    gateway's; instances: of the route, each with why it would not get the request; notes: what has no effect.
    """

    request: str
    outcome: str
    status: int | None = None
    reason: str = ""
    title: str = ""
    detail: str = ""
    fix: str = ""
    route: str = ""
    service: str = ""
    version: str = ""
    instance: str = ""
    deadline_ms: int | None = None
    steps: tuple[Step, ...] = ()
    instances: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
