"""What is told of the worker processes themselves: what each of them takes, and what the supervisor knows of them."""

from collections.abc import Mapping
from dataclasses import replace

from proxy.admin.figures import Figures
from proxy.admin.traffic_figures import WorkerFigures, WorkforceFigures

from .roster import Roster


def workforce_of(roster: Roster, now: Mapping[str, Figures]) -> WorkforceFigures:
    """Return how the workers are. now: the figures of those that have told them, by their ids.

    A worker knows itself as the only one: slot and state are the supervisor's to say.
    """
    workers: list[WorkerFigures] = []
    for worker in sorted(roster.workers, key=lambda each: (each.slot, each.started_at)):
        figures = now.get(worker.id)
        of = next(iter(figures.workforce.workers), None) if figures is not None else None
        of = of or WorkerFigures(str(worker.slot), worker.state)
        workers.append(replace(of, slot=str(worker.slot), state=worker.state))
    return WorkforceFigures(
        wanted=roster.wanted,
        workers=workers,
        starts=dict(roster.starts),
        upgrades=dict(roster.upgrades),
        silent=sum(worker.id not in now for worker in roster.workers),
    )
