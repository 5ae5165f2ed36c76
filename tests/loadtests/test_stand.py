"""The stand of the load tests: how it is told, measured and followed, and that nothing of it stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from loadtests.stand.child import Child, Keeper
from loadtests.stand.keeper import left_over
from loadtests.stand.layout import gateway_settings, make_layout
from loadtests.stand.logs import LogFollower
from loadtests.stand.metrics_page import gateway_sample
from loadtests.stand.procfs import core_ticks, in_session, machine_sample, read_stat, stat_of, taken_by
from loadtests.stand.stand import Stand, StandError
from loadtests.tools import ROOT, duration_s, free_ports, shown_duration

PAGE = r"""# HELP penstock_tasks Tasks
penstock_tasks 41
penstock_exchanges_in_flight 2
penstock_edge_answers_total 1.2e+03
penstock_refusals_total{reason="no_route"} 3
penstock_refusals_total{reason="service_lost"} 0
penstock_requests_total{method="GET",route="/items/{number}",service="steady",status_class="2xx"} 7
penstock_requests_total{method="GET",route="/\"odd\\name",service="steady",status_class="2xx"} 2
penstock_service_calls_total{caller="steady",callee="steady"} 4
penstock_service_calls_failed_total{caller="steady",callee="steady"} 1
penstock_output_dropped_total{output="log"} 5
penstock_output_dropped_total{output="traces"} 9
"""


def test_a_sample_is_what_the_page_tells() -> None:
    rows = [{"worker": "0.1", "pid": 7, "state": "serving", "instances": []}]
    sample = gateway_sample(PAGE, rows, is_ready=True)
    assert (sample.tasks, sample.exchanges, sample.answers_total) == (41, 2, 1_200)
    assert sample.refusals_total == {"no_route": 3}
    assert sample.answered_by_services_total == {"2xx": 9}
    assert (sample.calls_total, sample.dropped_lines_total) == (5, 5)
    assert [(one.id, one.pid, one.state) for one in sample.workers] == [("0.1", 7, "serving")]


def test_what_a_page_does_not_tell_is_none() -> None:
    assert gateway_sample("", [], is_ready=False).tasks is None


def test_a_name_may_hold_parentheses() -> None:
    fields = ["R", "10", "11", "12", *("0" for _ in range(7)), "5", "6", "1", "2", "0", "0", "3", "0", "99"]
    stat = read_stat(f"42 (a) b (c)) {' '.join(fields)}")
    assert (stat.state, stat.parent, stat.session, stat.cpu_ticks, stat.threads, stat.started_ticks) == (
        "R",
        10,
        12,
        11,
        3,
        99,
    )


def test_a_process_is_measured_while_it_lives() -> None:
    taken = taken_by(os.getpid())
    assert taken is not None
    assert taken.rss_bytes > 1 << 20
    assert taken.descriptors is not None
    assert taken.descriptors >= 3
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert taken_by(process.pid) is None  # it only waits to be waited for
    process.wait()


def test_the_machine_is_the_cores_that_the_run_may_use() -> None:
    """So that two runs, or a run and other work, can go side by side under taskset(1)."""
    stat = (
        "cpu  30 0 12 300 0 0 0 3 0 0\n"
        "cpu0 10 0 4 100 0 0 0 1 0 0\n"
        "cpu1 20 0 8 200 0 0 0 2 0 0\n"
        "cpu10 1 1 1 1 1 1 1 1 0 0\n"
        "intr 5\n"
    )
    assert core_ticks(stat, {1}) == [20, 0, 8, 200, 0, 0, 0, 2]
    assert core_ticks(stat, {0, 1}) == [30, 0, 12, 300, 0, 0, 0, 3]


def test_the_machine_tells_its_time() -> None:
    sample = machine_sample()
    assert 0 < sample.busy_s_total < sample.total_s_total
    assert sample.spin_us > 0


def test_settings_are_those_of_the_stand_and_what_a_plan_adds(tmp_path: Path) -> None:
    layout = make_layout(
        tmp_path, workers=2, services={"steady": 2}, settings={"edge": {"idle_timeout": "5s"}, "records": {"recent": 7}}
    )
    told = yaml.safe_load(gateway_settings(layout, note="changed"))
    assert told["workers"] == 2
    assert told["edge"] == {"listen": str(layout.edge), "reason_header": True, "idle_timeout": "5s"}
    assert told["records"] == {"recent": 7}
    assert [name for _, name in layout.instances()] == ["steady-1", "steady-2"]


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("24h", 86_400), ("0.5s", 0.5)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "10 m", "-1s", "10mx"])
def test_what_is_no_duration_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write it like 90s, 10m, 1h30m or 24h"):
        duration_s(text)


def test_durations_are_shown() -> None:
    assert [shown_duration(each) for each in (0, 59.6, 598, 83_407)] == ["0:00", "1:00", "9:58", "23:10:07"]


def test_logs_are_followed_for_what_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    follower = LogFollower([("gateway", path)])
    follower.look(0.0)  # it is not there yet
    with path.open("w") as file:
        file.write('{"level":"info","logger":"a","message":"well"}\n{"level":"ERROR","logger":"b","mess')
    follower.look(1.0)
    assert follower.lines == []
    with path.open("a") as file:
        file.write('age":"bad"}\nTraceback (most recent call last):\n')
    follower.look(2.0)
    assert [(line.at_s, line.level, line.logger, line.message) for line in follower.lines] == [
        (2.0, "error", "b", "bad"),
        (2.0, "error", "", "Traceback (most recent call last):"),
    ]


def test_the_keeper_knows_what_is_left() -> None:
    assert left_over(["+ 5\n", "+ 6\n", "- 5\n", "what\n", "+ /a b\n"]) == ["6", "/a b"]


def test_what_is_left_ends_with_the_keeper_even_when_stopped(tmp_path: Path) -> None:
    keeper = Keeper()
    sleep = "import time; time.sleep(99)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}]); {sleep}"
    child = Child("sleeper", "service", [sys.executable, "-c", code], {}, tmp_path / "log", keeper)
    child.start()
    until = time.monotonic() + 20
    while len(in_session(child.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    child.signal(signal.SIGSTOP)
    keeper.close()
    while in_session(child.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert in_session(child.pid) == []
    child.end()
    assert stat_of(child.pid) is None


def test_a_stand_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    keeper = Keeper()
    layout = make_layout(tmp_path, workers=0, services={}, settings={"edge": {"no_such_setting": 1}})
    stand = Stand(layout, keeper)
    with pytest.raises(StandError) as caught:
        stand.start()
    stand.end()
    keeper.close()
    assert str(caught.value).startswith("the gateway has ended with status 2: penstock: error: ")
    assert "no_such_setting" in str(caught.value)
    assert in_session(stand.gateway.pid) == []


def test_the_stand_ends_when_its_runner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from loadtests.stand.child import Keeper\n"
        "from loadtests.stand.layout import make_layout\n"
        "from loadtests.stand.stand import Stand\n"
        "stand = Stand(make_layout(Path(sys.argv[1]), workers=1, services={'steady': 1}), Keeper())\n"
        "stand.start()\n"
        "print(*(child.pid for child in stand.children), flush=True)\n"
        "time.sleep(99)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    sessions = [int(word) for word in runner.stdout.readline().split()]
    assert len(sessions) == 2
    assert all(in_session(session) for session in sessions)
    runner.kill()
    runner.wait()
    runner.stdout.close()
    until = time.monotonic() + 20
    while any(in_session(session) for session in sessions) and time.monotonic() < until:
        time.sleep(0.02)
    assert [in_session(session) for session in sessions] == [[], []]


def test_the_folder_of_a_run_goes_with_a_keeper_that_still_has_it(tmp_path: Path) -> None:
    kept, left = tmp_path / "kept", tmp_path / "left"
    for folder in (kept, left):
        folder.mkdir()
        (folder / "a.log").touch()
    keeper = Keeper()
    keeper.takes(kept)
    keeper.takes(left)
    keeper.forgets(kept)
    keeper.close()
    assert [folder.exists() for folder in (kept, left)] == [True, False]
