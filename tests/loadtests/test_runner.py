"""Whole runs with a generator that is none: how they end, what they leave, and that nothing is left running."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.order import Address
from loadtests.record import read
from loadtests.runner.finish import PROVES_NOTHING
from loadtests.stand.procfs import PROC
from runner_lab import WAIT_S, admin_listener, left_running, prepare, run, start, until_none_left


@pytest.fixture
def admin() -> Iterator[Address]:
    with admin_listener() as there:
        yield there


def test_a_run_to_its_end(tmp_path: Path) -> None:
    prepare(tmp_path)
    code, said = run(tmp_path, "all")
    record = read(tmp_path / "out" / "record.json")
    assert (code, record.ended, record.why) == (0, "complete", ""), said
    assert record.requests[0].sent > 0
    assert record.samples[0].at_s == 0.0
    assert record.samples[-1].at_s >= record.intervals[-1].begin_s
    first, last = record.samples[0].gateway, record.samples[-1].gateway
    assert first is not None
    assert last is not None
    assert last.answers_total - first.answers_total == record.requests[0].sent
    assert {one.name for one in record.samples[-1].processes} >= {"gateway", "steady-1"}
    assert [(one.name, one.kind) for one in record.phases] == [("steady", "load")]
    assert (tmp_path / "out" / "logs" / "gateway.log").is_file()
    assert left_running(tmp_path) == []


NEMESIS = """
name: tiny
events:
  - { do: reload, target: gateway, at: 0s, settles: 100ms }
  - { do: restart, target: workers, at: 0s, settles: 100ms }
  - { do: kill, target: worker-0, at: 0s, settles: 100ms }
"""


def test_a_gateway_without_workers_is_loaded_and_none_of_its_workers_is_hurt(tmp_path: Path) -> None:
    (tmp_path / "nemesis.yaml").write_text(NEMESIS)
    several = "{ steady: 2, unruly: 1 }"
    prepare(tmp_path, duration="2s", services=several, nemesis=str(tmp_path / "nemesis.yaml"), workers="0")
    code, said = run(tmp_path, "all")
    record = read(tmp_path / "out" / "record.json")
    assert (code, record.ended) == (0, "complete"), said
    assert [(one.kind, one.is_done) for one in record.events] == [("reload", True)]
    told = "the nemesis leaves out what needs workers: restart workers, kill worker-0; say --workers 1 or more to"
    assert told in said
    assert {one.name for one in record.samples[-1].processes} >= {"gateway", "steady-1", "steady-2", "unruly-1"}


@pytest.mark.parametrize(
    ("mode", "ended", "why"),
    [
        ("refuses", "not_started", "there is nobody; start somebody"),
        ("dies", "failed", "the generator has ended with status 7 before its time: something is wrong with me"),
        ("raves", "failed", "the generator wrote what is none of its lines"),
        ("nowhere", "not_started", "the generator cannot be started: [Errno 2] No such file or directory: '/nowhere'"),
    ],
)
def test_a_generator_that_cannot_go_on(tmp_path: Path, admin: Address, mode: str, ended: str, why: str) -> None:
    prepare(tmp_path)
    code, said = run(tmp_path, mode, admin.port)
    record = read(tmp_path / "out" / "record.json")
    assert (code, record.ended) == (PROVES_NOTHING, ended)
    assert record.why.startswith(why)
    assert why in said.splitlines()[-1]
    assert left_running(tmp_path) == []


def test_an_interrupt_leaves_what_there_is(tmp_path: Path) -> None:
    prepare(tmp_path, duration="60s")
    process = start(tmp_path, "all")
    assert process.stderr is not None
    line = ""
    while "60 s" not in line and "0:59 left" not in line and "1:00 left" not in line:
        line = process.stderr.readline()
        assert line
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=WAIT_S)
    record = read(tmp_path / "out" / "record.json")
    assert (process.returncode, record.ended) == (PROVES_NOTHING, "interrupted")
    assert said.splitlines()[-1] == "the run was interrupted: SIGINT came"
    assert record.requests[0].sent > 0
    assert record.phases[0].end_s < 60
    assert left_running(tmp_path) == []


def test_two_interrupts_end_it_at_once(tmp_path: Path, admin: Address) -> None:
    prepare(tmp_path, duration="60s")
    process = start(tmp_path, "hangs", admin.port)
    assert process.stderr is not None
    while "left" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    while "SIGTERM: ending with what there is (again: at once)" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == PROVES_NOTHING
    assert read(tmp_path / "out" / "record.json").ended == "interrupted"
    assert left_running(tmp_path) == []


def test_a_gateway_that_dies_ends_the_run(tmp_path: Path) -> None:
    prepare(tmp_path, duration="60s")
    process = start(tmp_path, "all")
    assert process.stderr is not None
    while "left" not in process.stderr.readline():
        pass
    gateway = [entry.name for entry in PROC.iterdir() if is_gateway_of(tmp_path, entry)]
    assert len(gateway) == 1
    os.kill(int(gateway[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=WAIT_S)
    record = read(tmp_path / "out" / "record.json")
    assert (process.returncode, record.ended) == (PROVES_NOTHING, "target_lost")  # nobody judges here
    assert record.why.startswith("the gateway has ended with status -9: ")
    assert str(tmp_path / "out" / "logs" / "gateway.log") in said
    assert left_running(tmp_path) == []


def test_a_gateway_elsewhere_that_says_nothing_any_more_ends_the_run(tmp_path: Path) -> None:
    prepare(tmp_path, duration="60s")
    with admin_listener() as there:
        process = start(tmp_path, "all", there.port)
        assert process.stderr is not None
        while "left" not in process.stderr.readline():
            pass
    _, said = process.communicate(timeout=WAIT_S)
    record = read(tmp_path / "out" / "record.json")
    assert (process.returncode, record.ended) == (PROVES_NOTHING, "target_lost")
    assert said.splitlines()[-1].startswith(
        "the run ended early, since what it loads could not be reached: the gateway's admin listener has said nothing"
    )
    assert record.facts.workers == 0  # what the gateway has, not what the plan wants of a stand
    assert left_running(tmp_path) == []


def is_gateway_of(folder: Path, entry: Path) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
        return b"proxy." in command and f"MARK={folder}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_a_runner_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    prepare(tmp_path, duration="60s", workers="1")
    process = start(tmp_path, "all")
    assert process.stderr is not None
    while "left" not in process.stderr.readline():
        pass
    assert len(left_running(tmp_path)) >= 4
    process.kill()
    process.communicate()
    assert until_none_left(tmp_path) == []


def test_a_stand_that_cannot_start_was_no_run(tmp_path: Path) -> None:
    prepare(tmp_path, settings="{ edge: { nothing: 1 } }")
    code, said = run(tmp_path, "all")
    record = read(tmp_path / "out" / "record.json")
    assert (code, record.ended) == (PROVES_NOTHING, "not_started")
    assert said.splitlines()[-1].startswith("the run was never begun: the gateway has ended with status 2: ")
    assert left_running(tmp_path) == []
