"""`penstock asgi`, as it is called from a shell."""

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.asgi import StartupError
from penstock.asgi.load import load_application
from proxy.cli.asgi import make_service, read_claims

APP = """
import os

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\\nValueError: no database"})

def make():
    return app

def fail():
    raise ValueError("no database")

class part:
    inner = app

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "command_sample.py").write_text(APP)
    (tmp_path / "command_broken.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize("place", ["command_sample:app", "command_sample:part.inner"])
def test_an_application_is_found(place: str, folder: Path) -> None:
    assert callable(load_application(place, folder=folder))


def test_an_application_is_made(folder: Path) -> None:
    assert load_application("command_sample:make", folder=folder, is_factory=True).__name__ == "app"


@pytest.mark.parametrize(
    ("place", "is_factory", "said"),
    [
        ("command_sample", False, "'command_sample' is no application; write module:attribute, such as shop.main:app"),
        (":app", False, "':app' is no application; write module:attribute, such as shop.main:app"),
        ("nowhere_at_all:app", False, "nowhere_at_all:app: there is no module 'nowhere_at_all' in "),
        ("command_sample:ap", False, "command_sample:ap: command_sample has no 'ap'"),
        ("command_sample:number", False, "command_sample:number is int, which cannot be called"),
        ("command_sample:fail", True, "command_sample:fail() failed: ValueError: no database"),
    ],
)
def test_what_is_no_application(place: str, is_factory: bool, said: str, folder: Path) -> None:
    with pytest.raises(StartupError) as raised:
        load_application(place, folder=folder, is_factory=is_factory)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_what_its_own_imports_raise_goes_on(folder: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        load_application("command_broken:app", folder=folder)


def test_options_become_a_service(folder: Path) -> None:
    service = make_service(
        "command_sample:app",
        app_dir=folder,
        factory=False,
        claims=("role=clerk", "role=boss", "verified"),
        grace_s=None,
        name="shop",
        version="1.2.3",
        prefix="/shop",
    )
    assert (service.name, service.version) == ("shop", "1.2.3")
    offer = service.endpoints[0].offer
    assert offer.claims == {"role": ("clerk", "boss"), "verified": ()}
    assert offer.path == "/shop"


def test_claims() -> None:
    assert read_claims(("a", "b=1", "b=2", "c=x=y")) == {"a": [], "b": ["1", "2"], "c": ["x=y"]}


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy.cli.main", "asgi", *more, "--name", "shop", "--version", "1.0.0"],
        cwd=folder,
        env={"PENSTOCK_GATEWAYS": "tcp://127.0.0.1:1", "PENSTOCK_LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["trio", "asyncio"])
def test_an_application_that_fails_to_start_ends_the_program_with_a_line(loop: str, folder: Path) -> None:
    ended = run(folder, "command_sample:app", "--loop", loop)
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1] == "the application failed to start: ValueError: no database"
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_an_application_that_is_not_there_ends_the_program_with_a_line(folder: Path) -> None:
    ended = run(folder, "command_sample:ap")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "penstock: error: command_sample:ap: command_sample has no 'ap'\n"
