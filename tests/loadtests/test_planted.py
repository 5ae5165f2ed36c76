"""Planted defects: as large as they say, in every process that follows, and nothing else is changed."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from loadtests.planted import BEGUN_VARIABLE, DEFECTS, NAME_VARIABLE, P99_VARIABLE, PERIOD_VARIABLE, environment_of
from loadtests.planted import defects as planted
from loadtests.planted.__main__ import main

ROOT = Path(__file__).parents[2]


class Lane:
    """What the wrapper is put around."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int, int, bytes]] = []

    def begin(self, exchange_id: int, method: int, flags: int, path: bytes) -> None:
        self.begun.append((exchange_id, method, flags, path))


def test_each_request_goes_on_as_it_came() -> None:
    class Planted(Lane):
        pass

    planted.plant(SimpleNamespace(ExpressLane=Planted), {NAME_VARIABLE: "none"})
    lane = Planted()
    lane.begin(7, 1, 0, b"/a")
    assert lane.begun == [(7, 1, 0, b"/a")]


def test_memory_keeps_a_hundred_bytes_of_each() -> None:
    leak = planted.memory()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert all(leak() for _ in range(20_000))
        assert 95 <= (tracemalloc.get_traced_memory()[0] - before) / 20_000 <= 105
    finally:
        tracemalloc.stop()


def test_descriptors_stay_open_one_in_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def fake_open(path: str, _flags: int) -> int:
        opened.append(path)
        return 99

    monkeypatch.setattr(os, "open", fake_open)
    leak = planted.descriptors()
    assert all(leak() for _ in range(5_999))
    assert opened == [os.devnull] * 5


async def test_tasks_never_end_one_in_ten_thousand() -> None:
    leak = planted.tasks()
    before = trio.lowlevel.current_statistics().tasks_living
    assert all(leak() for _ in range(20_000))
    assert trio.lowlevel.current_statistics().tasks_living - before == 2


def test_one_in_a_hundred_thousand_is_lost() -> None:
    goes_on = planted.lost()
    assert sum(not goes_on() for _ in range(300_000)) == 3


def test_the_slowest_become_slower_by_more_than_15_percent_from_the_first_fifth_to_the_last() -> None:
    now, waits = [0.0], list[tuple[float, float]]()
    next_s = planted.delays(600.0, 30_000.0, 0.0, lambda: now[0])
    for second in range(600):
        now[0] = float(second)
        waits += [(second, wait_s) for _ in range(66) if (wait_s := next_s())]
    first = [seconds for at, seconds in waits if at < 120]
    last = [seconds for at, seconds in waits if at >= 480]
    assert len(waits) == 1_200
    assert first[0] == pytest.approx(0.03)
    took_besides_s = 0.002
    mean_first, mean_last = sum(first) / len(first) + took_besides_s, sum(last) / len(last) + took_besides_s
    assert mean_last / mean_first == pytest.approx(1.15, abs=0.01)


class Asked:
    def __init__(self, number: int) -> None:
        self.id = number


async def test_a_slow_request_waits_and_goes_on_as_it_came(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[int] = []
    waits = iter([0.0, 0.5, 0.0])
    slow = planted.drifting(lambda exchange: asked.append(exchange.id), lambda: next(waits))
    assert slow(Asked(1)) is None
    result = slow(Asked(2))
    assert asked == [1]
    before = trio.current_time()
    await result.wait()
    assert trio.current_time() - before == pytest.approx(0.5)
    assert slow(Asked(2)) is None
    assert slow(Asked(3)) is None
    assert asked == [1, 2, 3]


def test_a_drift_goes_on_in_workers_that_come_later() -> None:
    module: Any = SimpleNamespace(set_deadline=lambda exchange: None)
    environment = environment_of("drift", {PERIOD_VARIABLE: "100"})
    environment[BEGUN_VARIABLE] = str(float(environment[BEGUN_VARIABLE]) - 200)  # long over
    planted.plant(module, environment)
    results = [module.set_deadline(Asked(number)) for number in range(33)]
    assert results[32].wait.args == (pytest.approx(0.03 * (1 + planted.RISE)),)


@pytest.mark.parametrize("name", DEFECTS)
def test_every_name_can_be_planted(name: str) -> None:
    class Planted(Lane):
        pass

    def set_deadline(exchange: object) -> None:
        """A stage."""

    module = SimpleNamespace(ExpressLane=Planted, set_deadline=set_deadline)
    planted.plant(module, {NAME_VARIABLE: name, PERIOD_VARIABLE: "60", P99_VARIABLE: "900"})
    assert (Planted.begin is not Lane.begin) is (name != "drift")
    assert (module.set_deadline is not set_deadline) is (name == "drift")


@pytest.mark.parametrize(
    ("name", "code", "module"),
    [
        ("memory", "from proxy.edge.express import ExpressLane as it; it = it.begin", "proxy.edge.express"),
        ("drift", "from proxy.gateway.pipeline import set_deadline as it", "proxy.policy.deadline"),
    ],
)
def test_a_gateway_that_is_started_with_it_has_the_defect_and_one_without_has_not(
    name: str, code: str, module: str
) -> None:
    for environment, said in (
        (environment_of(name, os.environ), "loadtests/planted/defects.py"),
        (dict(os.environ), ""),
    ):
        command = [sys.executable, "-P", "-c", f"{code}; print(it.__code__.co_filename)"]
        run = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
        assert run.stdout.strip().endswith(said or f"{module.replace('.', '/')}.py")


@pytest.mark.parametrize("words", [[], ["memory"], ["memory", "penstock", "serve"], ["odd", "--", "true"]])
def test_wrong_words_are_told_what_there_is(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("usage: python -m loadtests.planted NAME -- penstock serve ...")
    assert all(f"  {name:<12} " in told for name in DEFECTS)


def test_it_becomes_the_command_and_says_what_it_planted() -> None:
    code = "import os; print(os.environ['LOADTESTS_PLANTED'])"
    command = [sys.executable, "-m", "loadtests.planted", "tasks", "--", sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told = {"level": "warning", "logger": "loadtests.planted", "message": f"tasks: {DEFECTS['tasks']}"}
    assert (run.stdout, json.loads(run.stderr)) == ("tasks\n", told)
    command = [sys.executable, "-m", "loadtests.planted", "tasks", "--", "/no/such/program"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.endswith(
        "/no/such/program cannot be started: No such file or directory; give the command as in a shell\n"
    )
