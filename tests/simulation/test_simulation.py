"""The simulation: thousands of runs find nothing, each can be had again, and faults that are planted are found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from standing_clock import compiler

PROGRAM = Path(__file__).parent / "simulate.py"
SEEDS = 1_200
PROCESSES = 2
WAIT_S = 300
"""A bound for what hangs. What works takes some twenty seconds."""

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler, with which the clock is made")


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(*arguments: object) -> tuple[int, str]:
    process = start(*arguments)
    try:
        said, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    return process.returncode, said


@pytest.mark.slow
def test_a_thousand_runs_break_nothing() -> None:
    share = SEEDS // PROCESSES
    running = [start(number * share, (number + 1) * share) for number in range(PROCESSES)]
    said = [process.communicate(timeout=WAIT_S)[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(said)[-8_000:]
    requests = sum(int(re.findall(r"(\d+) requests", text)[-1]) for text in said)
    assert requests > 30 * SEEDS  # or else little has happened


def test_a_seed_is_the_same_run_again() -> None:
    first, again = run(7, 17), run(7, 17)
    assert first == again
    assert first[0] == 0
    assert first[1] != run(17, 27)[1]


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        ("unanswered", "was answered 0 times"),
        ("twice", "is started twice"),
        ("storm", "attempts beyond the first were made"),
        ("leak", "of exchanges is left"),
    ],
)
def test_what_is_planted_is_found_and_found_again_by_its_seed(plant: str, what: str) -> None:
    status, said = run(0, 60, "--plant", plant)
    assert status == 1
    found = re.search(rf"BrokenInvariant: .*{what}.*\n\nseed (\d+) found this; to see it again: python (\S+)", said)
    assert found is not None, said[-4_000:]
    seed, program = found.groups()
    assert Path(program) == PROGRAM
    status, said = run(seed, "--plant", plant, "--trace")
    assert status == 1
    assert re.search(rf"BrokenInvariant: .*{what}", said)
