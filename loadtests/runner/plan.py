"""A plan: which shape, stand, nemesis and thresholds make a run, as data. No I/O but reading the files.

    name: soak
    shape: soak                 # loadtests/shapes/soak.yaml, or the path of a file
    duration: 10m
    workers: 2
    services: { steady: 2, unruly: 1 }
    tls: true
    nemesis: soak               # loadtests/nemesis/schedules/soak.yaml; none
    thresholds: soak            # loadtests/thresholds/soak.yaml; none: nobody judges
    settings: { records: { recent: 4096 } }     # of the gateway

Only name, shape and thresholds must be said.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec

from loadtests.tools import HERE, duration_s
from loadtests.yaml_file import read_yaml

PLANS: Final = HERE / "plans"
SHAPES: Final = HERE / "shapes"
SCHEDULES: Final = HERE / "nemesis" / "schedules"
THRESHOLDS: Final = HERE / "thresholds"
REPORTS: Final = HERE / "reports"
NONE: Final = "none"
INTERVALS_MAX: Final = 3_600
"""Of a run: a day has longer intervals than ten minutes."""


class PlanError(Exception):
    """A plan cannot be used. Its text is one line: what, where, the fix."""


class Plan(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one file says. Files are named by their stem, or by a path."""

    name: str
    about: str = ""
    shape: str
    duration: str = "10m"
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 2
    services: dict[str, Annotated[int, msgspec.Meta(ge=1, le=100)]] = msgspec.field(
        default_factory=lambda: {"steady": 2, "unruly": 1}
    )
    tls: bool = False
    nemesis: str = NONE
    thresholds: str
    baseline: str = ""
    """The record of an earlier run, one of loadtests/reports or a path; empty: there is nothing to compare with."""
    settings: dict[str, object] = {}
    rate_factor: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    seed: int = 1

    @property
    def duration_s(self) -> float:
        """How long it lasts, start and end of the stand left out."""
        return duration_s(self.duration)

    @property
    def interval_s(self) -> float:
        """How long an interval of its record is: whole seconds."""
        return float(max(1, -(-self.duration_s // INTERVALS_MAX)))


def find(name: str, folder: Path, suffix: str = ".yaml") -> Path:
    """Return the file that is meant: one of the folder by its stem, or a path. Raises `PlanError`."""
    path = Path(name)
    found = path if path.suffix or path.parent != Path() else folder / f"{name}{suffix}"
    if not found.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob(f"*{suffix}"))) or "nothing yet"
        raise PlanError(f"there is no file {found}; give a path, or one of {folder}: {known}")
    return found


def read_plan(name: str) -> Plan:
    """Return the plan of that name, or in that file. Raises `PlanError`."""
    path = find(name, PLANS)
    return plan_of(read_yaml(path, PlanError), str(path))


def plan_of(document: object, source: str) -> Plan:
    """Return the plan that a document says. Raises `PlanError`."""
    try:
        plan = msgspec.convert(document, Plan)
    except msgspec.ValidationError as error:
        raise PlanError(f"{source}: {error}; loadtests/README.md tells what a plan says") from error
    try:
        if plan.duration_s <= 0:
            raise PlanError(f"{source}: duration: a run of {plan.duration} is none; write a time above 0, like 10m")
    except ValueError as error:
        raise PlanError(f"{source}: duration: {error}") from None
    for module in plan.services:
        if not (HERE / "services" / f"{module}.py").is_file():
            known = sorted(path.stem for path in (HERE / "services").glob("[a-z]*.py"))
            raise PlanError(
                f"{source}: services: there is no loadtests/services/{module}.py; known: {', '.join(known)}"
            )
    return plan
