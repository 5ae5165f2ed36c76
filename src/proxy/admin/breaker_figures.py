"""Figures of breakers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.admin.figure_rules import alike, now


@dataclass(frozen=True, slots=True)
class BreakerFigures:
    """What breakers are like, and what became of it. gauges: now; the other numbers only rise."""

    states: Mapping[tuple[str, str, str], int] = now(dict)  # now, by service, scope, state
    opened: Mapping[tuple[str, str, str], int] = field(default_factory=dict)  # by service, scope, cause
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by service, kind
    probes: Mapping[str, int] = field(default_factory=dict)  # by result
    panics: Mapping[str, int] = field(default_factory=dict)  # by service
    panic_routes: Mapping[str, int] = alike(dict)  # now, by service
    rescued: int = 0
    gauges: int = now()
    gauges_missing: int = 0
