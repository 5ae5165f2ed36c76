"""Runs a whole gateway on a clock of its own, again and again, each time with other things happening to it.

    python tests/simulation/simulate.py 0 1000        the seeds from 0 up to 1,000
    python tests/simulation/simulate.py 17 --trace    one of them, with all that happens

The same seed is the same run: time stands still but for what the run lets pass, chance is drawn from the seed, and
tasks run in the order that it says. So what a seed finds, it finds again.
"""

import argparse
import gc
import sys
import traceback
import zlib
from functools import partial
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_TESTS: Final = (_HERE, _HERE.parent / "integration", _HERE.parents[1] / "src")
_COLLECT_EVERY: Final = 50


def run_seed(seed: int) -> tuple[list[str], str]:
    """Run one seed. Returns what happened, and what was wrong: empty where nothing was."""
    import trio
    from happenings import Run, at_once
    from standing_clock import StandingClock

    clock = StandingClock()
    clock.begin(seed)
    trio.to_thread.run_sync = at_once  # type: ignore[assignment]
    run = Run(seed, clock)
    try:
        trio.run(run.run)
    except Exception as error:
        return run.world.trace, "".join(traceback.format_exception(_innermost(error)))
    return run.world.trace, ""


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> int:
    """Run the seeds of the command line. 1: one of them found something."""
    say = partial(print, flush=True)
    parser = argparse.ArgumentParser(description="Run a gateway in a simulated world.")
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("end", type=int, nargs="?", help="the seed behind the last one; one seed without it")
    parser.add_argument("--trace", action="store_true", help="say all that happens")
    parser.add_argument("--plant", help="break the gateway so: a name of `plants.PLANTS`")
    given = parser.parse_args()
    if given.plant:
        from plants import PLANTS

        PLANTS[given.plant]()
    seeds = range(given.first, given.end or given.first + 1)
    failed = requests = checksum = 0
    gc.disable()  # collections at moments of their own are no part of a run
    for seed in seeds:
        trace, problem = run_seed(seed)
        requests += sum(line.split(maxsplit=2)[1] == "request" and "bytes" in line for line in trace)
        checksum = zlib.crc32("\n".join(trace).encode(), checksum)
        if given.trace:
            say("\n".join(trace))
        if problem:
            failed += 1
            say(f"{problem}\nseed {seed} found this; to see it again: python {sys.argv[0]} {seed} --trace\n")
        gc.collect(0 if seed % _COLLECT_EVERY else 2)
    say(f"{len(seeds)} seeds, {failed} failed, {requests} requests, checksum {checksum:08x}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path[:0] = [str(path) for path in _TESTS]
    from standing_clock import run_again_with_clock

    status = run_again_with_clock()
    raise SystemExit(main() if status is None else status)
