"""`penstock bench`, as a person meets it."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from load_support import OK, answering, frames_service, requests, server

from proxy.cli.bench_report import bar, distribution, duration, steps
from proxy.cli.main import command
from proxy.loading.histogram import Histogram


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["bench", *arguments])


def test_a_report_in_the_terminal() -> None:
    with server(answering()) as port:
        result = run(f"http://127.0.0.1:{port}/x?y=1", "--rate", "100", "--duration", "200ms", "--connections", "3")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1] == f"http://127.0.0.1:{port}/x?y=1: 100 requests/s for 0.2 s over 3 connections"
    assert lines[2:4] == ["  answered  20 of 20, 100.0 a second", "  statuses  200: 20"]
    assert re.split(r"  +", lines[5].strip()) == ["mean", "p50", "p75", "p90", "p99", "p99.9", "p99.99", "max"]
    assert lines[6].startswith("  latency, from when it was due  ")
    assert sum(int(each) for each in re.findall(r"  +(\d+) +\d+\.\d\d%$", result.stdout, re.MULTILINE)) == 20


def test_json_says_all_of_it() -> None:
    with server(frames_service()) as port:
        options = ["--rate", "100", "--duration", "200ms", "--output", "json"]
        result = run(f"tcp://127.0.0.1:{port}/invoices/1", *options)
    told = json.loads(result.stdout)
    assert (told["due"], told["answered"], told["statuses"], told["connections"]) == (20, 20, {"200": 20}, 1)
    assert told["latency"]["count"] == 20
    assert result.stderr == ""


def test_what_is_sent_is_what_was_asked_for() -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        for request in requests(connection):
            seen.append(request)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with server(talk) as port:
        options = ["-X", "put", "-H", "X-A: b", "-H", "host:example.com", "--tenant", "acme"]
        run(f"http://127.0.0.1:{port}/x", *options, "--rate", "10", "--duration", "100ms")
    assert seen == [
        b"PUT /x HTTP/1.1\r\nUser-Agent: penstock-bench\r\nContent-Length: 0\r\n"
        b"X-A: b\r\nhost: example.com\r\nx-tenant-id: acme\r\n\r\n"
    ]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs that the test starts know interrupts, though it may itself run in the background, where they do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupt_ends_it_early_and_tells_what_was_measured(processes: str) -> None:
    asked = threading.Event()

    def talk(connection: socket.socket) -> None:
        for number, _ in enumerate(requests(connection)):
            connection.sendall(OK)
            if number == 2:  # so that the first was surely read
                asked.set()

    with server(talk) as port:
        url = f"http://127.0.0.1:{port}/"
        line = [sys.executable, "-m", "proxy.cli.main", "bench", url, "--rate", "200", "--duration", "10m"]
        line += ["--connections", "2", "--processes", processes, "--output", "json"]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert asked.wait(60)
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (process.returncode, stderr) == (130, "")
    told = json.loads(stdout)
    assert told["stopped"] is True
    assert told["answered"] >= 1
    assert "it was stopped before its time" in told["remarks"]


def test_nothing_is_measured_where_nobody_answers_whole() -> None:
    with server(answering(b"220 smtp.example.com ESMTP\r\n\r\n")) as port:
        result = run(f"http://127.0.0.1:{port}/", "--rate", "20", "--duration", "100ms", "--quiet")
    assert result.exit_code == 1
    assert "no answer of HTTP/1.1: it does not begin like an answer of HTTP/1.1: 2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["http://127.0.0.1:1/"], 1, "penstock: error: http://127.0.0.1:1/ cannot be loaded: Connection refused"),
        (["localhost:80"], 1, "is nothing that can be loaded; write http://host:port/path"),
        (["http://a/", "--duration", "5"], 2, "a duration needs a unit; write 5s or 5ms"),
        (["http://a/", "--duration", "0s"], 2, "it must be longer than nothing"),
        (["http://a/", "--rate", "0"], 2, "0.0 is not in the range"),
        (["http://a/", "-H", "authorization hunter2"], 2, "it is no header field; write NAME:VALUE"),
        (["http://a/", "-H", "a:hunter2\nb: c"], 2, "the value of a holds a control character"),
        (["http://a/", "-d", "@/nowhere/body"], 2, "/nowhere/body cannot be read: No such file or directory"),
        (["https://127.0.0.1:1/", "--ca", "/nowhere/ca"], 1, "--ca /nowhere/ca is no file of PEM certificates"),
        (["http://no-such-host.invalid/"], 1, "no-such-host.invalid cannot be found"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], code: int, said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert "hunter2" not in result.output


def test_durations_have_three_digits_that_count() -> None:
    assert [duration(value) for value in (0, 437, 1_270, 12_700, 127_000, 2_510_000)] == [
        *("0 us", "437 us", "1.27 ms", "12.7 ms", "127 ms", "2.51 s"),
    ]


def test_bars_show_all_that_is_not_nothing() -> None:
    assert (bar(1.0), bar(0.0), bar(0.000_1), bar(0.5)) == ("█" * 40, "", "▏", "█" * 20)
    lines = distribution(Histogram.of([90, 110, 120, 450, 450, 450, 3_000]))
    assert [line.split()[-2] for line in lines] == ["1", "2", "3", "0", "0", "1"]
    assert [line.split("<= ")[1][:7].strip() for line in lines] == [
        *("100 us", "200 us", "500 us", "1.00 ms", "2.00 ms", "5.00 ms"),
    ]


def test_steps_keep_the_highest_of_a_place() -> None:
    assert steps([0, 5, 10]) == "▁▄█"
    assert steps([1] * 119 + [100], width=60)[-1] == "█"
    assert len(steps(list(range(1_000)))) <= 60
