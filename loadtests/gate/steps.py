"""What is run before a release, in this order."""

import os
import sys
from typing import Final

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One command; its exit code 0 passes."""

    name: str
    command: list[str]
    told: str


_PYTHON: Final = sys.executable
SOAK: Final = os.environ.get("SOAK", "10m")

STEPS: Final = (
    Step("docs", [_PYTHON, "-m", "loadtests.gate", "links"], "links of all pages lead somewhere"),
    Step("tests", ["make", "test"], "ruff, mypy, C tests and fuzz targets under sanitizers, pytest with real clients"),
    Step("fuzz", ["make", "fuzz"], "the fuzz targets and the property tests for minutes"),
    Step("bench", [_PYTHON, "-m", "loadtests.gate", "bench"], "benchmarks against those that are committed"),
    Step("soak", ["make", "soak"], f"the load test with the nemesis, {SOAK} long"),
    Step("wheel", [_PYTHON, "-m", "build", "--outdir", "build/release/dist", "."], "wheel and sdist can be built"),
)
