"""Runs the steps, one after the other, all of them: who mends one thing wants to know of the others, too."""

import datetime
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .releasing import Git
from .steps import Step
from .summary import StepResult, Summary

LOGS: Final = "build/release"


def check(root: Path, version: str, steps: Sequence[Step], git: Git, tell: Callable[[str], None]) -> Summary:
    """Run all steps in a checkout without changes, and return what came of them. Their output goes to files."""
    folder = root / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    commit = git("rev-parse", "HEAD")
    results = []
    for step in steps:
        log = folder / f"{step.name}.log"
        tell(f"{step.name}: {' '.join(step.command)} > {log.relative_to(root)}")
        result = run_step(root, step, log)
        tell(f"{step.name}: {'passed' if result.exit_code == 0 else 'FAILED'} in {result.took_s:.0f} s: {result.said}")
        results.append(result)
    return Summary(
        version=version,
        commit=commit,
        checked_at=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        machine=f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}",
        signed_off_by=f"{git('config', 'user.name')} <{git('config', 'user.email')}>",
        steps=results,
    )


def run_step(root: Path, step: Step, log: Path) -> StepResult:
    """Run one step, with its output in a file."""
    begun = time.monotonic()
    try:
        with log.open("wb") as file:
            done = subprocess.run(
                step.command, cwd=root, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        code, said = done.returncode, last_line(log.read_text(errors="replace"))
    except OSError as error:
        code, said = 127, f"{step.command[0]}: {error.strerror}"
    return StepResult(step.name, step.told, code, round(time.monotonic() - begun, 1), said)


def last_line(text: str) -> str:
    """Return the last line that says something, without what only decorates it."""
    lines = (line.strip(" =\t\r") for line in reversed(text.splitlines()))
    return next((line for line in lines if line), "")[:200]
