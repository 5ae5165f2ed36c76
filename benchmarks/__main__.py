"""The command line: ``python -m benchmarks [CASE ...]``, from the root of the checkout."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import machine, report, servers
from benchmarks.cases import CASES
from benchmarks.judgement import Judgement, judge
from benchmarks.rounds import Outcome, Plan, say
from benchmarks.targets import TARGETS
from benchmarks.tools import HERE, rival_versions

HELD, MISSED, NOT_MEASURED = 0, 1, 2
DEFAULT_SECONDS, DEFAULT_REPEATS = 5.0, 3
BUSY_PERCENT = 10.0
QUICK_SECONDS, QUICK_REPEATS = 2.0, 1


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Penstock beside nginx, HAProxy, uvicorn and Hypercorn.",
        epilog="Exit code: 0 every must is held, 1 one is missed, 2 something was not measured. "
        "benchmarks/results.json and benchmarks/table.md are written only by a run of all cases without --quick.",
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of: {', '.join(CASES)} (all by default)")
    parser.add_argument(
        "--seconds", type=float, default=None, help=f"of a measured window (default {DEFAULT_SECONDS:g})"
    )
    parser.add_argument(
        "--repeat", type=int, default=None, help=f"windows of each contender (default {DEFAULT_REPEATS})"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_REPEATS} window of {QUICK_SECONDS:g} s: a first look"
    )
    parser.add_argument("--list", action="store_true", help="list the cases")
    chosen = parser.parse_args(words)
    unknown = [name for name in chosen.cases if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    if (chosen.seconds is not None and chosen.seconds < 1) or (chosen.repeat is not None and chosen.repeat < 1):
        parser.error("--seconds and --repeat are at least 1")
    return chosen


def _end_on_signal(*_: object) -> None:
    """Leave through all context managers, so that every server is ended."""
    raise KeyboardInterrupt


def _facts(cores: machine.Cores, others_percent: float) -> dict[str, str]:
    placed = f"tested on core {cores.tested}, load and upstream on core {cores.load}"
    return {**machine.facts(), **rival_versions(), "placed": placed, "other_programs_before": f"{others_percent:.0f} %"}


def _warn(cores: machine.Cores, others_percent: float) -> None:
    if cores.tested == cores.load:
        print("WARNING: there is only one core: load and upstream take time from the program under test", flush=True)
    if others_percent > BUSY_PERCENT:
        print(f"WARNING: other programs use {others_percent:.0f} % of this machine: expect noise", flush=True)


def _exit_code(judgements: Sequence[Judgement]) -> int:
    if any(each.is_missed for each in judgements):
        return MISSED
    return NOT_MEASURED if any(each.ratio is None for each in judgements) else HELD


def _run(names: Sequence[str], plan: Plan) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for name in names:
        say(name, CASES[name].title)
        outcomes[name] = CASES[name](plan)
    return outcomes


def _conclude(outcomes: Mapping[str, Outcome], plan: Plan, facts: Mapping[str, str], *, keep: bool) -> int:
    judgements = [judge(target, outcomes) for target in TARGETS if target.case in outcomes]
    for table in (report.loaded_table(outcomes), report.bodies_table(outcomes), report.targets_table(judgements)):
        print("\n" + table if table else "", end="\n" if table else "")
    for why in dict.fromkeys(each.why_not for each in judgements if each.why_not):
        print(f"\nNOT MEASURED: {why}")
    for each in judgements:
        if each.is_missed:
            print(f"\nMISSED: {each.target.measure}: {each.ratio:.2f}")
    if keep:
        report.write_results(HERE / "results.json", judgements, outcomes, facts, plan.seconds)
        report.write_page(HERE / "table.md", judgements, outcomes, facts)
        report.quote(HERE.parent / "README.md", HERE / "table.md")
        print("\nwritten: benchmarks/results.json, benchmarks/table.md, and the table in README.md")
    return _exit_code(judgements)


def main(words: Sequence[str]) -> int:
    """Run the cases, print and write what came out, and return the exit code."""
    chosen = _arguments(words)
    if chosen.list:
        print("\n".join(f"{case.name:<14} {case.title}" for case in CASES.values()))
        return HELD
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a shell starts background jobs with it ignored
        signal.signal(number, _end_on_signal)
    machine.raise_descriptor_limit()
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    plan = Plan(
        seconds=chosen.seconds or (QUICK_SECONDS if chosen.quick else DEFAULT_SECONDS),
        repeats=chosen.repeat or (QUICK_REPEATS if chosen.quick else DEFAULT_REPEATS),
        cores=machine.choose_cores(),
        folder=folder,
    )
    others_percent = machine.busy_percent()
    _warn(plan.cores, others_percent)
    try:
        outcomes = _run(chosen.cases or list(CASES), plan)
        code = _conclude(outcomes, plan, _facts(plan.cores, others_percent), keep=not (chosen.cases or chosen.quick))
    except KeyboardInterrupt:
        print("\nstopped; everything that was started has been ended", flush=True)
        return 130
    finally:
        servers.end_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"took {time.monotonic() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
