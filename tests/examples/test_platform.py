"""The example platform as a person uses it: started, tried by every command that it prints, and ended."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from example_process import started

from penstock import Service, testing
from proxy.config import load_gateway

PLATFORM = Path(__file__).parents[2] / "examples" / "platform"

TRIED = (
    ("/products/tea", 200, '"region":"near"'),
    ("clerk orders/7 acme", 200, '"version":"'),
    ("nobody", 401, ""),
    ("another's tenant", 403, ""),
    ("no tenant", 400, ""),
    ("a machine", 200, '"tenant":"acme"'),
    ("a clerk orders", 201, '"clerk":"anna"'),
    ("a visitor orders", 403, ""),
    ("a curious tenant", 200, '"version":"2.0.0"'),
    ("a version by header", 200, '"total_cents":900,"version":"2.0.0"'),
    ("a version by path", 200, '"total_cents":900,"version":"2.0.0"'),
    ("reviews", 200, '"stars":5'),
    ("events", 200, "data: 0\n\ndata: 1\n\ndata: 2\n\n"),
    ("a review", 201, '"stars":4'),
)
"""What the banner's commands are answered, in their order."""


def test_the_settings_of_the_gateway_are_right() -> None:
    config = load_gateway(path=PLATFORM / "gateway.yaml").settings
    assert config.services.required == ("orders", "catalogue", "reviews")


@pytest.fixture(params=["orders_1", "orders_2", "catalogue"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.syspath_prepend(str(PLATFORM))
    service: Service = import_module(request.param).service
    return service


async def test_services_without_a_gateway(service: Service) -> None:
    if service.name == "catalogue":
        got = await testing.call(service, "GET", "/products/tea")
        assert got.json() == {"name": "tea", "price_cents": 450, "region": "local"}
        assert (await testing.call(service, "GET", "/products/coffee")).status == 404
        assert (await testing.call(service, "GET", "/products")).json()["products"] == ["cups", "kettle", "tea"]
    else:
        got = await testing.call(service, "POST", "/orders", tenant="acme", principal="anna")
        assert got.status == 201
        assert got.json() == {"number": "8", "tenant": "acme", "clerk": "anna", "version": service.version}


@pytest.fixture
def platform() -> Iterator[subprocess.Popen[str]]:
    with started(PLATFORM / "run.py") as process:
        yield process


def read_banner(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            return "".join(lines)
    assert process.stderr is not None
    pytest.fail(f"no banner: {process.stderr.read()}")


def children_of(parent: int) -> list[int]:
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for children in lists for pid in children.read_text().split()]


def wait_gone(pids: list[int], seconds: float) -> bool:
    """Whether these processes end within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(
            Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text() for pid in pids
        ):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_every_command_of_the_banner_is_answered_as_it_says(platform: subprocess.Popen[str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the commands of the platform are NOT tested")
    said = read_banner(platform)
    exports = "\n".join(re.findall(r"^ +(export .*)$", said, re.MULTILINE))
    commands = re.findall(r"^ +(curl .*)$", said, re.MULTILINE)
    assert len(commands) == len(TRIED)
    children = children_of(platform.pid)
    assert len(children) == 6
    for command, (what, status, holds) in zip(commands, TRIED, strict=True):
        script = f"{exports}\n{command.replace('curl', 'curl -s -m 5 -i', 1)}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=10)
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        assert head.startswith(f"HTTP/1.1 {status} "), (what, command, done.stdout, done.stderr)
        assert holds in body, (what, command, body)
    platform.send_signal(signal.SIGINT)
    assert platform.wait(10) == 0
    assert wait_gone(children, 1)
    assert platform.stderr is not None
    assert platform.stderr.read() == ""


@pytest.mark.slow
def test_nothing_is_left_when_it_is_killed(platform: subprocess.Popen[str]) -> None:
    read_banner(platform)
    children = children_of(platform.pid)
    assert len(children) == 6
    platform.kill()
    assert wait_gone(children, 5)


@pytest.mark.slow
def test_it_says_so_when_one_ends(platform: subprocess.Popen[str]) -> None:
    read_banner(platform)
    children = children_of(platform.pid)
    os.kill(children[-1], signal.SIGKILL)
    _, errors = platform.communicate(timeout=15)
    assert platform.returncode == 1
    assert "ended by itself, with status -9" in errors
    assert wait_gone(children, 5)
