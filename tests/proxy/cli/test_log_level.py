"""`penstock log-level` against listeners: what is asked, and what is shown."""

import json

import pytest
from answering_support import answering
from click.testing import CliRunner, Result

from proxy.cli.log_level import command

STATE = {
    "levels": [
        {"logger": "root", "level": "info", "source": "settings", "seconds_left": None},
        {"logger": "penstock.tls", "level": "debug", "source": "changed", "seconds_left": 599.6},
        {"logger": "h11", "level": "error", "source": "settings", "seconds_left": None},
    ],
    "loggers": [
        {"logger": "root", "what": "everything else", "level": "info"},
        {"logger": "penstock.tls", "what": "handshakes", "level": "debug"},
    ],
    "others": ["h11"],
    "dropped": 1234,
}


def run(port: int, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--admin-listen", f"127.0.0.1:{port}", *arguments])


def test_the_levels() -> None:
    with answering(200, json.dumps(STATE).encode()) as (port, asked):
        result = run(port)
    assert asked == ["GET /log-level None"]
    assert result.stdout.splitlines() == [
        "LOGGER        LEVEL  SINCE                    WHAT IT TELLS OF",
        "root          info   settings                 everything else",
        "penstock.tls  debug  changed, for 600 s more  handshakes",
        "h11           error  settings",
        "1,234 lines were dropped, since nobody read the log or it could not be written",
    ]


def test_as_json() -> None:
    with answering(200, json.dumps(STATE).encode()) as (port, _):
        assert json.loads(run(port, "--output", "json").stdout) == STATE


def test_a_change() -> None:
    with answering(200, json.dumps(STATE).encode()) as (port, asked):
        assert run(port, "penstock.tls", "debug", "--for", "10m").exit_code == 0
        assert run(port, "penstock.tls", "default").exit_code == 0
    assert asked == [
        "PUT /log-level?logger=penstock.tls&level=debug&for=10m None",
        "PUT /log-level?logger=penstock.tls&level=default None",
    ]


def test_what_the_gateway_refuses() -> None:
    with answering(400, b'{"title": "The query is wrong.", "detail": "There is no logger \'x\' here."}') as (port, _):
        result = run(port, "x", "debug")
    assert result.exit_code == 1
    assert result.stderr.endswith("answers 400: There is no logger 'x' here.\n")


@pytest.mark.parametrize("arguments", [["penstock.tls"], ["--for", "10m"], ["penstock.tls", "loud"]])
def test_what_cannot_be_asked(arguments: list[str]) -> None:
    assert run(1, *arguments).exit_code == 2
