"""The example that holds, as a person tries it: one worker is killed, another one hangs, and clients hardly notice."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from example_process import started

HOLD = Path(__file__).parents[2] / "examples" / "hold"
LINES_MAX = 60
LINE = re.compile(r" *\d+ s +(\d+) asked +(\d+) failed +p99 +[\d.]+ ms  (.*)")


class Second(NamedTuple):
    """What a line says. workers: by name, how many answers it gave, or what is the matter with it."""

    asked: int
    failed: int
    workers: dict[str, str]


@pytest.fixture
def hold() -> Iterator[subprocess.Popen[str]]:
    with started(HOLD / "run.py") as process:
        yield process


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what was said up to the line that has the text."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
        assert len(lines) < LINES_MAX, lines
    raise AssertionError((process.poll(), process.stderr and process.stderr.read(), lines))


def seconds(said: str) -> list[Second]:
    found = []
    for line in said.splitlines():
        match = LINE.match(line)
        if match:
            workers = dict(re.findall(r"(worker-\d) +(\w+)", match[3]))
            found.append(Second(int(match[1]), int(match[2]), workers))
    return found


def next_seconds(process: subprocess.Popen[str], count: int) -> list[Second]:
    return [one for _ in range(count) for one in seconds(read_until(process, " asked "))]


def test_a_worker_is_killed_and_another_one_hangs(hold: subprocess.Popen[str]) -> None:
    banner = read_until(hold, "who gave them")
    killed = int(re.findall(r"kill -9 (\d+)", banner)[0])
    hung = int(re.findall(r"kill -STOP (\d+)", banner)[0])
    assert all(set(second.workers) == {f"worker-{n}" for n in range(1, 5)} for second in next_seconds(hold, 2))
    os.kill(killed, signal.SIGKILL)
    said = read_until(hold, "was ended by SIGKILL; another one starts in 5 s")
    after = [*seconds(said), *next_seconds(hold, 2)]
    assert after[-1].workers["worker-1"] == "gone"
    assert sum(second.failed for second in after) == 0, after
    os.kill(hung, signal.SIGSTOP)
    while next_seconds(hold, 1)[0].workers["worker-2"] != "stopped":
        pass
    last = next_seconds(hold, 1)[0]
    assert last.failed == 0, last
    assert last.asked > 0, last
    os.kill(hung, signal.SIGCONT)
    hold.send_signal(signal.SIGINT)
    assert hold.wait(10) == 0
    assert hold.stderr is not None
    assert hold.stderr.read() == ""
