"""`penstock workers` and `penstock drain`, against a listener that answers as a gateway does."""

import json
import socket

import pytest
from answering_support import answering
from click.testing import CliRunner, Result

from penstock.settings import Address, Secret
from proxy.cli import admin_client
from proxy.cli.main import command

ROW = {
    "worker": "0.1",
    "slot": 0,
    "pid": 4711,
    "state": "serving",
    "services_port": 7105,
    "uptime_s": 130.0,
    "instances": ["billing/a", "billing/b"],
    "not_ready": [],
    "answers": True,
}
HUNG = {**ROW, "worker": "1.3", "instances": [], "answers": False, "not_ready": ["It does not answer."]}
PAGE = {"workers": [ROW, HUNG], "restarts": 2, "draining": True}


def run(port: int, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--admin-listen", f"127.0.0.1:{port}"])


@pytest.mark.parametrize("words", [["workers"], ["workers", "list"]])
def test_workers_are_listed_with_how_they_are(words: list[str]) -> None:
    with answering(200, json.dumps(PAGE).encode()) as (port, asked):
        result = run(port, *words)
    assert asked == ["GET /workers None"]
    assert result.stdout.splitlines() == [
        "WORKER  PID   STATE    SINCE  SERVICES PORT  INSTANCES  NOT READY",
        "0.1     4711  serving  2m     7105           2",
        "1.3     4711  serving  2m     7105           -          It does not answer.",
        "2 restarted since the start; the gateway is draining",
    ]


def test_workers_as_json() -> None:
    with answering(200, json.dumps(PAGE).encode()) as (port, _):
        assert json.loads(run(port, "workers", "--output", "json").stdout) == PAGE


def test_a_gateway_without_workers_says_so() -> None:
    with answering(200, b'{"workers": []}') as (port, _):
        result = run(port, "workers")
    assert (result.exit_code, result.stdout) == (
        0,
        "the gateway is a single process, without workers; the setting workers (PENSTOCK_WORKERS) says how many it"
        " has\n",
    )


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("text", "the gateway is draining: it takes nothing new, finishes what it has, and ends\n"),
        ("json", '{\n  "status": "draining"\n}\n'),
    ],
)
def test_a_drain_is_begun(output: str, said: str) -> None:
    with answering(200, b'{"status": "draining"}') as (port, asked):
        result = run(port, "drain", "--output", output)
    assert asked == ["POST /drain None"]
    assert (result.exit_code, result.stdout) == (0, said)


def test_a_drain_may_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter([True, True, False])
    monkeypatch.setattr(admin_client.AdminClient, "is_there", lambda _: next(left))
    monkeypatch.setattr("proxy.cli.drain.POLL_S", 0.0)
    with answering(200, b'{"status": "draining"}') as (port, _):
        result = run(port, "drain", "--wait", "--output", "json")
    assert json.loads(result.stdout)["status"] == "ended"
    assert list(left) == []


def test_a_gateway_that_cannot_drain_says_why() -> None:
    with answering(404, b'{"detail": "This gateway is part of another program, and ends with that."}') as (port, _):
        result = run(port, "drain")
    assert result.exit_code == 1
    assert result.stderr == (
        f"penstock: error: the gateway on 127.0.0.1:{port} answers 404: This gateway is part of another program, and"
        " ends with that.\n"
    )


def test_nobody_is_there_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = admin_client.AdminClient(Address("127.0.0.1", port), Secret(""))
        assert client.is_there()
    assert not client.is_there()
    assert run(port, "drain").exit_code == 1
