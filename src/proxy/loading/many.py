"""Carries a plan out: in this process, or in several that each make a part of the load."""

import ctypes
import gc
from collections.abc import Callable
from typing import Final

from .result import Result, Second
from .run import Plan, Run
from .seconds import Seconds
from .targets import Target, make_dial

_PR_SET_TIMERSLACK: Final = 29  # linux/prctl.h
_SLACK_NS: Final = 1


def measure(plan: Plan, target: Target, processes: int, tell: Callable[[Second], None] | None) -> Result:
    """Return what came of a plan. tell: is called for each second while it runs. Raises `LoadError`."""
    if processes > 1:
        from .parts import measure_in_parts

        return measure_in_parts(plan, target, processes, tell or _nobody)
    run = Run(plan, make_dial(target), seconds=Seconds(tell or _nobody))
    try:
        run.connect()
        return run_without_pauses(run)
    finally:
        run.close()


def run_without_pauses(run: Run) -> Result:
    """Run without the garbage collector, whose pauses would be measured; what requests leave has no cycles. And without
    the 50 µs by which the kernel may wake a process late, to wake others with it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK_NS, 0, 0, 0)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return run.run()
    finally:
        gc.enable()
        gc.unfreeze()


def _nobody(_second: Second) -> None:
    """Nobody wants to know while it runs."""
