"""`penstock workers restart` and `penstock upgrade` against listeners that answer in every way."""

import json

import pytest
from answering_support import answering
from click.testing import CliRunner, Result

from proxy.cli.main import command

RESTARTED = {"state": "done", "slots": [], "new": ["0.2", "1.2"], "error": ""}
UPGRADED = {"state": "done", "version": "0.2.0", "was": "0.1.0", "error": ""}
COMMANDS = [
    ("workers restart", "/workers/restart", RESTARTED, "workers were replaced by 0.2, 1.2\n"),
    ("upgrade", "/upgrade", UPGRADED, "version 0.2.0 has taken over from 0.1.0\n"),
]


def run(words: str, port: int, *more: str) -> Result:
    return CliRunner().invoke(command, [*words.split(), "--admin-listen", f"127.0.0.1:{port}", *more])


@pytest.mark.parametrize(("words", "path", "came", "said"), COMMANDS)
def test_what_came_of_it(words: str, path: str, came: dict[str, object], said: str) -> None:
    with answering(200, json.dumps(came).encode()) as (port, asked):
        result = run(words, port)
        assert (result.exit_code, result.output) == (0, said)
        assert json.loads(run(words, port, "--output", "json").output) == came
    assert asked == [f"POST {path} None", f"GET {path} None"] * 2


@pytest.mark.parametrize(("words", "path", "came", "said"), COMMANDS)
def test_one_that_has_failed(words: str, path: str, came: dict[str, object], said: str) -> None:
    failed = came | {"state": "failed", "error": "worker 0.2 has ended"}
    with answering(200, json.dumps(failed).encode()) as (port, _):
        result = run(words, port)
        assert (result.exit_code, result.output) == (1, "not all workers were replaced: worker 0.2 has ended\n")
        assert run(words, port, "--output", "json").exit_code == 1


@pytest.mark.parametrize(("words", "path", "came", "said"), COMMANDS)
def test_one_that_is_not_begun(words: str, path: str, came: dict[str, object], said: str) -> None:
    with answering(409, b'{"title": "No.", "detail": "an upgrade is under way already"}') as (port, asked):
        result = run(words, port)
    assert result.exit_code == 1
    line = f"penstock: error: the gateway on 127.0.0.1:{port} answers 409: an upgrade is under way already\n"
    assert result.stderr == line
    assert asked == [f"POST {path} None"]


def test_only_some_slots() -> None:
    with answering(200, json.dumps(RESTARTED).encode()) as (port, asked):
        assert run("workers restart", port, "--slot", "1", "--slot", "0").exit_code == 0
        assert run("workers restart", port, "--slot", "x").exit_code == 2
    assert asked[0] == "POST /workers/restart?slot=1&slot=0 None"
