"""Whole runs with a generator that is none: how they end, what they leave, and that nothing is left running."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from loadtests.nemesis.schedule import NOTHING
from loadtests.order import Address
from loadtests.record import Event, Facts, Interval, Phase, Record, Times, read
from loadtests.runner.command import main
from loadtests.runner.conduct import cut_short
from loadtests.runner.finish import PROVES_NOTHING, finish
from loadtests.runner.live import live_line
from loadtests.runner.plan import PLANS, REPORTS, PlanError, plan_of, read_plan
from loadtests.runner.site import Elsewhere
from loadtests.runner.whole import read_files
from loadtests.stand.procfs import PROC
from loadtests.stand.stand import StandError
from loadtests.tools import ROOT

from proxy.loading.histogram import Histogram

SHAPE = """
name: tiny
about: One request after the other.
loop: closed
users: { http_edge: 1 }
phases:
  - { name: steady, lasts: 1, users: 1 }
"""
PLAN = """
name: tiny
shape: SHAPE
duration: 1s
workers: 0
services: { steady: 1 }
thresholds: none
"""
CODE = """
import sys, trio
from pathlib import Path
from loadtests.order import Address
from loadtests.runner.plan import read_plan
from loadtests.runner.site import Elsewhere
from loadtests.runner.whole import Wanted, run
folder = Path(sys.argv[1])
words = [sys.executable, "-m", "tests.loadtests.fake_generator", sys.argv[2]]
plan = read_plan(str(folder / "plan.yaml"))
there = Address("127.0.0.1", int(sys.argv[3]))
elsewhere = Elsewhere(there, there, None, "right") if there.port else None
sys.exit(trio.run(run, Wanted(plan=plan, out=folder / "out", elsewhere=elsewhere, generator_command=words)))
"""
WAIT_S = 30


def prepare(folder: Path, **changes: str) -> None:
    """Write a plan, with other words than usual where they are given."""
    shape = folder / "shape.yaml"
    shape.write_text(SHAPE)
    lines = [line for line in PLAN.strip().splitlines() if line.partition(":")[0] not in changes]
    lines += [f"{name}: {value}" for name, value in changes.items()]
    (folder / "plan.yaml").write_text("\n".join(lines).replace("SHAPE", str(shape)))


def start(folder: Path, mode: str, port: int = 0) -> subprocess.Popen[str]:
    """port: of a gateway that runs already; 0: a stand is started."""
    marked = {**os.environ, "MARK": str(folder)}
    command = [sys.executable, "-c", CODE, str(folder), mode, str(port)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=marked)


def run(folder: Path, mode: str, port: int = 0) -> tuple[int, str]:
    process = start(folder, mode, port)
    _, said = process.communicate(timeout=WAIT_S)
    return process.returncode, said


def left_running(folder: Path) -> list[str]:
    """What still runs of all that a run in this folder has started, at whatever remove."""
    mark = f"MARK={folder}".encode()
    left = []
    for entry in PROC.iterdir():
        try:
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                left.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return left


def until_none_left(folder: Path) -> list[str]:
    until = time.monotonic() + WAIT_S
    while (left := left_running(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


class Page(BaseHTTPRequestHandler):
    """An admin listener that wants a token."""

    def do_GET(self) -> None:
        known = self.headers.get("authorization") == "Bearer right" or self.path == "/health"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"workers": []}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[Address]:
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Address("127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


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


# ---- what needs no process ----

FACTS = Facts(
    name="tiny",
    started_unix_s=0.0,
    planned_s=10.0,
    shape="tiny",
    loop="closed",
    users=["fake"],
    interval_s=1.0,
    command=[],
    version="",
    revision="",
    workers=0,
    machine={},
)


def test_a_full_disk_says_so_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    said: list[str] = []
    assert finish(Record(facts=FACTS, ended="complete"), tmp_path, None, None, said.append) == PROVES_NOTHING
    record = tmp_path / "record.json"
    assert said == [
        f"{record} could not be written: No space left on device; make room, or name another folder by --out"
    ]
    assert not record.exists()


def test_phases_end_where_the_run_has_ended() -> None:
    phases = [Phase("warm", "warm_up", 0.0, 5.0), Phase("steady", "load", 5.0, 9.0), Phase("rest", "quiet", 9.0, 10.0)]
    assert [(one.name, one.end_s) for one in cut_short(phases, 6.5)] == [("warm", 5.0), ("steady", 6.5)]


def test_the_live_line_tells_how_it_goes() -> None:
    times = Times.of(Histogram.of([1_000, 2_000, 9_000]))
    interval = Interval(begin_s=5.0, length_s=1.0, users=7, sent=400, answered=399, failed=1, times=times)
    event = Event(begin_s=1.0, end_s=2.0, kind="kill", target="worker-0", outcome="", is_done=True)
    record = Record(facts=FACTS, intervals=[interval], events=[event])
    phases = [Phase("warm up", "warm_up", 0.0, 5.0), Phase("steady", "load", 5.0, 610.0)]
    assert live_line(record, phases, 6.0) == (
        "steady, 10:04 left  399/s  7 users  p50 2.0 p99 9.0 ms  1 failed  kill worker-0"
    )
    assert live_line(Record(facts=FACTS), phases, 611.0) == "ending, 0:00 left  0 failed"


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_plan_here_can_be_run(path: Path) -> None:
    plan = read_plan(path.stem)
    assert plan.name == path.stem
    files = read_files(plan)
    assert files.phases[-1].kind == "quiet"
    assert plan.tls or "tls_edge" not in files.shape.users
    assert files.schedule.events(files.phases) or files.schedule is NOTHING


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "p.yaml: Object missing required field `name`; loadtests/README.md tells what a plan says"),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "duration": "10"},
            "p.yaml: duration: '10' is no duration; write it like 90s, 10m, 1h30m or 24h",
        ),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "duration": "0s"},
            "p.yaml: duration: a run of 0s is none; write a time above 0, like 10m",
        ),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "services": {"nobody": 1}},
            "p.yaml: services: there is no loadtests/services/nobody.py; known: steady, unruly",
        ),
    ],
)
def test_a_plan_that_is_wrong_says_so(document: object, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(document, "p.yaml")
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], f"there is no file {PLANS / 'nowhere.yaml'}; give a path, or one of {PLANS}: "),
        (["smoke", "--duration", "5s"], "5 s are too short for its phases; "),
        (["smoke", "--edge", "here", "--admin", "127.0.0.1:1"], "--edge: 'here' is no address; write HOST:PORT"),
        (["smoke", "--edge", "127.0.0.1:1"], "--edge and --admin belong together"),
        (["smoke", "--ca", "x.pem"], "--ca is of a gateway that runs already; give --edge and --admin"),
        (
            ["smoke", "--edge", "a:1", "--admin", "a:2", "--tls-edge", "a:3", "--ca", "/nowhere"],
            "--ca: there is no file /nowhere; name one of certificates in PEM",
        ),
        (["smoke", "--edge", "a:1", "--admin", "a:2", "--tls-edge", "a"], "--tls-edge: 'a' is no address; "),
        (["smoke", "--token-file", "/nowhere"], "/nowhere cannot be read: No such file or directory; "),
        (["smoke", "--planted", "x", "--gateway-command", "y"], "--planted and --gateway-command both say "),
        (["smoke", "--baseline", "/nowhere"], f"there is no file /nowhere; give a path, or one of {REPORTS}"),
    ],
)
def test_a_command_line_that_is_wrong_says_so(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["run", *words])
    assert result.exit_code == PROVES_NOTHING
    assert said in result.output


# ---- a gateway that runs elsewhere ----


def test_a_token_is_shown_and_a_wrong_one_is_told(admin: Address) -> None:
    Elsewhere(admin, admin, None, "right").start()
    with pytest.raises(StandError) as caught:
        Elsewhere(admin, admin, None, "wrong").start()
    said = "the admin listener does not know the token; give that of admin.token (--admin-token-file)"
    assert str(caught.value) == said


def test_an_address_where_nobody_is() -> None:
    nobody = Address("127.0.0.1", 1)
    with pytest.raises(StandError) as caught:
        Elsewhere(nobody, nobody, None, "").start()
    assert str(caught.value) == (
        "GET /health at the admin listener 127.0.0.1:1 has no answer: [Errno 111] Connection refused; "
        "is it running, and is --admin its admin.listen?"
    )
