"""The demo as a person uses it: a banner, an answer, Ctrl-C, and nothing left running."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.settings import Address
from proxy.cli.demo import banner, for_demo, reachable, service_environment
from proxy.config import load_gateway
from proxy.gateway.app import Addresses

ANY_PORTS = {f"PENSTOCK_{name}_LISTEN": "127.0.0.1:0" for name in ("EDGE", "SERVICES", "ADMIN")}


def test_settings_of_the_demo_drain_at_once_and_log_little() -> None:
    config = for_demo(load_gateway({})).settings
    assert config.drain.timeout_ms <= 1000
    assert config.log.level == "warning"
    assert for_demo(load_gateway({"PENSTOCK_LOG_LEVEL": "info"})).settings.log.level == "info"


def test_the_service_dials_the_demos_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SERVICE_TOKEN_FILE", "/elsewhere")
    monkeypatch.setenv("PENSTOCK_GATEWAYS", "tcp://elsewhere:1")
    config = load_gateway({"PENSTOCK_SERVICES_TOKEN": "hunter2"}).settings
    environment = service_environment(config, Address("127.0.0.1", 7000))
    assert environment["PENSTOCK_GATEWAYS"] == "tcp://127.0.0.1:7000"
    assert environment["PENSTOCK_SERVICE_TOKEN"] == "hunter2"  # noqa: S105 - a test's own
    assert "PENSTOCK_SERVICE_TOKEN_FILE" not in environment


@pytest.mark.parametrize(
    ("listened", "dialled"),
    [
        (("0.0.0.0", 1), "127.0.0.1:1"),  # noqa: S104 - nothing is bound
        (("::", 1), "[::1]:1"),
        (("10.1.2.3", 1), "10.1.2.3:1"),
    ],
)
def test_every_address_is_reached_by_loopback(listened: tuple[str, int], dialled: str) -> None:
    assert str(reachable(listened)) == dialled


def test_the_banner_has_something_to_paste() -> None:
    said = banner(Addresses(("127.0.0.1", 8080), ("127.0.0.1", 7420), ("127.0.0.1", 9901)))
    assert "curl -i http://127.0.0.1:8080/invoices/42\n" in said
    assert "tcp://127.0.0.1:7420 " in said
    assert "http://127.0.0.1:9901 " in said


def start_demo(**environment: str) -> subprocess.Popen[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PENSTOCK_")}
    return subprocess.Popen(
        [sys.executable, "-m", "proxy.cli.main", "demo"],
        env={**inherited, **ANY_PORTS, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    with start_demo() as process:
        yield process
        process.kill()


@pytest.mark.slow
def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with start_demo(PENSTOCK_SERVICES_LISTEN=listen) as process:
            said, errors = process.communicate(timeout=20)
    assert (process.returncode, said) == (1, "")
    assert errors.startswith(f"penstock: error: port_in_use: services.listen (PENSTOCK_SERVICES_LISTEN={listen})")
    assert len(errors.splitlines()) == 1


def children_of(parent: int) -> list[int]:
    """Processes that any thread of the parent has started."""
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for children in lists for pid in children.read_text().split()]


def wait_gone(pid: int, seconds: float) -> bool:
    """Whether a process, which need not be ours, ends within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.02)
    return False


def read_banner(process: subprocess.Popen[str]) -> str:
    """Return the URL of the banner's curl."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().startswith("curl -i http"):
            return line.split()[-1]
    assert process.stderr is not None
    pytest.fail(f"no banner: {process.stderr.read()}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_a_signal_ends_all_of_it(demo: subprocess.Popen[str], number: signal.Signals) -> None:
    url = read_banner(demo)
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
        assert answer.status == 200
        assert b'"42"' in answer.read()
    children = children_of(demo.pid)
    assert children
    demo.send_signal(number)
    demo.wait(2)
    assert demo.returncode == 0
    assert all(wait_gone(child, 0.5) for child in children)


@pytest.mark.slow
def test_the_service_ends_even_when_the_demo_is_killed(demo: subprocess.Popen[str]) -> None:
    read_banner(demo)
    children = children_of(demo.pid)
    demo.kill()
    assert children
    assert all(wait_gone(child, 5) for child in children)


@pytest.mark.slow
def test_it_says_so_when_its_service_ends(demo: subprocess.Popen[str]) -> None:
    read_banner(demo)
    (child,) = children_of(demo.pid)
    os.kill(child, signal.SIGKILL)
    _, errors = demo.communicate(timeout=10)
    assert demo.returncode == 1
    assert "penstock: error: the example service ended by itself, with status -9" in errors
