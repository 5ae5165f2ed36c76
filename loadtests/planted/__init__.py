"""Builds of the gateway with one defect each, which a verdict has to find.

    python -m loadtests.planted NAME -- penstock serve ...

Nothing of it is in the gateway: the command is started with a folder on its path, whose `sitecustomize` Python loads in
each process that follows, workers too, and which changes one function of the gateway when that is loaded.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NAME_VARIABLE: Final = "LOADTESTS_PLANTED"
PERIOD_VARIABLE: Final = "LOADTESTS_PLANTED_S"
"""How long the run takes in which `drift` is to be found, in seconds."""
BEGUN_VARIABLE: Final = "LOADTESTS_PLANTED_SINCE"
"""When that began, by the monotonic clock, in seconds: workers that come later go on where others were."""
P99_VARIABLE: Final = "LOADTESTS_PLANTED_P99_US"
"""How long a slow request of `drift` waits at first, in microseconds: well above the 99th percentile without it."""

DEFECTS: Final[Mapping[str, str]] = {
    "none": "nothing: the same wrapper around a sound build",
    "memory": "100 bytes are kept of each request",
    "descriptors": "one descriptor is left open for each 1,000 requests",
    "tasks": "one task never ends for each 10,000 requests",
    "drift": "the 99th percentile rises by 15 % from the first fifth of the run to the last",
    "lost": "one request in 100,000 is never answered",
}

INJECT: Final = Path(__file__).parent / "inject"
ROOT: Final = Path(__file__).parents[2]


def environment_of(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a process is started with, so that it has the defect."""
    path = [str(INJECT), str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": ":".join(path), NAME_VARIABLE: name, BEGUN_VARIABLE: f"{time.monotonic():.3f}"}
