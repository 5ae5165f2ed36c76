"""What is said to a service manager, and what it has opened: by systemd's rules."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.supervisor.errors import ActivationError
from proxy.supervisor.notify import activated, notify, notify_reloading, watchdog_s


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@penstock-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield heard


def test_lines(manager: socket.socket) -> None:
    notify("READY=1", "STATUS=2 workers serve")
    assert manager.recv(1000) == b"READY=1\nSTATUS=2 workers serve"
    notify_reloading()
    assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nowhere"))
    notify("READY=1")


@pytest.mark.parametrize(
    ("given", "interval_s"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "often"}, 0.0),
    ],
)
def test_how_often_a_watchdog_wants_to_hear(given: dict[str, str], interval_s: float) -> None:
    assert watchdog_s(given) == interval_s


def variables(names: str, count: int = 1, pid: int | None = None) -> dict[str, str]:
    own = os.getpid() if pid is None else pid
    return {"LISTEN_FDS": str(count), "LISTEN_PID": str(own), "LISTEN_FDNAMES": names, "OTHER": "stays"}


def test_sockets_for_somebody_else_are_let_alone() -> None:
    given = variables("edge", pid=1)
    assert activated(given) == {}
    assert given == {"OTHER": "stays"}


@pytest.mark.parametrize("count", ["", "-1", "two"])
def test_numbers_that_are_none(count: str) -> None:
    assert activated(variables("edge") | {"LISTEN_FDS": count}) == {}


@pytest.mark.parametrize(("names", "name"), [("http", "'http'"), ("unknown", "'unknown'"), ("", "''")])
def test_a_socket_for_nothing(names: str, name: str) -> None:
    with pytest.raises(ActivationError) as caught:
        activated(variables(names))
    assert str(caught.value) == (
        f"the service manager opened a socket named {name}; "
        "write FileDescriptorName= with one of edge, edge_tls, services, admin"
    )
