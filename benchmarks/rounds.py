"""Contenders measured in turns, so that a slow minute of the machine falls on all of them alike."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from benchmarks.accounting import cpu_time
from benchmarks.load import Load, LoadResult
from benchmarks.machine import Cores
from benchmarks.servers import Server
from benchmarks.tools import NotMeasured

WARM_UP_S = 1.0

Sample: TypeAlias = dict[str, float]
"""The quantities of one measured window, by name: the unit is the end of the name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often, and where."""

    seconds: float
    repeats: int
    cores: Cores
    folder: Path


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that answers on a port, and the programs that are charged for it."""

    port: int
    charged: tuple[Server, ...]
    is_tls: bool = False

    def pids(self) -> list[int]:
        """Return all processes that are charged. Raises NotMeasured when one of the programs has ended."""
        for server in self.charged:
            server.check_alive()
        return [pid for server in self.charged for pid in server.pids()]


Open: TypeAlias = Callable[[ExitStack, Plan], Contender]
"""Starts a contender; what it starts is ended when the stack is closed."""


@dataclass(slots=True)
class Outcome:
    """What one case gave: the samples of each contender, one per round, and why others have none."""

    case: str
    title: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, why: str) -> None:
        """Take a contender out, with what it had."""
        self.samples.pop(name, None)
        self.not_measured[name] = why
        say(self.case, f"{name}: NOT MEASURED: {why}")


def say(case: str, text: str) -> None:
    """Print progress."""
    print(f"[{case}] {text}", flush=True)


def measure_in_turns(outcome: Outcome, contenders: Mapping[str, Open], load: Load, plan: Plan) -> Outcome:
    """Start all contenders, warm each up, and measure them in turns; every other round goes backwards."""
    with ExitStack() as stack:
        ready: dict[str, Contender] = {}
        for name, start in contenders.items():
            try:
                ready[name] = start(stack, plan)
                load(ready[name].port, WARM_UP_S, plan.cores.load)
            except NotMeasured as why:
                outcome.fail(name, str(why))
                ready.pop(name, None)
            else:
                outcome.samples[name] = []
        for number in range(1, plan.repeats + 1):
            for name in list(ready) if number % 2 else reversed(list(ready)):
                try:
                    sample = _window(ready[name], load, plan)
                except NotMeasured as why:
                    outcome.fail(name, str(why))
                    del ready[name]
                    continue
                outcome.samples[name].append(sample)
                say(outcome.case, f"round {number}/{plan.repeats}  {name:<24} {_line(sample)}")
    return outcome


def _window(contender: Contender, load: Load, plan: Plan) -> Sample:
    """Measure once. Every process that is charged lives through the window."""
    pids = contender.pids()
    before = cpu_time(pids)
    counted = load(contender.port, plan.seconds, plan.cores.load)
    used = cpu_time(contender.pids()) - before
    return _sample(counted, used.user_s, used.system_s)


def _sample(counted: LoadResult, user_s: float, system_s: float) -> Sample:
    cpu_s = user_s + system_s
    if counted.body_mib:
        return _body_sample(counted, cpu_s)
    return {
        "cpu_us": cpu_s * 1e6 / counted.requests,
        "user_us": user_s * 1e6 / counted.requests,
        "per_s": counted.requests / counted.duration_s,
        "busy_percent": 100 * cpu_s / counted.duration_s,
        "p50_us": counted.p50_us,
        "p99_us": counted.p99_us,
    }


def _body_sample(counted: LoadResult, cpu_s: float) -> Sample:
    moved_mib = counted.requests * counted.body_mib
    return {
        "mib_per_s": moved_mib / counted.duration_s,
        "cpu_us_per_mib": cpu_s * 1e6 / moved_mib,
        "busy_percent": 100 * cpu_s / counted.duration_s,
    }


def _line(sample: Sample) -> str:
    if "mib_per_s" in sample:
        cpu = f"{sample['cpu_us_per_mib']:6.0f} µs CPU/MiB  core {sample['busy_percent']:3.0f} %"
        return f"{cpu}  {sample['mib_per_s']:9,.0f} MiB/s"
    cpu = f"{sample['cpu_us']:6.2f} µs CPU/request  core {sample['busy_percent']:3.0f} %"
    return f"{cpu}  {sample['per_s']:9,.0f} requests/s  p50 {sample['p50_us']:7.1f} µs"
