"""What holds for every command: help, `--output json`, and a line for what is wrong."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from load_support import answering, frames_service, server

from proxy.cli.main import COMMANDS, SECTIONS, command

RUN_ON = {"serve", "demo", "asgi"}
"""They end when they are told to; what they have to tell is their log, which is JSON where no person looks."""


def leaves(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for each in group.list_commands(context):
        found = group.get_command(context, each)
        assert found is not None, each
        if isinstance(found, click.Group):
            yield from leaves(found, f"{name}{each} ")
        else:
            yield f"{name}{each}", found


assert isinstance(command, click.Group)
LEAVES = dict(leaves(command))
ENDING = {name: each for name, each in LEAVES.items() if name not in RUN_ON}
ASKING = {name: each for name, each in ENDING.items() if name.split()[0] in SECTIONS["Look at a running gateway"]} | {
    name: each for name, each in ENDING.items() if name.split()[0] in SECTIONS["Change a running gateway"]
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_every_command_is_in_one_section() -> None:
    assert len(COMMANDS) == sum(map(len, SECTIONS.values()))


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_help_in_whole_sentences(name: str) -> None:
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    words = LEAVES[name].help
    assert words
    assert words.split("\n\n")[0].strip().endswith((".", ":"))


@pytest.mark.parametrize("name", COMMANDS)
def test_helps_in_the_list_are_short_sentences(name: str) -> None:
    assert COMMANDS[name].endswith(".")
    assert len(COMMANDS[name]) <= 64


@pytest.mark.parametrize("name", ENDING)
def test_every_command_that_ends_can_tell_a_program(name: str) -> None:
    outputs = [each for each in ENDING[name].params if "--output" in each.opts]
    assert outputs, f"penstock {name} has no --output"
    assert isinstance(outputs[0].type, click.Choice)
    assert {"text", "json"} <= set(outputs[0].type.choices)


@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "show"],
        ["config", "check"],
        ["config", "env", "--edge-deadline", "4s"],
        ["config", "schema"],
        ["config", "diff", "FOLDER/new.yaml"],
        ["config", "init", "FOLDER/made.yaml"],
        ["check"],
        ["key", "reports"],
        ["cert", "--directory", "FOLDER/certificates"],
        ["cert", "--client", "me", "--directory", "FOLDER/certificates"],
        ["doctor", "--edge-listen", "127.0.0.1:0", "--services-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        ["completion", "zsh"],
        ["man"],
        ["bench", "http://127.0.0.1:HTTP/", "--rate", "50", "--duration", "40ms"],
        ["call", "127.0.0.1:FRAMES", "GET", "/invoices/1"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_json_is_all_that_stands_on_standard_output(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text("edge: {deadline: 3s}\n")
    with server(answering()) as http, server(frames_service()) as frames:
        places = {"FOLDER": str(tmp_path), "HTTP": str(http), "FRAMES": str(frames)}
        for word, place in places.items():
            arguments = [each.replace(word, place) for each in arguments]
        result = run(*arguments, "--output", "json")
    assert result.exit_code in (0, 1), result.output
    assert isinstance(json.loads(result.stdout), dict | list)
    assert "Traceback" not in result.stderr


def arguments_of(each: click.Command) -> list[str]:
    """Something for every argument that must be there."""
    return [
        "debug" if "level" in str(one.name) else "/x"
        for one in each.params
        if isinstance(one, click.Argument) and one.required
    ]


@pytest.mark.parametrize("name", ASKING)
def test_where_no_gateway_runs_one_line_says_so(name: str) -> None:
    result = run(*name.split(), *arguments_of(ASKING[name]), "--admin-listen", "127.0.0.1:1", "--output", "json")
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("penstock: error: nobody listens on 127.0.0.1:1, the gateway's admin.listen")


def test_check_tells_a_program_what_is_wrong() -> None:
    result = run("check", "--edge-deadline", "4", "--output", "json")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert told["right"] is False
    assert told["problems"][0]["fix"] == "write 4s or 4ms"
    assert "write 4s or 4ms" in result.stderr


def test_variables_for_a_program_leave_secrets_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("hunter2")
    monkeypatch.setenv("PENSTOCK_ADMIN_TOKEN", "hunter3")
    monkeypatch.setenv("PENSTOCK_SERVICES_TOKEN_FILE", str(tmp_path / "token"))
    result = run("config", "env", "--edge-deadline", "4s", "--output", "json")
    assert json.loads(result.stdout) == {
        "PENSTOCK_EDGE_DEADLINE": "4s",
        "PENSTOCK_SERVICES_TOKEN_FILE": str(tmp_path / "token"),
    }
