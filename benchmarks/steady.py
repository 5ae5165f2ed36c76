"""Load at a steady rate, and what became of it, tenth of a second by tenth."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.machine import pinned
from benchmarks.tools import NotMeasured, compiled

GRACE_S = 20.0
"""For what is not answered when the last request was sent: more than the gateway's deadline."""


@dataclass(frozen=True, slots=True)
class Part:
    """What became of requests, by whether they were answered 2xx, refused with 429 or 503, or failed. at_s: since the
    start. Times are of those that were answered, from the moment at which each was due; 0 where there are none.
    """

    at_s: float
    good: int
    refused: int
    failed: int
    p50_us: float
    p99_us: float
    longest_us: float


@dataclass(frozen=True, slots=True)
class SteadyResult:
    """All of it, and each tenth of a second in which requests were due. began_at_s: of `time.monotonic`."""

    began_at_s: float
    duration_s: float
    total: Part
    windows: tuple[Part, ...]

    @property
    def per_s(self) -> float:
        """Good answers per second."""
        return self.total.good / self.duration_s


class Steady:
    """A running load. Used as a context, so that it is ended whatever happens."""

    def __init__(self, port: int, path: str, rate: float, seconds: float, connections: int, core: int) -> None:
        """rate: requests per second, however they are answered; 0: as fast as the connections allow."""
        words = (port, path, f"{rate:.3f}", f"{seconds:.3f}", connections)
        self._command = [str(compiled("steady_load")), *map(str, words)]
        self._seconds = seconds
        self._core = core
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with pinned(self._core):
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def result(self) -> SteadyResult:
        """Wait for the end. Raises NotMeasured when there is none, or the program says why not."""
        assert self._process is not None  # noqa: S101 - it is entered
        try:
            output, errors = self._process.communicate(timeout=self._seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            raise NotMeasured("the load did not end") from None
        if self._process.returncode != 0:
            raise NotMeasured(f"the load generator failed: {(errors or output).strip()[-200:]}")
        return _result(json.loads(output))


def steady(port: int, path: str, rate: float, seconds: float, connections: int, core: int) -> SteadyResult:
    """Run a load from its beginning to its end."""
    with Steady(port, path, rate, seconds, connections, core) as load:
        return load.result()


def _result(told: dict[str, Any]) -> SteadyResult:
    return SteadyResult(
        told["start_us"] / 1e6, told["duration_us"] / 1e6, _part(told, 0), tuple(_part(one) for one in told["windows"])
    )


def _part(told: dict[str, Any], at_us: int | None = None) -> Part:
    at_us = told["at_us"] if at_us is None else at_us
    times = (float(told[name]) for name in ("p50_us", "p99_us", "longest_us"))
    return Part(at_us / 1e6, told["good"], told["refused"], told["failed"], *times)
